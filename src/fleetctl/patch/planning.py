"""Make a patch plan: look, decide by the baseline, and let the package manager say what exactly that would change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from fleetctl.engine.order import RunResult
from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.packages.change import PackageChanger, Simulation, Trouble, TroubleKind, Wanted
from fleetctl.packages.model import PackageState
from fleetctl.packages.protocol import PackageManager
from fleetctl.packages.sections import read_sections
from fleetctl.patch.evaluate import Patch, PatchState
from fleetctl.patch.plan import HostPlan, LeftOut, Plan, PlannedPatch
from fleetctl.patch.scan import Look, ScanTask
from fleetctl.transport.protocol import ExecFailed

__all__ = [
    "CannotChange",
    "Choice",
    "PlanTask",
    "cannot_change",
    "changer_of",
    "host_plan",
    "look_at",
    "plan_host",
    "plan_of",
    "simulate",
]

_NO_ROOT: Final = frozenset(
    {
        Reason.BECOME_PASSWORD_MISSING,
        Reason.BECOME_PASSWORD_WRONG,
        Reason.BECOME_NOT_ALLOWED,
        Reason.BECOME_MISSING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the patches that a baseline asks for are planned; empty fields say nothing.

    Attributes:
        security_only: only security fixes.
        cves: only what closes one of these.
        packages: only packages that one of these patterns fits (`*` and `?`).
        exclude: never packages that one of these patterns fits.
    """

    security_only: bool = False
    cves: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def why_not(self, patch: Patch) -> str:
        """Return why a patch is not planned; empty if it is."""
        if any(fnmatchcase(patch.name, pattern) for pattern in self.exclude):
            return "excluded by --exclude-package"
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


async def look_at(session: Session, scan: ScanTask, *, step: str) -> Look:
    """Scan a host; the answer is kept under a step's name."""
    outcome = session.outcome(await session.exec(scan.on(session.host), step=step))
    if outcome.status is not Status.SUCCESS:
        return Look(state=PackageState(manager=""), outcome=outcome)
    return await asyncio.to_thread(
        scan.look, session.host, session.stdout(step), session.stderr(step), outcome
    )


async def plan_host(
    session: Session, scan: ScanTask, look: Look, choice: Choice, *, step: str = "simulate"
) -> HostPlan:
    """Make one host's share of a plan."""
    plan = host_plan(session.host, look, choice)
    if not plan.patches:
        return plan
    simulation = await _simulated(session, scan, look, plan.wanted, step=step)
    return replace(
        plan,
        changes=simulation.changes,
        download=simulation.download,
        disk=simulation.disk,
        free=simulation.free,
        troubles=simulation.troubles,
    )


def host_plan(host: Host, look: Look, choice: Choice) -> HostPlan:
    """Decide what a host should get; what exactly that changes is for its package manager to say."""
    assert look.result is not None  # noqa: S101 - the caller looked
    state, result = look.state, look.result
    missing = [patch for patch in result.patches if patch.state is PatchState.MISSING]
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
        patches=tuple(planned),
        left_out=tuple(left_out),
        services=state.services,
        reboot_pending=state.reboot.needed,
        reboot_expected=expected or bool(state.reboot.needed),
    )


async def _simulated(
    session: Session, scan: ScanTask, look: Look, wanted: tuple[Wanted, ...], *, step: str
) -> Simulation:
    """Ask as root; where root is not to be had, ask all the same, and say so."""
    if scan.become is False:
        return await simulate(session, scan, look, wanted, become=None, step=step)
    try:
        return await simulate(session, scan, look, wanted, become=scan.root_on(session.host), step=step)
    except ExecFailed as exc:
        if exc.reason not in _NO_ROOT:
            raise
        hint = f"; {exc.hint}" if exc.hint else ""
        no_root = Trouble(
            kind=TroubleKind.NOT_ROOT, message=f"to install it root is wanted: {exc.message}{hint}"
        )
    simulation = await simulate(session, scan, look, wanted, become=None, step=f"{step}-as-user")
    others = [trouble for trouble in simulation.troubles if trouble.kind is not TroubleKind.NOT_ROOT]
    return replace(simulation, troubles=(no_root, *others))


async def simulate(
    session: Session,
    scan: ScanTask,
    look: Look,
    wanted: tuple[Wanted, ...],
    *,
    become: Become | None,
    step: str,
) -> Simulation:
    """Ask a host's package manager what exactly a request would change."""
    changer = changer_of(scan.managers, look.state.manager)
    command = Command(script=changer.simulate_script(wanted), become=become)
    await session.exec(command, step=step)
    return changer.parse_simulation(read_sections(session.stdout(step), session.stderr(step)))


def changer_of(known: Iterable[PackageManager], name: str) -> PackageChanger:
    """Return what changes packages under that manager.

    Raises:
        CannotChange: it can only be looked at.
    """
    for manager in known:
        if manager.name == name and hasattr(manager, "apply_script"):
            changer: Any = manager
            return changer  # type: ignore[no-any-return]
    raise CannotChange(name)


class CannotChange(Exception):  # noqa: N818 - a finding about a host
    """A package manager that fleetctl can only look at."""

    def __init__(self, name: str) -> None:
        super().__init__(f"fleetctl cannot install patches with {name} yet: it can only scan such hosts")
        self.name = name


def cannot_change(outcome: Outcome, exc: CannotChange) -> Outcome:
    """Tell it as a host's outcome."""
    return replace(
        outcome,
        status=Status.SKIPPED,
        reason=Reason.PRECONDITION,
        message=str(exc),
        hint="patch it with its own tools: fleetctl run HOST --become -- COMMAND",
    )


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
    fixes = patch.update.versions if patch.update else ()
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
