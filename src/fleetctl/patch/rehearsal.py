"""Look at a host, and ask its package manager what it would change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Outcome, Reason, Status
from fleetctl.packages.change import PackageChanger, Simulation, Trouble, TroubleKind, Wanted
from fleetctl.packages.model import PackageState
from fleetctl.packages.protocol import PackageManager
from fleetctl.packages.sections import read_sections
from fleetctl.patch.scan import Look, ScanTask
from fleetctl.transport.protocol import ExecFailed

__all__ = ["CannotChange", "cannot_change", "changer_of", "look_at", "rehearse", "simulate"]

_NO_ROOT: Final = frozenset(
    {
        Reason.BECOME_PASSWORD_MISSING,
        Reason.BECOME_PASSWORD_WRONG,
        Reason.BECOME_NOT_ALLOWED,
        Reason.BECOME_MISSING,
    }
)


async def look_at(session: Session, scan: ScanTask, *, step: str) -> Look:
    """Scan a host; the answer is kept under a step's name."""
    outcome = session.outcome(await session.exec(scan.on(session.host), step=step))
    if outcome.status is not Status.SUCCESS:
        return Look(state=PackageState(manager=""), outcome=outcome)
    return await asyncio.to_thread(
        scan.look, session.host, session.stdout(step), session.stderr(step), outcome
    )


async def rehearse(
    session: Session, scan: ScanTask, look: Look, wanted: tuple[Wanted, ...], *, step: str
) -> Simulation:
    """Ask for a plan: as root, who will install it; where root is not to be had, ask all the same, and say so."""
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
