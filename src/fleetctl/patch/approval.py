"""Decide, version by version, what a baseline asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from fleetctl.compliance.model import Severity
from fleetctl.patch.baseline import ApprovalRule, Baseline, Filters
from fleetctl.patch.candidate import Candidate
from fleetctl.patch.matching import Conditions, conditions_of, fit, list_of

__all__ = ["Approval", "Decision", "Deployment", "FirstSeen", "Trace", "no_record"]


class Deployment(StrEnum):
    """SSM: PatchDeploymentStatus."""

    APPROVED = "APPROVED"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    EXPLICIT_APPROVED = "EXPLICIT_APPROVED"
    EXPLICIT_REJECTED = "EXPLICIT_REJECTED"

    @property
    def asked_for(self) -> bool:
        """Whether a host must have it."""
        return self is Deployment.APPROVED or self is Deployment.EXPLICIT_APPROVED


@dataclass(frozen=True, slots=True)
class Decision:
    """What a baseline says about one version, and by which of its parts.

    Attributes:
        by: `approved_patches`, `rejected_patches`, `approval_rules[0]`.
        due: when a pending version will be approved, or an approved one was; None where no delay counts.
        since: what delays are counted from: the vendor's date, else when fleetctl first saw it; None where there is neither.
    """

    status: Deployment
    by: str
    level: Severity = Severity.UNSPECIFIED
    due: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What one part of a baseline says about one version.

    Attributes:
        by: as in `Decision`; also `global_filters`.
        decision: what it says; None where it says nothing.
        entry: of a list of patches, the one that names it.
        why_not: why it says nothing, as the end of a sentence that begins with its name.
    """

    by: str
    decision: Decision | None = None
    why_not: str = ""
    entry: str = ""


FirstSeen: TypeAlias = Callable[[Candidate], datetime | None]
"""Says when fleetctl first saw a version anywhere, where the vendor gives no date (apt); None where it never did."""


def no_record(_candidate: Candidate) -> datetime | None:
    """Know of no first sight."""
    return None


_REJECTED: Final = Decision(Deployment.EXPLICIT_REJECTED, "rejected_patches")
_NOT_ANNOUNCED: Final = "says nothing of it: it is no security update, no advisory names it, and other updates are not enabled there"


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
        self._rejected = list_of(baseline.rejected_patches)
        self._approved = list_of(baseline.approved_patches)
        self._global = conditions_of(baseline.global_filters)
        self._rules = [
            (rule, f"approval_rules[{index}]", conditions_of(rule.filters))
            for index, rule in enumerate(baseline.approval_rules)
        ]
        self._plain = not (baseline.rejected_patches or baseline.approved_patches)
        self._non_security = not self._plain or self.asks_for_all

    def decide(self, candidate: Candidate) -> Decision | None:
        """Return what the baseline says about a version; None if it says nothing.

        Rejection wins over everything (SSM), an approved patch over the rules; of several rules that match, one that approves wins
        over one that still waits, and the graver compliance level over the lesser.
        """
        if not self._plain:
            if self._rejected.names(candidate):
                return _REJECTED
            if self._explicit(candidate) and self._approved.names(candidate):
                level = self.baseline.approved_patches_compliance_level
                return Decision(Deployment.EXPLICIT_APPROVED, "approved_patches", level)
        if not fit(self._global, candidate):
            return None
        announced = _announced(candidate)
        found = [
            self._by_rule(rule, by, candidate)
            for rule, by, conditions in self._rules
            if (announced or rule.enable_non_security) and fit(conditions, candidate)
        ]
        if len(found) < 2:
            return found[0] if found else None
        return max(found, key=lambda d: (d.status.asked_for, d.level.rank))

    def trace(self, candidate: Candidate) -> list[Trace]:
        """Return what each part of the baseline says about a version, in the order in which they count; `decide` says which one won."""
        if entry := self._rejected.entry(candidate):
            return [Trace("rejected_patches", _REJECTED, entry=entry)]
        told = []
        if entry := self._approved.entry(candidate):
            decision = self.decide(candidate) if self._explicit(candidate) else None
            told.append(Trace("approved_patches", decision, "" if decision else _NOT_ANNOUNCED, entry))
        if wrong := self._first_miss(self._global, self.baseline.global_filters, candidate):
            return [*told, Trace("global_filters", why_not=f"leave it out: {wrong}")]
        return told + [self._traced(rule, by, candidate, conditions) for rule, by, conditions in self._rules]

    def _traced(self, rule: ApprovalRule, by: str, candidate: Candidate, conditions: Conditions) -> Trace:
        if not (_announced(candidate) or rule.enable_non_security):
            return Trace(by, why_not=_NOT_ANNOUNCED)
        if wrong := self._first_miss(conditions, rule.filters, candidate):
            return Trace(by, why_not=f"does not match: {wrong}")
        return Trace(by, self._by_rule(rule, by, candidate))

    def _first_miss(self, conditions: Conditions, written: Filters, candidate: Candidate) -> str:
        """Say which filter does not match; empty where all do."""
        for condition in conditions:
            if not fit((condition,), candidate):
                key = condition.key
                has = " or ".join(value for value in candidate.values(key) if value)
                wanted = " or ".join(written.values[key])
                return f"its {key.value} is {has or 'not known'}, not {wanted}"
        return ""

    def _explicit(self, candidate: Candidate) -> bool:
        return _announced(candidate) or self.baseline.approved_patches_enable_non_security

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

    def _by_rule(self, rule: ApprovalRule, by: str, candidate: Candidate) -> Decision:
        # SSM: a version without any date is approved without delay.
        released = candidate.released() or self._first_seen(candidate)
        if rule.approve_until_date is not None:
            late = released is not None and released.astimezone(UTC).date() > rule.approve_until_date
            status = Deployment.PENDING_APPROVAL if late else Deployment.APPROVED
            return Decision(status, by, rule.compliance_level, since=released)
        due = released + timedelta(days=rule.approve_after_days or 0) if released else None
        if due is not None and due > self._now and rule.approve_after_days:
            return Decision(Deployment.PENDING_APPROVAL, by, rule.compliance_level, due, released)
        approved_on = due if rule.approve_after_days else None
        return Decision(Deployment.APPROVED, by, rule.compliance_level, approved_on, released)


def _announced(candidate: Candidate) -> bool:
    """Tell whether a baseline that leaves out other updates can ask for it (SSM: EnableNonSecurity).

    apt: it comes from the security pocket. Where vendors publish advisories: one names it, of whatever classification; the rule says
    which ones it wants.
    """
    return candidate.security or bool(candidate.advisories)
