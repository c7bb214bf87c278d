"""The order of Debian versions, as deb-version(7) defines it and `dpkg --compare-versions` decides it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

__all__ = ["DebVersionKey", "deb_version_key", "split_deb_version"]

# Per part: a run of non-digits as weights ending in 0, then a number as (length, digits): digits may be thousands long.
_Token: TypeAlias = tuple[tuple[int, ...], int, str]
DebVersionKey: TypeAlias = tuple[int, str, tuple[_Token, ...], tuple[_Token, ...]]

_RUN = re.compile(r"([^0-9]*)([0-9]*)")
_END: _Token = ((0,), 0, "")


@lru_cache(maxsize=16384)
def split_deb_version(version: str) -> tuple[str, str, str]:
    """Split `[epoch:]upstream[-revision]` into its three parts; absent ones are empty."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "")


@lru_cache(maxsize=65536)  # a fleet's hosts have the same versions over and over
def deb_version_key(version: str) -> DebVersionKey:
    """Return a key that sorts versions as dpkg does; equal keys are equal versions (`1.0`, `0:1.0-0`).

    Never raises: what is no valid version is ordered by the same rules as far as they reach.
    """
    epoch, upstream, revision = split_deb_version(version)
    number = epoch.lstrip("0")
    return len(number), number, _tokens(upstream), _tokens(revision)


def _tokens(part: str) -> tuple[_Token, ...]:
    found: list[_Token] = []
    for text, digits in _RUN.findall(part):
        if not text and not digits:
            continue
        number = digits.lstrip("0")
        found.append(((*(_weight(char) for char in text), 0), len(number), number))
    # An absent part equals "0"; the end of a string sorts behind `~` and before everything else.
    return (*(found or [_END]), _END)


def _weight(char: str) -> int:
    """Return a character's place: `~` before the end of the string (0), then letters, then all else."""
    if char == "~":
        return -1
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256
