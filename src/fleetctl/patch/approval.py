"""Decide, version by version, what a baseline asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import translate
from typing import TypeAlias

from fleetctl.compliance.model import Severity
from fleetctl.patch.baseline import ApprovalRule, Baseline, FilterKey, Filters
from fleetctl.patch.candidate import Candidate

__all__ = ["Approval", "Decision", "Deployment", "FirstSeen", "no_record"]


class Deployment(StrEnum):
    """SSM: PatchDeploymentStatus."""

    APPROVED = "APPROVED"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    EXPLICIT_APPROVED = "EXPLICIT_APPROVED"
    EXPLICIT_REJECTED = "EXPLICIT_REJECTED"

    @property
    def asked_for(self) -> bool:
        """Whether a host must have it."""
        return self in {Deployment.APPROVED, Deployment.EXPLICIT_APPROVED}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a baseline says about one version, and by which of its parts.

    Attributes:
        by: `approved_patches`, `rejected_patches`, `approval_rules[0]`.
        due: when a pending version will be approved.
    """

    status: Deployment
    by: str
    level: Severity = Severity.UNSPECIFIED
    due: datetime | None = None


FirstSeen: TypeAlias = Callable[[Candidate], datetime | None]
"""Says when fleetctl first saw a version anywhere, where the vendor gives no date (apt); None where it never did."""


def no_record(_candidate: Candidate) -> datetime | None:
    """Know of no first sight."""
    return None


_Patterns: TypeAlias = re.Pattern[str] | None


class Approval:
    """A baseline made ready to decide about many versions.

    Args:
        baseline: whose rules count.
        now: aware UTC; approval delays are counted to it.
        first_seen: stands in for a vendor's date.
    """

    def __init__(self, baseline: Baseline, *, now: datetime, first_seen: FirstSeen = no_record) -> None:
        self.baseline = baseline
        self._now = now
        self._first_seen = first_seen
        self._rejected = _any_of(baseline.rejected_patches)
        self._approved = _any_of(baseline.approved_patches)
        self._global = _compile(baseline.global_filters)
        self._rules = [(rule, _compile(rule.filters)) for rule in baseline.approval_rules]
        self._plain = not (baseline.rejected_patches or baseline.approved_patches)
        self._non_security = not self._plain or self.asks_for_all

    def decide(self, candidate: Candidate) -> Decision | None:
        """Return what the baseline says about a version; None if it says nothing.

        Rejection wins over everything (SSM), an approved patch over the rules; of several rules that match, one that approves wins
        over one that still waits, and the graver compliance level over the lesser.
        """
        if not self._plain:
            if _named(self._rejected, candidate):
                return Decision(Deployment.EXPLICIT_REJECTED, "rejected_patches")
            explicit = _announced(candidate) or self.baseline.approved_patches_enable_non_security
            if explicit and _named(self._approved, candidate):
                level = self.baseline.approved_patches_compliance_level
                return Decision(Deployment.EXPLICIT_APPROVED, "approved_patches", level)
        if not _matches(self._global, candidate):
            return None
        found = [
            self._by_rule(rule, index, candidate)
            for index, (rule, filters) in enumerate(self._rules)
            if (_announced(candidate) or rule.enable_non_security) and _matches(filters, candidate)
        ]
        return max(found, key=lambda d: (d.status.asked_for, d.level.rank), default=None)

    @property
    def asks_for_all(self) -> bool:
        """Whether some rule asks for updates that nobody announced as a security fix."""
        return any(rule.enable_non_security for rule in self.baseline.approval_rules)

    def cares_about(self, *, security: bool) -> bool:
        """Tell whether any version of that kind could be decided about at all: most of a host's packages cannot.

        Args:
            security: it is a security fix, or an advisory names it.
        """
        return security or self._non_security

    def _by_rule(self, rule: ApprovalRule, index: int, candidate: Candidate) -> Decision:
        by = f"approval_rules[{index}]"
        # SSM: a version without any date is approved without delay.
        released = candidate.released() or self._first_seen(candidate)
        if rule.approve_until_date is not None:
            late = released is not None and released.astimezone(UTC).date() > rule.approve_until_date
            return Decision(
                Deployment.PENDING_APPROVAL if late else Deployment.APPROVED, by, rule.compliance_level
            )
        due = released + timedelta(days=rule.approve_after_days or 0) if released else None
        if due is not None and due > self._now and rule.approve_after_days:
            return Decision(Deployment.PENDING_APPROVAL, by, rule.compliance_level, due)
        return Decision(Deployment.APPROVED, by, rule.compliance_level)


def _announced(candidate: Candidate) -> bool:
    """Tell whether a baseline that leaves out other updates can ask for it (SSM: EnableNonSecurity).

    apt: it comes from the security pocket. Where vendors publish advisories: one names it, of whatever classification; the rule says
    which ones it wants.
    """
    return candidate.security or bool(candidate.advisories)


def _any_of(globs: Iterable[str]) -> _Patterns:
    parts = [translate(glob.casefold()) for glob in globs]
    return re.compile("|".join(parts)) if parts else None


def _compile(filters: Filters) -> list[tuple[FilterKey, _Patterns]]:
    """Return the conditions that can fail: `*` never does, also where there is no value to compare with."""
    return [(key, _any_of(globs)) for key, globs in filters.values.items() if "*" not in globs]


def _matches(filters: list[tuple[FilterKey, _Patterns]], candidate: Candidate) -> bool:
    return all(
        pattern is not None and any(pattern.match(value.casefold()) for value in candidate.values(key))
        for key, pattern in filters
    )


def _named(pattern: _Patterns, candidate: Candidate) -> bool:
    """Tell whether a list of patches names it: name, `name.arch`, `name=version`, CVE or advisory."""
    if pattern is None:
        return False
    names = (
        candidate.name,
        f"{candidate.name}.{candidate.arch}",
        f"{candidate.name}={candidate.version}",
        *candidate.values(FilterKey.CVE_ID),
        *candidate.values(FilterKey.ADVISORY_ID),
    )
    return any(pattern.match(name.casefold()) for name in names)
