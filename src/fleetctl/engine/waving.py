"""Carry a run's stages through its waves: what `roll` asks for, in terms of a fan-out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleetctl.engine.budget import Quota
from fleetctl.engine.control import Control
from fleetctl.engine.events import Audience
from fleetctl.engine.fanout import FanOut
from fleetctl.engine.gates import GateTask, GateView
from fleetctl.engine.invocation import Terms
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.roll import Rolled, Wave, Worked, roll
from fleetctl.engine.rollout import Rollout
from fleetctl.engine.stages import Stages
from fleetctl.engine.task import Session, Task
from fleetctl.model import Command, Host, Outcome, Status
from fleetctl.store.runs import RunFolder

__all__ = ["wave_through"]


async def wave_through(
    stages: Stages, rollout: Rollout, fan_out: FanOut, *, ask: Callable[[str], bool | None] | None
) -> Rolled:
    """Work through the waves that are left of a run.

    Args:
        stages: which hosts are done.
        rollout: its waves and gates.
        fan_out: works on hosts.
        ask: asks the operator between waves; called in a thread.
    """
    terms = fan_out.terms

    async def do(hosts: tuple[Host, ...]) -> Worked:
        outcomes = await stages.do(fan_out, hosts)
        whole = len(outcomes) == len(hosts) and all(outcome.status.ended for outcome in outcomes)
        return Worked(outcomes=tuple(outcomes), stopped=fan_out.stopped or not whole)

    async def note(type_: str, /, **fields: Any) -> None:
        terms.ledger.append(type_, **fields)
        await terms.ledger.commit()

    async def put(question: str) -> bool | None:
        return None if ask is None else await _in_thread(ask, question)

    def view(wave: Wave, worked: Worked) -> GateView:
        return GateView(
            run_id=terms.folder.run_id,
            wave=wave.number,
            of=wave.of,
            hosts=wave.hosts,
            outcomes=worked.outcomes,
            run_on_hosts=_Asking(fan_out, rollout.gate_seconds),
            folder=RunFolder(terms.folder.path / "gates"),
            redact=fan_out.redact or str,
            filters=terms.filters,
        )

    return await roll(
        rollout,
        stages.hosts,
        do=do,
        view=view,
        note=note,
        audience=terms.audience,
        control=fan_out.control,
        ask=put,
        first=stages.passed,
    )


async def _in_thread(ask: Callable[[str], bool | None], question: str) -> bool | None:
    """Ask in a thread of its own: one that still waits for an answer must not keep the program from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool | None] = loop.create_future()

    def tell(value: bool | None, exc: BaseException | None) -> None:  # noqa: FBT001
        if not answer.done():
            if exc is not None:
                answer.set_exception(exc)
            else:
                answer.set_result(value)

    def work() -> None:
        try:
            value, fault = ask(question), None
        except Exception as exc:  # noqa: BLE001 - handed to who asks
            value, fault = None, exc
        loop.call_soon_threadsafe(tell, value, fault)

    threading.Thread(target=work, name="ask", daemon=True).start()
    return await answer


@dataclass(frozen=True, slots=True)
class _Asking:
    """Runs a gate's command on hosts of a wave, with a folder and a ledger of its own beside the run's."""

    fan_out: FanOut
    seconds: float

    async def __call__(self, name: str, command: Command, hosts: Sequence[Host], /) -> Sequence[Outcome]:
        terms = self.fan_out.terms
        path = await asyncio.to_thread(_new_folder, terms.folder.path / "gates", name)
        ledger = Ledger(path / "events.jsonl", first=terms.folder.run_id.encode())
        limits = replace(terms.limits, timeout=self.seconds, max_errors=_ALL, max_unreachable=_ALL)
        gate = FanOut(
            terms=Terms(
                folder=RunFolder(path),
                task=_as_ordered(command, terms.task),
                limits=limits,
                connector=terms.connector,
                ledger=ledger,
                audience=Audience(),
                filters=terms.filters,
            ),
            hosts=hosts,
            control=Control(),
            redact=self.fan_out.redact,
        )
        try:
            outcomes = await gate.run()
        finally:
            await asyncio.shield(ledger.close())
        if gate.fatal is not None:
            raise gate.fatal
        if gate.abandoned:
            raise asyncio.CancelledError
        return [_plain(outcome) for outcome in outcomes]


_ALL = Quota(100, percent=True)


def _as_ordered(command: Command, task: Task) -> Task:
    """Run a gate's command as the order's own commands run: as the same user."""
    rule: Any = getattr(task, "become", None)

    async def ask(session: Session) -> Outcome:
        become = rule.of(session.host) if hasattr(rule, "of") else session.host.become
        return await GateTask(command=replace(command, become=become))(session)

    return ask


def _plain(outcome: Outcome) -> Outcome:
    """A gate that was not asked to the end says nothing good."""
    return outcome if outcome.status.ended else replace(outcome, status=Status.FAILED)


def _new_folder(parent: Path, name: str) -> Path:
    """Make a folder of that name; a gate that is asked again, by a resumed run, gets another."""
    parent.mkdir(mode=0o700, exist_ok=True)
    number = 1
    while True:
        path = parent / (name if number == 1 else f"{name}.again-{number}")
        try:
            path.mkdir(mode=0o700)
            (path / "out").mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return path
