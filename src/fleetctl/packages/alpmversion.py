"""The order of pacman's versions, as vercmp(8) decides it (libalpm: `alpm_pkg_vercmp`).

libalpm took its comparison from an old rpm: there is no `~` and no `^`, the length of separators counts, and letters that only one
side has make that side older (`1.0rc1` is older than `1.0`). That is no order of segments, so the key compares pairs.
"""

from __future__ import annotations

import re
from functools import cmp_to_key, lru_cache
from typing import Any

__all__ = ["alpm_version_key", "split_alpm_version"]

_EPOCH = re.compile(r"([0-9]*):")
_GAP = re.compile(r"[^0-9a-zA-Z]*")
_NUMBER = re.compile(r"[0-9]*")
_LETTERS = re.compile(r"[a-zA-Z]*")


def split_alpm_version(version: str) -> tuple[str, str, str]:
    """Split `[epoch:]version[-release]` into its three parts; absent ones are empty."""
    found = _EPOCH.match(version)
    epoch, rest = (found[1], version[found.end() :]) if found else ("", version)
    upstream, dash, release = rest.rpartition("-")
    return (epoch, upstream, release) if dash else (epoch, rest, "")


@lru_cache(maxsize=65536)  # a fleet's hosts have the same versions over and over
def alpm_version_key(version: str) -> Any:
    """Return a key that sorts versions as pacman does; never raises."""
    return _Key(version)


def _compare(left: str, right: str) -> int:
    if left == right:
        return 0
    ours, theirs = split_alpm_version(left), split_alpm_version(right)
    told = _part(ours[0] or "0", theirs[0] or "0") or _part(ours[1], theirs[1])
    # A release counts only where both have one, be it empty.
    both = all("-" in version for version in (left, right))
    return told or (_part(ours[2], theirs[2]) if both else 0)


_Key = cmp_to_key(_compare)


def _part(left: str, right: str) -> int:
    """Compare one part, segment by segment (libalpm: `rpmvercmp`)."""
    while left and right and left != right:
        our_gap, their_gap = _length(_GAP, left), _length(_GAP, right)
        left, right = left[our_gap:], right[their_gap:]
        if not left or not right:
            break
        if our_gap != their_gap:
            return _sign(our_gap, their_gap)
        kind = _NUMBER if left[0].isdigit() else _LETTERS
        ours, theirs = left[: _length(kind, left)], right[: _length(kind, right)]
        if not theirs:
            return 1 if kind is _NUMBER else -1
        told = _number(ours, theirs) if kind is _NUMBER else _sign(ours, theirs)
        if told:
            return told
        left, right = left[len(ours) :], right[len(theirs) :]
    return _showdown(left, right)


def _showdown(left: str, right: str) -> int:
    """Decide where all that both have is equal: what is left over is newer, unless it is letters."""
    if left == right:
        return 0
    if (not left and not right[:1].isalpha()) or left[:1].isalpha():
        return -1
    return 1


def _number(left: str, right: str) -> int:
    left, right = left.lstrip("0"), right.lstrip("0")
    return _sign(len(left), len(right)) or _sign(left, right)


def _sign(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _length(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0
