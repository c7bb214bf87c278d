"""Judge one version by one claim of a feed (OSV schema: "Evaluation" of events)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeAlias

from fleetctl.feeds.model import Claim, Event
from fleetctl.packages.collect import GROUP
from fleetctl.packages.rpmversion import rpm_version_key
from fleetctl.spec.plugins import load, names

__all__ = ["Judged", "Standing", "VersionKey", "judge", "version_key_of"]

VersionKey: TypeAlias = Callable[[str], Any]


class Standing(StrEnum):
    """How a package, or a host, stands to a CVE."""

    AFFECTED = "AFFECTED"
    FIXED = "FIXED"
    NOT_AFFECTED = "NOT_AFFECTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the version that mends it, or did; empty where there is none, or none is needed."""

    standing: Standing
    fixed: str = ""


_NOT: Final = Judged(Standing.NOT_AFFECTED)
_UNKNOWN: Final = Judged(Standing.UNKNOWN)
_RANK: Final = {"fixed": 0, "last_affected": 1, "introduced": 2}


def judge(claim: Claim, version: str, key: VersionKey) -> Judged:
    """Say how a version stands to a claim.

    Args:
        claim: about its package and release.
        version: in the form that the claim's versions have.
        key: sorts versions as the package manager does.
    """
    if claim.undetermined or _of_another_stream(claim, version):
        return _UNKNOWN
    told = [_by_range(events, version, key) for events in claim.ranges]
    affected = [one for one in told if one.standing is Standing.AFFECTED]
    if affected:
        if all(one.fixed for one in affected):
            return max(affected, key=lambda one: key(one.fixed))
        return Judged(Standing.AFFECTED)
    if version in claim.versions:
        return Judged(Standing.AFFECTED)
    return next((one for one in told if one.standing is Standing.FIXED), _NOT)


def _by_range(events: tuple[Event, ...], version: str, key: VersionKey) -> Judged:
    """Walk through the events up to the version; what comes behind it tells what mends it."""
    here, zero = key(version), "0"

    def place(event: Event) -> tuple[bool, Any, int]:
        kind, at = event
        return (at != zero or kind != "introduced", key(at), _RANK[kind])

    affected, passed, mended = False, False, ""
    for kind, at in sorted(events, key=place):
        if kind == "introduced":
            affected = affected or at == zero or key(at) <= here
        elif not affected:
            continue
        elif kind == "fixed":
            if key(at) > here:
                return Judged(Standing.AFFECTED, at)
            affected, passed, mended = False, True, at
        elif key(at) < here:
            affected, passed = False, True
    if affected:
        return Judged(Standing.AFFECTED)
    return Judged(Standing.FIXED, mended) if passed else _NOT


def _of_another_stream(claim: Claim, version: str) -> bool:
    """Tell whether one of them is of a module (`.module+el8`) and the other is not: these versions cannot be compared."""
    told = [at for events in claim.ranges for kind, at in events if kind == "fixed"]
    return bool(told) and any((".module" in at) != (".module" in version) for at in told)


@cache
def version_key_of(manager: str) -> VersionKey:
    """Return what sorts versions as a package manager does; one that is not installed here is taken to sort as rpm does."""
    if manager not in names(GROUP):
        return rpm_version_key
    key: VersionKey = load(GROUP, manager)().version_key
    return key
