"""Records bound to one another by hashes: what the ledger of a run and the audit log have in common.

A chain is a file of lines, each one JSON object with `seq` (from 1), `at` (UTC), `type`, the fields of its type, and `prev`: the
SHA-256 of the line before, without its newline; of something outside the file for the first. Nothing in it can be changed,
dropped or put elsewhere unseen, except at its end, which only what is kept elsewhere can protect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fleetctl.errors import StateFolderError
from fleetctl.store.runs import to_bytes

__all__ = ["Chain", "Flaw", "Kind", "cut_torn", "hash_of", "inspect", "records", "seal"]

Kind: TypeAlias = Literal["changed", "missing", "reordered", "torn", "truncated", "unreadable", "foreign"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is wrong with a chain.

    Attributes:
        line: where, from 1; 0 is the file as a whole.
        kind: the class of damage.
        message: one sentence.
    """

    line: int
    kind: Kind
    message: str


@dataclass(slots=True, kw_only=True)
class Chain:
    """What a look through a chain found.

    Attributes:
        count: whole records.
        head: hash of the last whole line; what the first is bound to, where there is none.
        sequence: `seq` of the last whole record; 0 where there is none.
        size: bytes of whole lines.
        torn: bytes of an unfinished last line.
        flaws: everything that is wrong, in the order of the file; a torn end is among them.
    """

    count: int = 0
    head: str
    sequence: int = 0
    size: int = 0
    torn: int = 0
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong but perhaps a torn end, as a power cut leaves it."""
        return all(flaw.kind == "torn" for flaw in self.flaws)


def hash_of(line: bytes) -> str:
    """Return what the record after this line carries as `prev`."""
    return sha256(line).hexdigest()


def seal(type_: str, fields: Mapping[str, Any], *, sequence: int, previous: str) -> bytes:
    """Make the line of a record, without its newline. Fields that are None or empty text are left out."""
    record = {
        "seq": sequence,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "type": type_,
    }
    record |= {key: value for key, value in fields.items() if value is not None and value != ""}
    record["prev"] = previous
    return to_bytes(record)


def inspect(path: Path, *, first: str, see: Callable[[int, Mapping[str, Any]], None] | None = None) -> Chain:
    """Look through a whole chain, one line in memory at a time.

    Args:
        path: the file; one that does not exist is an empty chain.
        first: what the first record must carry as `prev`.
        see: called with line number and record for each that can be read.

    Raises:
        StateFolderError: the file cannot be read.
    """
    chain = Chain(head=first)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                _take(chain, line, number=number, see=see)
    except FileNotFoundError:
        return chain
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc
    return chain


def _take(
    chain: Chain, line: bytes, *, number: int, see: Callable[[int, Mapping[str, Any]], None] | None
) -> None:
    body = line.removesuffix(b"\n")
    if body == line:
        chain.torn = len(line)
        chain.flaws.append(Flaw(number, "torn", f"line {number} has no end: {len(line)} bytes of a record"))
        return
    record = _parse(body)
    if record is None:
        chain.flaws.append(Flaw(number, "unreadable", f"line {number} is no record"))
    else:
        _compare(chain, record, number)
        chain.sequence = record["seq"]
        chain.count += 1
        if see is not None:
            see(number, record)
    chain.head = hash_of(body)
    chain.size += len(line)


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(body)
    except ValueError:
        return None
    if (
        isinstance(record, dict)
        and isinstance(record.get("seq"), int)
        and isinstance(record.get("type"), str)
    ):
        return record
    return None


def _compare(chain: Chain, record: Mapping[str, Any], number: int) -> None:
    expected, found = chain.sequence + 1, record["seq"]
    if record.get("prev") == chain.head and found == expected:
        return
    if found < expected:
        text = f"line {number} holds record {found}, which belongs further up"
        chain.flaws.append(Flaw(number, "reordered", text))
    elif found > expected:
        gone = f"record {expected}" if found == expected + 1 else f"records {expected} to {found - 1}"
        chain.flaws.append(Flaw(number, "missing", f"{gone} missing before line {number}"))
    elif number == 1:
        text = "the first record is bound to something else: what it stands on was changed"
        chain.flaws.append(Flaw(number, "foreign", text))
    else:
        text = f"record {found} does not fit the one before it: record {found - 1} was changed"
        chain.flaws.append(Flaw(number - 1, "changed", text))


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a chain as they stand, without comparing hashes; what is no record is passed over.

    Raises:
        StateFolderError: the file cannot be read; one that does not exist holds none.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and (record := _parse(line)) is not None:
                    yield record
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc


def cut_torn(path: Path, chain: Chain) -> None:
    """Take an unfinished last line away, as it must be before anything is added.

    Raises:
        StateFolderError: the file cannot be written.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, chain.size)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}") from exc
