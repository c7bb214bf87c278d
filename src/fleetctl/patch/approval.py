"""Decide, version by version, what a baseline asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import translate
from typing import Final, TypeAlias

from fleetctl.compliance.model import Severity
from fleetctl.patch.baseline import ApprovalRule, Baseline, FilterKey, Filters
from fleetctl.patch.candidate import Candidate

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
        return self in {Deployment.APPROVED, Deployment.EXPLICIT_APPROVED}


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


_Patterns: TypeAlias = re.Pattern[str] | None
_Filters: TypeAlias = list[tuple[FilterKey, _Patterns]]
_WILD = re.compile(r"[*?]")
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
        self._rejected = _List(baseline.rejected_patches)
        self._approved = _List(baseline.approved_patches)
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
            if self._rejected.names(candidate):
                return _REJECTED
            if self._explicit(candidate) and self._approved.names(candidate):
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
        return told + [
            self._traced(rule, index, candidate, filters) for index, (rule, filters) in enumerate(self._rules)
        ]

    def _traced(self, rule: ApprovalRule, index: int, candidate: Candidate, filters: _Filters) -> Trace:
        by = f"approval_rules[{index}]"
        if not (_announced(candidate) or rule.enable_non_security):
            return Trace(by, why_not=_NOT_ANNOUNCED)
        if wrong := self._first_miss(filters, rule.filters, candidate):
            return Trace(by, why_not=f"does not match: {wrong}")
        return Trace(by, self._by_rule(rule, index, candidate))

    def _first_miss(self, filters: _Filters, written: Filters, candidate: Candidate) -> str:
        """Say which filter does not match; empty where all do."""
        for pair in filters:
            if not _matches([pair], candidate):
                key = pair[0]
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

    def _by_rule(self, rule: ApprovalRule, index: int, candidate: Candidate) -> Decision:
        by = f"approval_rules[{index}]"
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


def _any_of(globs: Iterable[str]) -> _Patterns:
    parts = [translate(glob.casefold()) for glob in globs]
    return re.compile("|".join(parts)) if parts else None


def _compile(filters: Filters) -> _Filters:
    """Return the conditions that can fail: `*` never does, also where there is no value to compare with."""
    return [(key, _any_of(globs)) for key, globs in filters.values.items() if "*" not in globs]


def _matches(filters: _Filters, candidate: Candidate) -> bool:
    return all(
        pattern is not None and any(pattern.match(value.casefold()) for value in candidate.values(key))
        for key, pattern in filters
    )


class _List:
    """`approved_patches` or `rejected_patches`, ready to be asked about every package of a host.

    All names of a version stand in one text, each between two NULs: one search, or a few, instead of one for each name.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = tuple(entries)
        folded = [entry.casefold() for entry in self._entries]
        self._exact = [f"\0{entry}\0" for entry in folded if not _WILD.search(entry)]
        globs = [_within_name(entry) for entry in folded if _WILD.search(entry)]
        self._globs = re.compile(f"\0(?:{'|'.join(globs)})\0") if globs else None

    def names(self, candidate: Candidate) -> bool:
        """Tell whether an entry names it, in one of the forms of `Candidate.names`."""
        if not self._entries:
            return False
        names = "\0".join(("", *candidate.names(), "")).casefold()
        if any(entry in names for entry in self._exact):
            return True
        return self._globs is not None and self._globs.search(names) is not None

    def entry(self, candidate: Candidate) -> str:
        """Return the first entry that names it; empty if none does."""
        return next((entry for entry in self._entries if _List([entry]).names(candidate)), "")


def _within_name(glob: str) -> str:
    """Return a regular expression for a pattern with `*` and `?` that does not reach beyond one name."""
    return re.escape(glob).replace(r"\*", "[^\0]*").replace(r"\?", "[^\0]")
