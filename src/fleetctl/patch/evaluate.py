"""Judge a host's packages by a baseline: every package gets its SSM patch state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.packages.model import AvailableUpdate, AvailableVersion, InstalledPackage, PackageState
from fleetctl.patch.approval import Approval, Decision, Deployment, FirstSeen, no_record
from fleetctl.patch.baseline import Baseline, RejectedAction
from fleetctl.patch.candidate import Candidate

__all__ = ["Patch", "PatchResult", "PatchState", "evaluate", "vendor_severity"]


class PatchState(StrEnum):
    """SSM: PatchComplianceDataState."""

    INSTALLED = "INSTALLED"
    INSTALLED_OTHER = "INSTALLED_OTHER"
    INSTALLED_PENDING_REBOOT = "INSTALLED_PENDING_REBOOT"
    INSTALLED_REJECTED = "INSTALLED_REJECTED"
    MISSING = "MISSING"
    FAILED = "FAILED"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    AVAILABLE_SECURITY_UPDATE = "AVAILABLE_SECURITY_UPDATE"


_COMPLIANT: Final = {PatchState.INSTALLED, PatchState.INSTALLED_OTHER, PatchState.NOT_APPLICABLE}
_COUNTERS: Final = {state: f"{state.value.title().replace('_', '')}Count" for state in PatchState}
# Vendors' words (updateinfo.xml, zypper) for SSM's compliance severities.
_VENDOR: Final = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}

_HELD: Final = {
    "hold": "held on the host: an upgrade will not install it",
    "pin": "a pin on the host keeps it back",
    "versionlock": "a versionlock on the host keeps it back",
    "exclude": "excluded on the host: an upgrade will not install it",
    "ignore": "ignored by the host's package manager: an upgrade will not install it",
    "lock": "locked on the host: an upgrade will not install it",
    "phased": "a phased update that this host is not offered yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One package of a host and its state.

    Attributes:
        target: the version that the baseline asks for (MISSING), or that is available (AVAILABLE_SECURITY_UPDATE).
        decision: what the baseline says of `target`, or of the installed version where there is no target.
        severity: SSM's Severity of the item: the rule's compliance level, else the vendor's severity.
        security: whether it is about a security update.
        update: all newer versions, where there are any.
        note: what a reader should know, in one sentence.
    """

    name: str
    arch: str
    state: PatchState
    compliant: bool
    package: InstalledPackage | None = None
    target: AvailableVersion | None = None
    decision: Decision | None = None
    severity: Severity = Severity.UNSPECIFIED
    security: bool = False
    update: AvailableUpdate | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchResult:
    """The verdict about one host.

    Attributes:
        patches: one for each installed package, in the manager's order, and one for each security update that is available but not
            asked for.
        other_updates: newer versions that the baseline does not ask for.
    """

    baseline: Baseline
    patches: tuple[Patch, ...]
    other_updates: tuple[AvailableUpdate, ...]

    @property
    def status(self) -> ComplianceStatus:
        """COMPLIANT only if every single patch is."""
        compliant = all(patch.compliant for patch in self.patches)
        return ComplianceStatus.COMPLIANT if compliant else ComplianceStatus.NON_COMPLIANT

    @property
    def counts(self) -> dict[str, int]:
        """SSM's node counters. The three NonCompliant ones are disjoint: critical first, then security, then the rest."""
        seen = Counter(patch.state for patch in self.patches)
        failing = Counter(_kind(patch) for patch in self.patches if not patch.compliant)
        by_state = {name: seen[state] for state, name in _COUNTERS.items()}
        return by_state | {
            f"{kind}NonCompliantCount": failing[kind] for kind in ("Critical", "Security", "Other")
        }


def evaluate(
    state: PackageState, baseline: Baseline, now: datetime, *, first_seen: FirstSeen = no_record
) -> PatchResult:
    """Judge a host.

    Args:
        state: without errors; a state with errors must not be judged.
        baseline: of the host.
        now: aware UTC.
        first_seen: stands in for release dates that the vendor does not give.
    """
    judge = _Judge(state, Approval(baseline, now=now, first_seen=first_seen))
    patches = [judge.installed(package) for package in state.installed]
    available = [patch for update in state.updates if (patch := judge.available(update)) is not None]
    told = {(patch.name, patch.arch) for patch in (*patches, *available) if patch.target}
    return PatchResult(
        baseline=baseline,
        patches=(*patches, *available, *judge.reboot(patches)),
        other_updates=tuple(update for update in state.updates if (update.name, update.arch) not in told),
    )


