"""Verdicts in SSM's words: items, summaries per resource and for the fleet, and who could not be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from fleetctl.model import EMPTY

__all__ = [
    "ComplianceItem",
    "ComplianceReport",
    "ComplianceStatus",
    "ExecutionSummary",
    "ResourceSummary",
    "Severity",
    "SeverityCounts",
    "Unscanned",
]


class ComplianceStatus(StrEnum):
    """SSM: ComplianceStatus, and what SSM has no word for: neither of the two is to be read as compliant.

    `WAIVED` is an item that is not compliant, with somebody's word that it may be so; `UNKNOWN` could not be judged.
    """

    COMPLIANT = "COMPLIANT"
    NON_COMPLIANT = "NON_COMPLIANT"
    WAIVED = "WAIVED"
    UNKNOWN = "UNKNOWN"


class Severity(StrEnum):
    """SSM: ComplianceSeverity, the gravest first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNSPECIFIED = "UNSPECIFIED"

    @property
    def rank(self) -> int:
        """How grave, from 0 (unspecified)."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(reversed(Severity))}


@dataclass(frozen=True, slots=True)
class SeverityCounts:
    """How many items (or hosts) of each severity."""

    counts: Mapping[Severity, int] = field(default_factory=dict)

    @classmethod
    def of(cls, severities: Iterable[Severity]) -> SeverityCounts:
        """Count."""
        return cls(Counter(severities))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def worst(self) -> Severity:
        """The gravest severity that occurs; UNSPECIFIED if none does."""
        return max(
            (s for s, n in self.counts.items() if n), key=lambda s: s.rank, default=Severity.UNSPECIFIED
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSummary:
    """What found it out.

    Attributes:
        time: when the host was looked at, aware UTC. (SSM: the time of capture; here the run's own time is the host's ended one.)
        id: the run's id.
        type: SSM's word for the kind of run.
    """

    time: datetime
    id: str
    type: str = "Command"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceItem:
    """One verdict about one thing on one host (SSM: ComplianceItem).

    Attributes:
        id: of the thing; for patches `name.arch:version`, SSM's form of a patch id on apt.
        details: JSON-ready; for patches `PatchState`, `InstalledVersion`, `CandidateVersion` and more.
    """

    compliance_type: str
    resource_id: str
    id: str
    title: str
    status: ComplianceStatus
    severity: Severity
    execution: ExecutionSummary
    details: Mapping[str, Any] = EMPTY
    resource_type: str = "ManagedInstance"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSummary:
    """One host in numbers (SSM: ResourceComplianceSummaryItem).

    Attributes:
        compliant, non_compliant: items by severity; they also count the items that a report does not list.
        extra: what the type of compliance adds, JSON-ready (`PatchSummary` and the host's facts).
    """

    compliance_type: str
    resource_id: str
    status: ComplianceStatus
    execution: ExecutionSummary
    compliant: SeverityCounts
    non_compliant: SeverityCounts
    resource_type: str = "ManagedInstance"
    extra: Mapping[str, Any] = EMPTY

    @property
    def overall_severity(self) -> Severity:
        """The gravest severity of what is not compliant."""
        return self.non_compliant.worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscanned:
    """A host about which nothing can be said: never to be read as compliant.

    Attributes:
        status, details: of its invocation.
        reason: class of what went wrong (docs/reference/reasons.md).
    """

    resource_id: str
    status: str
    details: str
    reason: str
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """The verdict about a fleet."""

    compliance_type: str
    run_id: str
    captured: datetime
    resources: tuple[ResourceSummary, ...] = ()
    items: tuple[ComplianceItem, ...] = ()
    unscanned: tuple[Unscanned, ...] = ()

    @property
    def non_compliant(self) -> tuple[ResourceSummary, ...]:
        """The hosts that are not compliant."""
        return tuple(r for r in self.resources if r.status is ComplianceStatus.NON_COMPLIANT)

    @property
    def undecided(self) -> tuple[ResourceSummary, ...]:
        """The hosts of which something could not be judged, and nothing is known to be wrong."""
        return tuple(r for r in self.resources if r.status is ComplianceStatus.UNKNOWN)

    @property
    def compliant(self) -> tuple[ResourceSummary, ...]:
        """The hosts that are."""
        return tuple(r for r in self.resources if r.status is ComplianceStatus.COMPLIANT)
