"""Make a patch plan: look, decide by the baseline, and let the package manager say what exactly that would change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final

from fleetctl.engine.order import RunResult
from fleetctl.engine.task import Session
from fleetctl.model import Host, Outcome
from fleetctl.packages.change import Change, Simulation, Trouble, TroubleKind
from fleetctl.packages.model import PackageState
from fleetctl.patch.approval import Approval, Decision, Deployment
from fleetctl.patch.baseline import Baseline
from fleetctl.patch.evaluate import Patch, PatchState, vendor_severity
from fleetctl.patch.patch_list import PatchList
from fleetctl.patch.plan import HostPlan, LeftOut, Plan, PlannedPatch
from fleetctl.patch.rehearsal import CannotChange, cannot_change, look_at, rehearse
from fleetctl.patch.scan import Look, ScanTask
from fleetctl.patch.unwanted import Unwanted, without_unwanted

__all__ = [
    "Choice",
    "PlanTask",
    "baseline_digest",
    "host_plan",
    "plan_host",
    "plan_of",
]

# dnf-plugins-core: NEED_REBOOT of needs-restarting; libzypp: needreboot; elsewhere kernels only.
_REBOOTING: Final = {
    "apt": ("linux-image-*",),
    "dnf": (
        *("kernel", "kernel-core", "kernel-rt", "kernel-rt-core", "glibc", "linux-firmware", "systemd"),
        *("dbus", "dbus-broker", "dbus-daemon", "microcode_ctl"),
    ),
    "zypper": ("kernel-*", "glibc", "systemd", "udev", "dbus-1", "ucode-*"),
    "pacman": (
        *("linux", "linux-lts", "linux-zen", "linux-hardened", "linux-rt", "linux-firmware*", "*-ucode"),
        *("glibc", "systemd", "systemd-libs", "dbus", "dbus-broker", "dbus-daemon"),
    ),
    "apk": ("linux-lts", "linux-virt", "linux-rpi*"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the patches that a baseline asks for are planned; empty fields say nothing.

    Attributes:
        security_only: only security fixes.
        cves: only what closes one of these.
        packages: only packages that one of these patterns fits (`*` and `?`).
        exclude: never packages that one of these patterns fits, also not as dependencies.
        only: exactly the patches of this list, whatever the baseline says of them.
    """

    security_only: bool = False
    cves: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: PatchList | None = None

    def why_not(self, patch: Patch) -> str:
        """Return why a patch is not planned; empty if it is."""
        if self.only is not None and patch.target is not None:
            listed = self.only.place(patch.name, patch.arch, patch.target.version)
            return "" if listed else f"not in the list {self.only.file}"
        if any(fnmatchcase(patch.name, pattern) for pattern in self.exclude):
            return "left out by --exclude-package"
        if self.packages and not any(fnmatchcase(patch.name, pattern) for pattern in self.packages):
            return "not among --package"
        if self.security_only and not patch.security:
            return "no security fix, and --security-only was said"
        closes = set(patch.update.cve_ids) if patch.update else set()
        if self.cves and not closes & set(self.cves):
            return "closes none of --cve"
        return ""


@dataclass(frozen=True, kw_only=True)
class PlanTask:
    """Plans hosts: two round trips, nothing written there.

    The package manager is asked as root, who will install it: dnf and zypper tell nobody else. Not where `scan` says never to become root.

    Attributes:
        scan: how hosts are looked at.
        choice: which patches are planned.
    """

    scan: ScanTask = field(default_factory=ScanTask)
    choice: Choice = field(default_factory=Choice)

    async def __call__(self, session: Session) -> Outcome:
        """Plan one host."""
        look = await look_at(session, self.scan, step="scan")
        if look.result is None:
            return look.outcome
        try:
            plan = await plan_host(session, self.scan, look, self.choice)
        except CannotChange as exc:
            return cannot_change(look.outcome, exc)
        return replace(look.outcome, data={**look.outcome.data, "Plan": plan.to_json()})


async def plan_host(
    session: Session, scan: ScanTask, look: Look, choice: Choice, *, step: str = "simulate"
) -> HostPlan:
    """Make one host's share of a plan."""
    plan = host_plan(session.host, look, choice)
    if not plan.patches or look.result is None:
        return replace(plan, troubles=_broken(look.state))
    asked = 0

    async def ask(patches: Sequence[PlannedPatch]) -> Simulation:
        nonlocal asked
        asked += 1
        wanted = tuple(patch.wanted for patch in patches)
        name = step if asked == 1 else f"{step}-{asked}"
        return await rehearse(session, scan, look, wanted, step=name)

    refused: dict[PlannedPatch, str] = {}
    if choice.only is not None:
        simulation = _all_listed(await ask(plan.patches), choice.only)
    else:
        approval = Approval(look.result.baseline, now=datetime.now(UTC))
        unwanted = Unwanted(look.state, approval, choice.exclude)
        simulation, refused = await without_unwanted(ask, plan.patches, unwanted)
    left_out = tuple(
        LeftOut(name=patch.name, arch=patch.arch, version=patch.after, why=why, cves=patch.cves)
        for patch, why in refused.items()
    )
    return replace(
        plan,
        patches=tuple(patch for patch in plan.patches if patch not in refused),
        left_out=(*plan.left_out, *left_out),
        changes=simulation.changes,
        reboot_expected=plan.reboot_expected or _reboots(plan.manager, simulation.changes),
        download=simulation.download,
        disk=simulation.disk,
        free=simulation.free,
        troubles=simulation.troubles,
        notes=simulation.notes,
    )