class _Judge:
    """Holds what is looked up for each package of one host."""

    def __init__(self, state: PackageState, approval: Approval) -> None:
        self._state = state
        self._approval = approval
        self._updates = {(update.name, update.arch): update for update in state.updates}
        self._rebooting = frozenset(state.reboot.packages) if state.reboot.needed else frozenset[str]()
        self._blocks = approval.baseline.rejected_patches_action is RejectedAction.BLOCK

    def installed(self, package: InstalledPackage) -> Patch:
        """Judge an installed package: the gravest state that fits."""
        update = None if package.superseded else self._updates.get((package.name, package.arch))
        cared_for = self._approval.cares_about(security=package.security or bool(package.advisories))
        judged = cared_for or package.name in self._rebooting
        if update is None and not package.broken and (package.superseded or not judged):
            return Patch(  # nine of ten
                name=package.name,
                arch=package.arch,
                state=PatchState.INSTALLED_OTHER,
                compliant=True,
                package=package,
            )
        target, decision = self._target(update) if update else (None, None)
        if decision is None and cared_for:
            decision = self._approval.decide(Candidate.installed(package, self._state.facts))
        state = self._state_of(package, target, decision)
        # The target may be a bug fix that is newer than a security fix: then the host lacks both.
        fix = update.security_fix if update and target else None
        return Patch(
            name=package.name,
            arch=package.arch,
            state=state,
            compliant=state in _COMPLIANT,
            package=package,
            target=target,
            decision=decision,
            severity=_severity(decision, target, fix),
            security=fix is not None if target else package.security,
            update=update if target else None,
            note=_note(package, update, target, state),
        )

    def available(self, update: AvailableUpdate) -> Patch | None:
        """Return a security update that the baseline knows and does not ask for; None if there is none."""
        if self._target(update)[0] is not None or (fix := update.security_fix) is None:
            return None
        decision = self._approval.decide(Candidate.newer(update, fix, self._state.facts))
        status = self._approval.baseline.available_security_updates_compliance_status
        return Patch(
            name=update.name,
            arch=update.arch,
            state=PatchState.AVAILABLE_SECURITY_UPDATE,
            compliant=status is ComplianceStatus.COMPLIANT,
            target=fix,
            decision=decision,
            severity=_severity(decision, fix),
            security=True,
            update=update,
            note=_why_not(decision),
        )

    def reboot(self, patches: Iterable[Patch]) -> list[Patch]:
        """Return one more patch where the host waits for a reboot and no package of its own stands for it."""
        if not self._state.reboot.needed:
            return []
        if any(patch.state is PatchState.INSTALLED_PENDING_REBOOT for patch in patches):
            return []
        return [
            Patch(
                name="reboot-required",
                arch="",
                state=PatchState.INSTALLED_PENDING_REBOOT,
                compliant=False,
                note="; ".join(self._state.reboot.reasons),
            )
        ]

    def _target(self, update: AvailableUpdate) -> tuple[AvailableVersion | None, Decision | None]:
        """Return the newest version that the baseline asks for (SSM: if several are approved, the newest wins)."""
        for version in update.versions:
            if not self._approval.cares_about(security=version.security or bool(version.advisories)):
                continue
            decision = self._approval.decide(Candidate.newer(update, version, self._state.facts))
            if decision is not None and decision.status.asked_for:
                return version, decision
        return None, None

    def _state_of(
        self, package: InstalledPackage, target: AvailableVersion | None, decision: Decision | None
    ) -> PatchState:
        if package.broken:
            return PatchState.FAILED
        if target is not None:
            return PatchState.MISSING
        if decision is not None and decision.status is Deployment.EXPLICIT_REJECTED:
            return PatchState.INSTALLED_REJECTED if self._blocks else PatchState.INSTALLED_OTHER
        if package.name in self._rebooting:
            return PatchState.INSTALLED_PENDING_REBOOT
        if decision is not None and decision.status.asked_for:
            return PatchState.INSTALLED
        return PatchState.INSTALLED_OTHER


def vendor_severity(version: AvailableVersion | None) -> Severity:
    """Return the gravest severity that the vendor's advisories give; UNSPECIFIED where it gives none (apt)."""
    if version is None or not version.advisories:
        return Severity.UNSPECIFIED
    given = (
        _VENDOR.get(advisory.severity.casefold(), Severity.UNSPECIFIED) for advisory in version.advisories
    )
    return max(given, key=lambda severity: severity.rank, default=Severity.UNSPECIFIED)


def _severity(decision: Decision | None, *versions: AvailableVersion | None) -> Severity:
    level = decision.level if decision else Severity.UNSPECIFIED
    if level is not Severity.UNSPECIFIED or not any(versions):
        return level
    return max((vendor_severity(version) for version in versions), key=lambda severity: severity.rank)


def _note(
    package: InstalledPackage,
    update: AvailableUpdate | None,
    target: AvailableVersion | None,
    state: PatchState,
) -> str:
    if state is PatchState.FAILED:
        return package.broken
    if state is PatchState.INSTALLED_PENDING_REBOOT:
        return "installed, in use only after a reboot"
    return _hidden(update, target) if update is not None and target is not None else ""


def _hidden(update: AvailableUpdate, target: AvailableVersion) -> str:
    """Say what keeps the host's own upgrade from installing the target, if anything does."""
    if update.held:
        return _HELD.get(update.held, f"kept back on the host: {update.held}")
    if update.kept_back:
        return "kept back by the package manager's own upgrade (dependencies)"
    if not target.origins:
        return "an advisory names it, but no repository of the host offers it"
    return (
        f"the package manager's candidate is {update.candidate}" if update.candidate != target.version else ""
    )


def _why_not(decision: Decision | None) -> str:
    if decision is None:
        return "no rule of the baseline asks for it"
    if decision.status is Deployment.EXPLICIT_REJECTED:
        return "rejected by the baseline"
    return f"approved on {decision.due:%Y-%m-%d}" if decision.due else "not approved yet"


def _kind(patch: Patch) -> str:
    if patch.severity is Severity.CRITICAL:
        return "Critical"
    return "Security" if patch.security else "Other"
