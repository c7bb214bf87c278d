"""Tell what happened to a chain of records that does not fit together: changed, missing, moved, or put in between."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Entry", "Flaw", "Kind", "diagnose"]

Kind: TypeAlias = Literal["changed", "missing", "reordered", "torn", "truncated", "unreadable", "foreign"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something that is wrong with a chain, or with what it vouches for.

    Attributes:
        kind: the class of damage. `torn`: a power cut leaves it. `truncated`: records are missing at the end. `foreign`: something is
            there that does not belong.
        message: one sentence.
        line: where in the file of the chain, from 1; 0 where it is no single line.
        file: which other file it is about, relative to the run's folder; empty: the chain.
    """

    kind: Kind
    message: str
    line: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a chain. `sequence` is 0 where it is no record."""

    sequence: int
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class _Lines:
    """All lines, by number; and the numbers of the lines that hold a record, by its `seq`."""

    entries: Mapping[int, Entry]
    where: Mapping[int, list[int]]


def diagnose(entries: Iterable[Entry | None], *, first: str, base: str) -> list[Flaw]:
    """Return everything that is wrong, in the order of the file.

    Args:
        entries: all lines; None stands for one without an end.
        first: what record 1 must be bound to.
        base: what that is the hash of, in words.
    """
    found = {number: entry for number, entry in enumerate(entries, 1) if entry is not None}
    where: dict[int, list[int]] = defaultdict(list)
    for number, entry in found.items():
        if entry.sequence:
            where[entry.sequence].append(number)
    lines = _Lines(found, where)
    flaws = [
        *_unreadable(lines),
        *_twice(lines),
        *_moved(lines),
        *_missing(lines),
        *_changed(lines, first, base),
    ]
    return sorted(flaws, key=lambda flaw: flaw.line)


def _unreadable(lines: _Lines) -> Iterator[Flaw]:
    for number, entry in lines.entries.items():
        if not entry.sequence:
            yield Flaw(kind="unreadable", message=f"line {number} is no record", line=number)


def _twice(lines: _Lines) -> Iterator[Flaw]:
    for sequence, (number, *others) in lines.where.items():
        for other in others:
            if lines.entries[other].hash == lines.entries[number].hash:
                text = f"line {other} repeats record {sequence}, which stands in line {number}"
                yield Flaw(kind="reordered", message=text, line=other)
            else:
                text = f"line {other} is another record {sequence}, beside the one in line {number}"
                yield Flaw(kind="foreign", message=text, line=other)


def _moved(lines: _Lines) -> Iterator[Flaw]:
    """Name the fewest records that, put back, leave the rest in order."""
    numbers = sorted(numbers[0] for numbers in lines.where.values())
    stay = _longest_rising([lines.entries[number].sequence for number in numbers])
    for index, number in enumerate(numbers):
        if index not in stay:
            text = f"line {number} holds record {lines.entries[number].sequence}, which belongs elsewhere"
            yield Flaw(kind="reordered", message=text, line=number)


def _longest_rising(values: list[int]) -> set[int]:
    """Return the indexes of the longest run of rising values (patience sorting)."""
    ends: list[int] = []  # ends[n]: the smallest value that a rising run of n + 1 values can end with
    last: list[int] = []  # the index of that value
    before: list[int] = []
    for index, value in enumerate(values):
        place = bisect_left(ends, value)
        before.append(last[place - 1] if place else -1)
        ends[place : place + 1] = [value]
        last[place : place + 1] = [index]
    kept: set[int] = set()
    index = last[-1] if last else -1
    while index >= 0:
        kept.add(index)
        index = before[index]
    return kept


def _missing(lines: _Lines) -> Iterator[Flaw]:
    known = sorted(lines.where)
    for before, after in zip([0, *known], known, strict=False):
        gone = after - before - 1
        if not gone:
            continue
        start, end = (lines.where[before][0] if before else 0), lines.where[after][0]
        # Lines in between that are no records stand for as many: they are told of as such.
        gone -= sum(
            not lines.entries[number].sequence for number in range(start + 1, end) if number in lines.entries
        )
        if gone > 0:
            names = (
                f"record {before + 1} is"
                if after - before == 2
                else f"records {before + 1} to {after - 1} are"
            )
            yield Flaw(kind="missing", message=f"{names} missing before line {end}", line=end)


def _changed(lines: _Lines, first: str, base: str) -> Iterator[Flaw]:
    for sequence, numbers in lines.where.items():
        entry = lines.entries[numbers[0]]
        if sequence == 1:
            if entry.previous != first:
                text = f"the first record is bound to something else: {base} was changed, or that record was"
                yield Flaw(kind="changed", message=text, line=numbers[0])
            continue
        fitting = lines.where.get(sequence - 1, [])
        if fitting and all(lines.entries[number].hash != entry.previous for number in fitting):
            text = f"record {sequence - 1} does not fit the one after it: it was changed"
            yield Flaw(kind="changed", message=text, line=fitting[0])
