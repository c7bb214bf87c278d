"""What the words of a baseline fit: made ready once, asked about every package of every host.

Hosts of a fleet have the same names, versions and advisories over and over, so answers are remembered, up to a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Final, TypeAlias

from fleetctl.patch.baseline import FilterKey, Filters
from fleetctl.patch.candidate import Candidate, version_names

__all__ = ["Condition", "Conditions", "PatchList", "conditions_of", "fit", "list_of"]

_WILD: Final = re.compile(r"[*?]")
_GLOB: Final = re.compile(r"[*?\[]")


class Condition:
    """The values of one filter key: one of them must fit."""

    __slots__ = ("fits", "key")

    def __init__(self, key: FilterKey, globs: Iterable[str]) -> None:
        folded = [glob.casefold() for glob in globs]
        exact = frozenset(glob for glob in folded if not _GLOB.search(glob))
        wild = re.compile("|".join(translate(glob) for glob in folded if _GLOB.search(glob)))

        @lru_cache(maxsize=4096)
        def fits(value: str) -> bool:
            value = value.casefold()
            return value in exact or (bool(wild.pattern) and wild.match(value) is not None)

        self.key = key
        self.fits = fits


Conditions: TypeAlias = tuple[Condition, ...]


def conditions_of(filters: Filters) -> Conditions:
    """Return the conditions that can fail: `*` never does, also where there is no value to compare with."""
    return _conditions(
        tuple((key, tuple(globs)) for key, globs in filters.values.items() if "*" not in globs)
    )


@lru_cache(maxsize=256)
def _conditions(told: tuple[tuple[FilterKey, tuple[str, ...]], ...]) -> Conditions:
    return tuple(Condition(key, globs) for key, globs in told)


def fit(conditions: Conditions, candidate: Candidate) -> bool:
    """Tell whether a version meets all of them."""
    for condition in conditions:
        fits = condition.fits
        for value in candidate.values(condition.key):
            if fits(value):
                break
        else:
            return False
    return True


class PatchList:
    """`approved_patches` or `rejected_patches`."""

    __slots__ = ("_entries", "_named", "_told")

    def __init__(self, entries: tuple[str, ...]) -> None:
        folded = [entry.casefold() for entry in entries]
        exact = frozenset(entry for entry in folded if not _WILD.search(entry))
        globs = [_within_name(entry) for entry in folded if _WILD.search(entry)]
        wild = re.compile(f"\0(?:{'|'.join(globs)})\0") if globs else None

        def holds(names: Iterable[str]) -> bool:
            # All names stand in one text, each between two NULs: one search looks for all patterns in all of them.
            text = "\0".join(("", *names, "")).casefold()
            if not exact.isdisjoint(text.split("\0")):
                return True
            return wild is not None and wild.search(text) is not None

        self._entries = entries
        self._named = lru_cache(maxsize=16384)(lambda *version: holds(version_names(*version)))
        self._told = lru_cache(maxsize=16384)(lambda *notice: holds(notice))

    def names(self, candidate: Candidate) -> bool:
        """Tell whether an entry names it, in one of the forms of `Candidate.names`."""
        if not self._entries:
            return False
        if self._named(candidate.name, candidate.arch, candidate.version):
            return True
        return any(self._told(*notice) for notice in candidate.notices())

    def entry(self, candidate: Candidate) -> str:
        """Return the first entry that names it; empty if none does."""
        return next((entry for entry in self._entries if list_of((entry,)).names(candidate)), "")


@lru_cache(maxsize=256)
def list_of(entries: tuple[str, ...]) -> PatchList:
    """Return a list that is ready."""
    return PatchList(entries)


def _within_name(glob: str) -> str:
    """Return a regular expression for a pattern with `*` and `?` that does not reach beyond one name."""
    return re.escape(glob).replace(r"\*", "[^\0]*").replace(r"\?", "[^\0]")
