"""Carry a run through its waves: work, bake, ask the gates, pause, and on to the next.

    wave-started -> hosts -> wave-ended -> bake -> gates -> wave-passed -> pause -> wave-started ...

Everything is in the ledger before it is told. What stops a run here leaves hosts untouched that a resumed run takes up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from fleetctl.engine.control import Control
from fleetctl.engine.events import Audience, Baking, GateChecked, WaveEnded, WaveStarted
from fleetctl.engine.gates import Gate, GateVerdict, GateView
from fleetctl.engine.rollout import Rollout
from fleetctl.errors import FleetError
from fleetctl.model import Host, Outcome, Status

__all__ = ["CANARY", "Ask", "Note", "Rolled", "Wave", "Worked", "roll"]

T = TypeVar("T")

CANARY: Final = "canary: one host succeeds"
"""Name of the gate that every run in waves has: a wave of which no host succeeded is not followed by a larger one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave of a run: `number` counts from 1, `of` is how many there are."""

    number: int
    of: int
    hosts: tuple[Host, ...]

    def __str__(self) -> str:
        return f"wave {self.number}/{self.of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of a wave's hosts.

    Attributes:
        outcomes: one for each, those included that ended under a controller before this one.
        stopped: whether no further wave may begin: a budget is spent, the ledger cannot be written.
    """

    outcomes: tuple[Outcome, ...]
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """How far a run came.

    Attributes:
        state: `done`: all waves, all gates green; `red`: a gate was not; `paused`: the operator has to say when to go on; `stopped`:
            interrupted, or a budget is spent.
        next: index of the wave to go on with (`first` of `roll`); the number of waves where none is left.
        of: how many waves there are.
        gate: name of the first red gate.
        message: why it does not go on, in one line; empty where it is done or was stopped.
    """

    state: Literal["done", "red", "paused", "stopped"]
    next: int
    of: int
    gate: str = ""
    message: str = ""


class Note(Protocol):
    """How a record gets into the ledger."""

    async def __call__(self, type_: str, /, **fields: Any) -> None:
        """Add it; on disk when this returns."""


Ask: TypeAlias = Callable[[str], Awaitable[bool | None]]
"""Asks the operator: yes, no, or None where there is nobody to ask. Cancelling it takes the question back."""


async def roll(
    rollout: Rollout,
    hosts: Sequence[Host],
    *,
    do: Callable[[tuple[Host, ...]], Awaitable[Worked]],
    view: Callable[[Wave, Worked], GateView],
    note: Note,
    audience: Audience,
    control: Control,
    ask: Ask,
    first: int = 0,
) -> Rolled:
    """Carry out all waves from `first` on.

    A wave of which no host succeeded, and that did not only skip hosts, is red before another follows, with or without gates. A
    wave's gates are all asked, even when one is red. They are asked after the last wave too, which is not followed by a bake.

    Args:
        rollout: the waves, and what is between them.
        hosts: all of the run, in its order (`Rollout.order`).
        do: works on the hosts of a wave; those that ended under another controller only have their outcomes told.
        view: makes what the gates see of a wave.
        note: writes to the ledger.
        audience: is told every event.
        control: stops it; `stop` ends a bake, a pause and the wait for a retry, and lets a gate finish; `cancel` ends that too.
        ask: asks the operator between waves.
        first: index of the wave to begin with.

    Raises:
        FleetError: fleetctl itself cannot go on.
    """
    parts = rollout.split(hosts)
    waves = [Wave(number=number, of=len(parts), hosts=part) for number, part in enumerate(parts, 1)]
    way = _Way(rollout=rollout, view=view, note=note, audience=audience, control=control, ask=ask)
    for index, wave in enumerate(waves[first:], first):
        if control.stopping:
            return Rolled(state="stopped", next=index, of=wave.of)
        await note("wave-started", wave=wave.number, of=wave.of, hosts=len(wave.hosts))
        audience.tell(WaveStarted(wave.number, wave.of, wave.hosts))
        worked = await do(wave.hosts)
        counts = Counter(outcome.status.value for outcome in worked.outcomes)
        await note("wave-ended", wave=wave.number, of=wave.of, counts=dict(counts))
        audience.tell(WaveEnded(wave.number, wave.of, worked.outcomes))
        if worked.stopped or control.stopping:
            return Rolled(state="stopped", next=index, of=wave.of)
        if (halt := await way.past(wave, worked)) is not None:
            return halt
    return Rolled(state="done", next=len(waves), of=len(waves))


