"""A policy: what hosts are held to. Plain types, made by `policy_load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from fleetctl.compliance.model import Severity
from fleetctl.errors import Where
from fleetctl.model import EMPTY
from fleetctl.resource.protocol import Resource

__all__ = ["Check", "Policy", "Waiver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is wanted of a host.

    Attributes:
        why: why it is wanted, for people.
        remedy: what to do where it is not so.
        refs: framework -> section (`cis` -> `5.2.10`).
        place: of the check: FILE:LINE, the file as the project names it.
    """

    id: str
    title: str
    severity: Severity
    resource: Resource
    why: str = ""
    remedy: str = ""
    refs: Mapping[str, str] = EMPTY
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Somebody's word that some hosts may be otherwise, for a while.

    Attributes:
        checks: ids.
        hosts: a selector.
        expires: the last day on which it counts, in UTC.
    """

    checks: tuple[str, ...]
    hosts: str
    owner: str
    reason: str
    expires: date
    where: Where | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A set of checks.

    Attributes:
        source: its file.
        hosts: a selector; None: whatever hosts are named.
        systems: words of os-release; empty: all.
        text: what it was read from.
        named: its file, as reports name it.
    """

    name: str
    source: str
    checks: tuple[Check, ...]
    description: str = ""
    hosts: str | None = None
    systems: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    text: str = field(default="", repr=False, compare=False)
    named: str = field(default="", compare=False)
