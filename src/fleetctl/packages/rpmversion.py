"""The order of rpm versions, as rpm's `rpmvercmp` and `rpmVersionCompare` decide it (rpm-version(7)).

Not univers: it compares, but gives no sort keys, and it raises on text that is no version.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

__all__ = ["RpmVersionKey", "evr", "rpm_version_key", "split_rpm_version"]

# A segment as (rank, length, text): `~` before the end, the end before `^`, then letters, then numbers.
_Segment: TypeAlias = tuple[int, int, str]
RpmVersionKey: TypeAlias = tuple[int, str, tuple[_Segment, ...], tuple[_Segment, ...]]

_SEGMENT = re.compile(r"[0-9]+|[a-zA-Z]+|[~^]")
_TILDE: _Segment = (0, 0, "")
_END: _Segment = (1, 0, "")
_CARET: _Segment = (2, 0, "")
_LETTERS, _NUMBER = 3, 4


def split_rpm_version(version: str) -> tuple[str, str, str]:
    """Split `[epoch:]version[-release]` into its three parts; absent ones are empty."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "", version
    upstream, dash, release = rest.rpartition("-")
    return (epoch, upstream, release) if dash else (epoch, rest, "")


def evr(epoch: str, version: str, release: str) -> str:
    """Return the one way in which fleetctl writes an rpm version: an epoch of 0 is left out, as dnf and zypper print it."""
    head = f"{epoch}:" if epoch.strip("0") and epoch != "(none)" else ""
    return f"{head}{version}-{release}" if release else f"{head}{version}"


@lru_cache(maxsize=65536)  # a fleet's hosts have the same versions over and over
def rpm_version_key(version: str) -> RpmVersionKey:
    """Return a key that sorts versions as rpm does; equal keys are equal versions (`1.0-1`, `0:1.00-1`).

    Never raises: what is no valid version is ordered by the same rules as far as they reach.
    """
    epoch, upstream, release = split_rpm_version(version)
    number = epoch.lstrip("0")
    # No release is older than any, `~` included.
    return len(number), number, _segments(upstream), _segments(release) if release else ()


def _segments(part: str) -> tuple[_Segment, ...]:
    """Return what is compared; everything else only separates (so `1.0` equals `1_0`)."""
    found: list[_Segment] = []
    for text in _SEGMENT.findall(part):
        if text == "~":
            found.append(_TILDE)
        elif text == "^":
            found.append(_CARET)
        elif text[0].isdigit():
            number = text.lstrip("0")
            found.append((_NUMBER, len(number), number))
        else:
            found.append((_LETTERS, 0, text))
    return (*found, _END)
