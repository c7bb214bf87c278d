"""Which hosts of a run are done and which are to do: all at once, or wave by wave with gates between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fleetctl.engine import endings
from fleetctl.engine.fanout import FanOut
from fleetctl.engine.replay import Share, Story
from fleetctl.model import EMPTY, Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder

if TYPE_CHECKING:
    from fleetctl.engine.rollout import Rollout

__all__ = ["Stages", "Worked", "stages_of", "unrecorded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of the hosts of a run.

    Attributes:
        outcomes: one for each host, in the run's order.
        paused: why the run waits between two waves; None if it does not.
        next: how many waves are behind: the index of the one to go on with.
        of: how many waves there are.
        gate: the gate that was red.
        message: a sentence for people.
    """

    outcomes: tuple[Outcome, ...]
    paused: Reason | None = None
    next: int = 0
    of: int = 0
    gate: str = ""
    message: str = ""

    def pause(self) -> dict[str, Any] | None:
        """Return the fields of a `run-paused` record; None if the run does not wait."""
        if self.paused is None:
            return None
        return {
            "reason": self.paused,
            "next": self.next,
            "of": self.of,
            "gate": self.gate,
            "message": self.message,
        }


@dataclass(slots=True, kw_only=True)
class Stages:
    """The hosts of a run, and how far it has come.

    Attributes:
        hosts: all, in the run's order: waves are slices of it.
        rollout: waves and gates; None does all hosts in one go.
        done: outcomes that stand, by name.
        shares: what the ledger knows of hosts that are to be taken up, or begun again, by name.
        only: hosts that may be worked on; None: all that are not done.
        passed: waves that are done, gates and all.
        end_rest: whether hosts that were not begun are told `Cancelled` at the end: nobody will begin them.
        waits: what the last `run-paused` record says, where the run waits and nobody lets it go on now.
    """

    hosts: tuple[Host, ...]
    rollout: Rollout | None = None
    done: dict[str, Outcome] = field(default_factory=dict)
    shares: Mapping[str, Share] = EMPTY
    only: frozenset[str] | None = None
    passed: int = 0
    end_rest: bool = False
    waits: Mapping[str, Any] = EMPTY

    @property
    def to_do(self) -> tuple[Host, ...]:
        """The hosts that are to be worked on."""
        return tuple(host for host in self.hosts if self._to_do(host))

    async def work_through(self, fan_out: FanOut, *, ask: Callable[[str], bool | None] | None) -> Worked:
        """Work on all hosts that are to do, as far as gates and the operator let it."""
        worked = await self._work_through(fan_out, ask=ask)
        run_id = fan_out.terms.folder.run_id
        return replace(worked, outcomes=tuple(endings.naming(one, run_id) for one in worked.outcomes))

    async def _work_through(self, fan_out: FanOut, *, ask: Callable[[str], bool | None] | None) -> Worked:
        if self.rollout is None or self.only is not None:
            await self.do(fan_out, self.hosts)
            if self.end_rest:
                fan_out.control.stop()
                self.only = None
                await self.do(fan_out, self.hosts)
            return self._as_it_stood()
        # What was begun in waves that are behind, and not seen to end, is in none of those to come.
        behind = self.rollout.split(self.hosts)[: self.passed]
        await self.do(fan_out, [host for wave in behind for host in wave])
        from fleetctl.engine.waving import wave_through  # noqa: PLC0415 - gates bring much that plain runs do not need

        rolled = await wave_through(self, self.rollout, fan_out, ask=ask)
        if rolled.state == "stopped":  # every host that was not begun is told so, and why
            if (
                not fan_out.stopped
            ):  # a job was let go of in the middle of a wave: no gate has let others begin
                fan_out.control.stop()
            await self.do(fan_out, self.hosts)
        paused = {"red": Reason.GATE, "paused": Reason.PAUSED}.get(rolled.state)
        return Worked(
            outcomes=self._outcomes(paused),
            paused=paused,
            next=rolled.next,
            of=rolled.of,
            gate=rolled.gate,
            message=rolled.message,
        )

    def _as_it_stood(self) -> Worked:
        """Tell the outcomes of a run that was not to go on: one that waits between two waves still does."""
        paused = _reason(self.waits.get("reason"))
        if paused is None or self.end_rest:
            return Worked(outcomes=self._outcomes(None))
        return Worked(
            outcomes=self._outcomes(paused),
            paused=paused,
            next=self.waits.get("next", 0),
            of=self.waits.get("of", 0),
            gate=str(self.waits.get("gate", "")),
            message=str(self.waits.get("message", "")),
        )

    async def do(self, fan_out: FanOut, hosts: Sequence[Host]) -> list[Outcome]:
        """Work on those of some hosts that are to do, and return the outcomes of all of them that have one."""
        todo = [host for host in hosts if self._to_do(host)]
        for outcome in await fan_out.run(todo) if todo else ():
            self.done[outcome.host] = outcome
        return [self.done[host.name] for host in hosts if host.name in self.done]

    def _to_do(self, host: Host) -> bool:
        return host.name not in self.done and (self.only is None or host.name in self.only)

    def _outcomes(self, paused: Reason | None) -> tuple[Outcome, ...]:
        return tuple(self.done.get(host.name) or self._undone(host, paused) for host in self.hosts)

    def _undone(self, host: Host, paused: Reason | None) -> Outcome:
        share = self.shares.get(host.name)
        if share is not None and share.outcome is not None:
            return share.outcome
        return (
            endings.left(host, share.begun) if share is not None and share.notes else _pending(host, paused)
        )