@dataclass(slots=True, kw_only=True)
class _Way:
    """What lies between a wave and the next."""

    rollout: Rollout
    view: Callable[[Wave, Worked], GateView]
    note: Note
    audience: Audience
    control: Control
    ask: Ask

    async def past(self, wave: Wave, worked: Worked) -> Rolled | None:
        """Return why the run does not go on after a wave, or None."""
        last = wave.number == wave.of
        stopped = Rolled(state="stopped", next=wave.number - 1, of=wave.of)
        if not last:
            if _none_succeeded(worked.outcomes):
                verdict = GateVerdict(green=False, message="no host of the wave succeeded")
                await self._tell(wave, CANARY, verdict)
                return self._red(wave, [(CANARY, verdict)])
            if not await self._bake(wave):
                return stopped
        red = await self._gates(wave, worked)
        if red is None:
            return stopped
        if red:
            return self._red(wave, red)
        await self.note("wave-passed", wave=wave.number, of=wave.of)
        return None if last or not self.rollout.pause else await self._pause(wave)

    async def _bake(self, wave: Wave) -> bool:
        """Wait; False if the operator stopped the run."""
        seconds = self.rollout.bake
        if seconds:
            await self.note("wave-baking", wave=wave.number, seconds=seconds)
            self.audience.tell(Baking(wave.number, seconds))
            await _wait(self.control, seconds)
        return not self.control.stopping

    async def _gates(self, wave: Wave, worked: Worked) -> list[tuple[str, GateVerdict]] | None:
        """Ask all gates; return the red ones, None if the operator stopped the run meanwhile."""
        if not self.rollout.gates:
            return []
        view = replace(self.view(wave, worked), seconds=self.rollout.gate_seconds)
        red = []
        for number, gate in enumerate(self.rollout.gates, 1):
            if self.control.stopping:
                return None
            labelled = replace(view, label=f"wave-{wave.number}.gate-{number}")
            verdict = await self._verdict(gate, labelled)
            if verdict is None:
                return None
            await self._tell(wave, view.redact(gate.name), verdict)
            if not verdict.green:
                red.append((view.redact(gate.name), verdict))
        return red

    async def _verdict(self, gate: Gate, view: GateView) -> GateVerdict | None:
        """Ask a gate until it is green or the retries are used up; None if the operator stopped the run before that."""
        label, attempt = view.label, 1
        while True:
            verdict = await _unless_cancelled(self.control, _checked(gate, view))
            if verdict is None or (self.control.stopping and not verdict.green):
                return None  # a gate whose hosts or whose time were taken away says nothing
            if verdict.green or attempt > self.rollout.gate_retries:
                break
            await _wait(self.control, self.rollout.gate_interval)
            if self.control.stopping:
                return None
            attempt += 1
            view = replace(view, label=f"{label}.try-{attempt}")
        details = {**verdict.details, **({"attempts": attempt} if attempt > 1 else {})}
        return replace(verdict, message=view.redact(verdict.message), details=details)

    async def _tell(self, wave: Wave, name: str, verdict: GateVerdict) -> None:
        told = {"wave": wave.number, "gate": name, "green": verdict.green, "message": verdict.message}
        await self.note("gate", **{**verdict.details, **told})
        self.audience.tell(GateChecked(wave.number, name, verdict.green, verdict.message))

    def _red(self, wave: Wave, red: Sequence[tuple[str, GateVerdict]]) -> Rolled:
        name, verdict = red[0]
        more = f"; {len(red) - 1} more red" if len(red) > 1 else ""
        return Rolled(
            state="red",
            next=wave.number,
            of=wave.of,
            gate=name,
            message=f"{wave}: gate '{name}' is red: {verdict.message}{more}",
        )

    async def _pause(self, wave: Wave) -> Rolled | None:
        """Ask the operator; None goes on."""
        answer = await _unless_stopped(
            self.control, self.ask(f"{wave} is done. Begin wave {wave.number + 1}/{wave.of}?")
        )
        if self.control.stopping:
            return Rolled(state="stopped", next=wave.number, of=wave.of)
        if answer:
            return None
        why = "the operator said no" if answer is False else "there is nobody to ask"
        return Rolled(state="paused", next=wave.number, of=wave.of, message=f"paused after {wave}: {why}")


def _none_succeeded(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether something was tried and nothing succeeded: a larger wave would only break more."""
    statuses = {outcome.status for outcome in outcomes}
    return Status.SUCCESS not in statuses and bool(statuses - {Status.SKIPPED})


async def _checked(gate: Gate, view: GateView) -> GateVerdict:
    try:
        return await gate.check(view)
    except FleetError:
        raise
    except Exception as exc:  # noqa: BLE001 - a gate that cannot be checked is not green
        return GateVerdict(green=False, message=f"it could not be checked: {type(exc).__name__}: {exc}")


async def _wait(control: Control, seconds: float) -> None:
    """Wait, or until the operator stops the run."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(control.until_stopped(), seconds)


async def _unless_stopped(control: Control, work: Awaitable[T]) -> T | None:
    return await _unless(control.until_stopped(), work)


async def _unless_cancelled(control: Control, work: Awaitable[T]) -> T | None:
    return await _unless(control.until_cancelled(), work)


async def _unless(end: Coroutine[Any, Any, None], work: Awaitable[T]) -> T | None:
    """Return what `work` does, or None if `end` comes first; nothing is left running."""
    working = asyncio.ensure_future(work)
    ending = asyncio.create_task(end)
    try:
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        ending.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
            if not working.cancelled():
                working.exception()  # it was given up: nobody is to hear how it ended
