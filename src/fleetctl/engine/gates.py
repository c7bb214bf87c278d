"""Gates: what is asked after a wave before the run may go on, and the gate that asks the wave's own hosts.

A gate is a small class with a name, a record for `run.json`, and `check`. A service needs time to come up, so a red gate may be
asked again (`fleetctl.engine.roll`); one that cannot be checked is not green.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from fleetctl.engine.output import StreamFilter
from fleetctl.engine.task import Session
from fleetctl.hosts import fold
from fleetctl.model import EMPTY, Command, Host, Outcome, Status
from fleetctl.store.runs import RunFolder

__all__ = ["Gate", "GateTask", "GateVerdict", "GateView", "HostsGate", "RunOnHosts", "first_line", "one_line"]

_LONGEST_NAME = 72
_LONGEST_LINE = 200
_MOST_GROUPS = 3


class RunOnHosts(Protocol):
    """How a gate runs a command on hosts of its wave."""

    async def __call__(self, name: str, command: Command, hosts: Sequence[Host], /) -> Sequence[Outcome]:
        """Run it, as `GateTask` does, within the gate's time limit and with the order's word on becoming another user.

        Args:
            name: of this check, one file name: what it prints is kept under it.
            command: what to run.
            hosts: where; each has one outcome in the end.

        Raises:
            FleetError: fleetctl itself cannot go on.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """What a gate can see of the run, and do.

    Attributes:
        run_id: the run's id.
        wave: which wave has ended, from 1.
        of: how many waves the run has.
        hosts: of the wave.
        outcomes: one for each of them.
        run_on_hosts: runs a command on hosts.
        folder: where what a gate prints is kept, as the output of hosts is kept in a run's folder.
        seconds: how long one check may take.
        label: name of this check, one file name, such as `wave-2.gate-1`.
        redact: takes secrets out of text.
        filters: makes a filter per stream that takes secrets out of what a gate prints.
    """

    run_id: str
    wave: int
    of: int
    hosts: tuple[Host, ...]
    outcomes: tuple[Outcome, ...]
    run_on_hosts: RunOnHosts
    folder: RunFolder
    seconds: float = 60.0
    label: str = "gate"
    redact: Callable[[str], str] = str
    filters: Callable[[], StreamFilter | None] | None = None

    def hosts_that(self, *statuses: Status) -> tuple[Host, ...]:
        """Return the hosts of the wave whose outcome is one of these."""
        names = {outcome.host for outcome in self.outcomes if outcome.status in statuses}
        return tuple(host for host in self.hosts if host.name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What a gate says.

    Attributes:
        green: whether the run may go on.
        message: why, in one sentence.
        details: for the record, JSON-ready.
    """

    green: bool
    message: str
    details: Mapping[str, Any] = EMPTY


class Gate(Protocol):
    """Something that is asked after each wave."""

    @property
    def name(self) -> str:
        """What people call it: its kind and what it asks, in one line."""

    def record(self) -> dict[str, Any]:
        """Return it JSON-ready, with its `Kind`, so that a resumed run asks the same."""

    async def check(self, view: GateView) -> GateVerdict:
        """Ask once.

        Cancelling this ends what it began. An exception that is no FleetError makes the gate red.

        Raises:
            FleetError: fleetctl itself cannot go on.
        """


def one_line(text: str) -> str:
    """Return a command in one line, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_NAME else flat[: _LONGEST_NAME - 1] + "…"


def first_line(*printed: bytes, redact: Callable[[str], str] = str) -> str:
    """Return the first line that says something, of the first output that has one; empty if none has.

    Args:
        printed: outputs.
        redact: takes secrets out, before a long line is cut: half a secret is one too.
    """
    for data in printed:
        for line in redact(data.decode(errors="replace")).splitlines():
            if text := " ".join(line.split()):
                return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTask:
    """The engine's task for a gate on hosts: runs the command, and puts the first line of what a failing one said into its message."""

    command: Command

    async def __call__(self, session: Session) -> Outcome:
        """Run it."""
        outcome = session.outcome(await session.exec(self.command))
        if outcome.status is Status.SUCCESS:
            return outcome
        said = first_line(session.stderr(), session.stdout())
        return replace(outcome, message=f"{outcome.message}: {said}") if said else outcome


@dataclass(frozen=True, slots=True)
class HostsGate:
    """A command on the hosts of the wave that did their work; red when it fails on one of them.

    Hosts that failed or could not be reached are not asked: how many of them there may be is what `--max-errors` and
    `--max-unreachable` say.

    Args:
        command: a shell line.
    """

    command: str

    @property
    def name(self) -> str:
        """What people call it."""
        return f"hosts: {one_line(self.command)}"

    def record(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"Kind": "hosts", "Command": self.command}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> HostsGate:
        """Read what `record` returned; KeyError or ValueError if it is something else."""
        return cls(_text(record, "Command"))

    async def check(self, view: GateView) -> GateVerdict:
        """Ask the hosts."""
        done = view.hosts_that(Status.SUCCESS)
        if not done:
            skipped = len(view.hosts_that(Status.SKIPPED)) == len(view.hosts)
            text = "all hosts of the wave were skipped" if skipped else "no host of the wave did its work"
            return GateVerdict(green=skipped, message=f"{text}: there was none to ask")
        env = {"FLEETCTL_WAVE": str(view.wave)}
        outcomes = await view.run_on_hosts(view.label, Command(script=self.command, env=env), done)
        failed = [outcome for outcome in outcomes if outcome.status is not Status.SUCCESS]
        if not failed and len(outcomes) == len(done):
            return GateVerdict(green=True, message=f"ok on {_hosts(len(done))}")
        return GateVerdict(
            green=False,
            message=f"failed on {len(failed)} of {_hosts(len(done))}: {_told(failed)}",
            details={"failed": fold(outcome.host for outcome in failed)},
        )


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")  # noqa: TRY004 - callers take one kind of error
    return value


def _hosts(count: int) -> str:
    return f"{count} host{'s' if count != 1 else ''}"


def _told(failed: Sequence[Outcome]) -> str:
    """Return who said what, equal words once, those of most hosts first."""
    alike: dict[str, list[str]] = {}
    for outcome in failed:
        alike.setdefault(outcome.message or outcome.status_details, []).append(outcome.host)
    groups = sorted(alike.items(), key=lambda item: -len(item[1]))
    shown = [f"{fold(names)}: {message}" for message, names in groups[:_MOST_GROUPS]]
    left = sum(len(names) for _, names in groups[_MOST_GROUPS:])
    return "; ".join([*shown, f"and {_hosts(left)} more"] if left else shown)