def _broken(state: PackageState) -> tuple[Trouble, ...]:
    """Tell what is broken where nobody asks the package manager, who would tell it."""
    return tuple(
        Trouble(kind=TroubleKind.BROKEN, message=fault.what, mend=fault.mend, packages=fault.packages)
        for fault in state.faults
    )


def host_plan(host: Host, look: Look, choice: Choice) -> HostPlan:
    """Decide what a host should get; what exactly that changes is for its package manager to say."""
    assert look.result is not None  # noqa: S101 - the caller looked
    state, result = look.state, look.result
    missing = [patch for patch in result.patches if patch.state is PatchState.MISSING]
    if choice.only is not None:
        listed = list(_listed(look.state, choice.only))
        keys = {(patch.name, patch.arch) for patch in listed}
        missing = [*listed, *(patch for patch in missing if (patch.name, patch.arch) not in keys)]
    planned: list[PlannedPatch] = []
    left_out: list[LeftOut] = []
    for patch in missing:
        why = _kept_back(patch) or choice.why_not(patch)
        if why:
            left_out.append(_left_out(patch, why))
        else:
            planned.append(_planned(patch))
    expected = any(
        advisory.reboot
        for patch in missing
        if patch.target and not _kept_back(patch)
        for advisory in patch.target.advisories
    )
    return HostPlan(
        host=host.name,
        manager=state.manager,
        baseline=result.baseline.name,
        baseline_digest=baseline_digest(result.baseline),
        patches=tuple(planned),
        left_out=tuple(left_out),
        services=state.services,
        reboot_pending=state.reboot.needed,
        reboot_expected=expected or bool(state.reboot.needed),
    )


def _listed(state: PackageState, only: PatchList) -> Iterator[Patch]:
    """Return what a list names of what a host could get: of several versions the newest. SSM: what does not apply is no matter."""
    installed = {package.key: package for package in state.installed if not package.superseded}
    for update in state.updates:
        for version in update.versions:
            if place := only.place(update.name, update.arch, version.version):
                yield Patch(
                    name=update.name,
                    arch=update.arch,
                    state=PatchState.MISSING,
                    compliant=False,
                    package=installed.get((update.name, update.arch)),
                    target=version,
                    decision=Decision(Deployment.EXPLICIT_APPROVED, place),
                    severity=vendor_severity(version),
                    security=version.security,
                    update=update,
                )
                break


def _all_listed(simulation: Simulation, only: PatchList) -> Simulation:
    """Refuse what brings along a version that the list does not name. SSM: the installation fails then."""
    found = [
        change
        for change in simulation.changes
        if change.kind not in {"remove", "configure"}
        and not only.place(change.name, change.arch, change.after)
    ]
    if not found:
        return simulation
    named = ", ".join(f"{change.name} {change.after}" for change in found)
    trouble = Trouble(
        kind=TroubleKind.UNLISTED,
        message=f"it needs what the list {only.file} does not name: {named}",
        packages=tuple(change.name for change in found),
    )
    return replace(simulation, troubles=(*simulation.troubles, trouble))


def _reboots(manager: str, changes: Sequence[Change]) -> bool:
    """Tell whether something changes that is in use only after a reboot; the host itself says it for sure, afterwards."""
    return any(
        change.kind in {"install", "upgrade"} and fnmatchcase(change.name, pattern)
        for change in changes
        for pattern in _REBOOTING.get(manager, ())
    )


def baseline_digest(baseline: Baseline) -> str:
    """Return what tells whether two baselines ask for the same: a digest of all but name and description."""
    from fleetctl.patch.baseline_telling import form_data  # noqa: PLC0415 - brings pydantic

    content = form_data(baseline, named=False) | {"description": ""}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def plan_of(run: RunResult, *, selector: str) -> Plan:
    """Put together what a run of `PlanTask` made."""
    hosts = [HostPlan.from_json(o.data["Plan"]) for o in run.outcomes if "Plan" in o.data]
    failed = {
        o.host: f"{o.status_details}: {o.message}".removesuffix(": ")
        for o in run.outcomes
        if "Plan" not in o.data
    }
    return Plan(
        plan_id=run.run_id, made=datetime.now(UTC), selector=selector, hosts=tuple(hosts), failed=failed
    )


def _kept_back(patch: Patch) -> str:
    """Return what on the host itself keeps a patch from being installed; a plan never overrides it."""
    update = patch.update
    if update is None:
        return ""
    if update.held:
        return patch.note or f"kept back on the host: {update.held}"
    if patch.target is not None and not patch.target.origins:
        return "no repository of the host offers it"
    return ""


def _planned(patch: Patch) -> PlannedPatch:
    assert patch.target is not None  # noqa: S101 - it is MISSING
    target = patch.target
    # Versions are told newest first: what is newer than the target stays open.
    versions = patch.update.versions if patch.update else ()
    fixes = versions[versions.index(target) :] if target in versions else versions
    return PlannedPatch(
        name=patch.name,
        arch=patch.arch,
        before=patch.package.version if patch.package else "",
        after=target.version,
        security=patch.security,
        severity=patch.severity.value,
        cves=tuple(
            dict.fromkeys(c for version in fixes for advisory in version.advisories for c in advisory.cve_ids)
        ),
        advisories=tuple(advisory.id for advisory in target.advisories),
        by=patch.decision.by if patch.decision else "",
    )


def _left_out(patch: Patch, why: str) -> LeftOut:
    return LeftOut(
        name=patch.name,
        arch=patch.arch,
        version=patch.target.version if patch.target else "",
        why=why,
        cves=patch.update.cve_ids if patch.update else (),
    )
