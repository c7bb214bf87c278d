"""Which hosts of a run are done and which are to do: all at once, or wave by wave with gates between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """

    hosts: tuple[Host, ...]
    rollout: Rollout | None = None
    done: dict[str, Outcome] = field(default_factory=dict)
    shares: Mapping[str, Share] = EMPTY
    only: frozenset[str] | None = None
    passed: int = 0
    end_rest: bool = False

    async def work_through(self, fan_out: FanOut, *, ask: Callable[[str], bool | None] | None) -> Worked:
        """Work on all hosts that are to do, as far as gates and the operator let it."""
        if self.rollout is None or self.only is not None:
            await self.do(fan_out, self.hosts)
            if self.end_rest:
                fan_out.control.stop()
                self.only = None
                await self.do(fan_out, self.hosts)
            return Worked(outcomes=self._outcomes(None))
        from fleetctl.engine.waving import wave_through  # noqa: PLC0415 - gates bring much that plain runs do not need

        rolled = await wave_through(self, self.rollout, fan_out, ask=ask)
        if rolled.state == "stopped":  # every host that was not begun is told so, and why
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

    async def do(self, fan_out: FanOut, hosts: Sequence[Host]) -> list[Outcome]:
        """Work on those of some hosts that are to do, and return the outcomes of all of them that have one."""
        todo = [host for host in hosts if self._to_do(host)]
        for outcome in await fan_out.run(todo) if todo else ():
            self.done[outcome.host] = outcome
        return [self.done[host.name] for host in hosts if host.name in self.done]

    def _to_do(self, host: Host) -> bool:
        return host.name not in self.done and (self.only is None or host.name in self.only)

    def _outcomes(self, paused: Reason | None) -> tuple[Outcome, ...]:
        return tuple(self.done.get(host.name) or _pending(host, paused) for host in self.hosts)


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
        unsure = share.in_flight or (share.outcome is not None and share.outcome.status is Status.UNKNOWN)
        can_go_on = detached or end or (resumable and _rebooting(share))
        taken_up = unsure and bool(share.notes) and can_go_on
        if taken_up and not (retry_unknown and _lost_job(share)):
            shares[host.name] = share
            only.add(host.name)
        elif unsure and retry_unknown and start:
            shares[host.name] = Share(starts=share.starts)
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
    )


def _passed(story: Story) -> int:
    """Return how many waves are behind: where the run waits, the operator has just said that it goes on."""
    waits = story.paused.get("next") if story.paused else None
    return max(story.passed, waits) if isinstance(waits, int) else story.passed


def _rebooting(share: Share) -> bool:
    return any(note.get("type") == "rebooting" for note in share.notes)


def _lost_job(share: Share) -> bool:
    return share.outcome is not None and share.outcome.reason is Reason.JOB_LOST


def unrecorded(stages: Stages, story: Story, folder: RunFolder) -> list[Outcome]:
    """Return the outcomes that no record holds yet, with what was stored of their output: of hosts whose end nobody saw, and nobody will."""
    lost = [name for name, share in story.shares.items() if share.in_flight and name in stages.done]
    for name in lost:
        stages.done[name] = endings.with_stored(stages.done[name], folder)
    return [stages.done[name] for name in lost]