def _pending(host: Host, why: Reason | None) -> Outcome:
    text = "a gate was red" if why is Reason.GATE else "the run waits"
    return Outcome(
        host=host.name,
        status=Status.PENDING,
        reason=why,
        message=f"not started: {text}",
        hint="go on with: fleetctl runs resume",
        attempts=0,
    )


def stages_of(
    story: Story,
    hosts: tuple[Host, ...],
    *,
    rollout: Rollout | None,
    detached: bool,
    resumable: bool,
    retry_unknown: bool,
    start: bool,
    end: bool = False,
) -> Stages:
    """Find out from a run's ledger what is to do.

    Args:
        story: what the ledger tells.
        hosts: all, in the run's order.
        rollout: the run's waves.
        detached: whether its commands are jobs that outlive a controller.
        resumable: whether its task can go on after a reboot that another controller had asked for.
        retry_unknown: whether hosts whose end nobody saw are begun again.
        start: whether hosts may be begun; else only those that were are taken up.
        end: whether all that was begun and not seen to end is taken up, to be ended.
    """
    done: dict[str, Outcome] = {}
    shares: dict[str, Share] = {}
    only: set[str] = set()
    for host in hosts:
        share = story.shares[host.name]
        unsure = share.unsure
        can_go_on = detached or end or (resumable and _rebooting(share))
        taken_up = unsure and bool(share.notes) and can_go_on
        if taken_up and not (retry_unknown and _lost_job(share)):
            shares[host.name] = share
            only.add(host.name)
        elif unsure and retry_unknown and start:
            # Until it is begun again, what is known of the time before stays true.
            lost = share.outcome or endings.controller_lost(host, started=share.begun)
            shares[host.name] = Share(starts=share.starts, outcome=lost)
        elif unsure:
            done[host.name] = share.outcome or endings.controller_lost(host, started=share.begun)
        elif not share.never_started and share.outcome is not None:
            done[host.name] = share.outcome
        elif share.starts:
            shares[host.name] = Share(starts=share.starts)
    return Stages(
        hosts=hosts,
        rollout=rollout,
        done=done,
        shares=shares,
        only=None if start else frozenset(only),
        passed=_passed(story),
        end_rest=end,
        waits=(story.paused if not start else None) or EMPTY,
    )


def _passed(story: Story) -> int:
    """Return how many waves are behind: where the run waits, the operator has just said that it goes on."""
    waits = story.paused.get("next") if story.paused else None
    return max(story.passed, waits) if isinstance(waits, int) else story.passed


def _reason(told: Any) -> Reason | None:
    return Reason(told) if told in {Reason.GATE, Reason.PAUSED} else None


def _rebooting(share: Share) -> bool:
    return any(note.get("type") == "rebooting" for note in share.notes)


def _lost_job(share: Share) -> bool:
    return share.outcome is not None and share.outcome.reason is Reason.JOB_LOST


def unrecorded(stages: Stages, story: Story, folder: RunFolder) -> list[Outcome]:
    """Return the outcomes that no record holds yet, with what was stored of their output: of hosts whose end nobody saw, and nobody will."""
    lost = [name for name, share in story.shares.items() if share.in_flight and name in stages.done]
    for name in lost:
        stored = endings.with_stored(stages.done[name], folder)
        stages.done[name] = endings.naming(stored, folder.run_id)
    return [stages.done[name] for name in lost]
