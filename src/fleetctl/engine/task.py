"""What one invocation does: the seam between the engine and Run Command, Patch Manager and the rest.

A task is called once per reached host with a `Session`. It sends commands, reads what they printed, and returns an
`Outcome`. Connecting, rate control, timeouts, budgets, the ledger and the storing of output are the engine's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Protocol

from fleetctl.engine.detach import Jobs
from fleetctl.engine.output import OutputFiles
from fleetctl.model import Become, Command, Exit, Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder
from fleetctl.transport.protocol import Connection, OutputSink, Unreachable

__all__ = ["Answer", "Link", "Session", "StepTimedOut", "Task", "how_cut", "plain_name"]

# What `ps` shows and `kill_script` looks for on the host (`fleetctl.transport.shell`).
_ODD = re.compile(r"[^A-Za-z0-9._:@%+-]")
_LONGEST = 80
# Bytes of an answer that are kept of each stream.
_MOST_ANSWER = 1 << 20


class Task(Protocol):
    """What is done on one connected host. One task object serves all hosts of a run, concurrently."""

    async def __call__(self, session: Session) -> Outcome:
        """Do the work and tell what became of it.

        `ExecFailed`, `StepTimedOut` and cancellation may pass through: the engine turns them into outcomes.
        """


class StepTimedOut(Exception):  # noqa: N818 - a finding about a host
    """A step took longer than its own timeout, and was cut short.

    Args:
        seconds: the limit.
        ended: whether what ran on the host is proven to be ended.
    """

    def __init__(self, seconds: float, *, ended: bool = True) -> None:
        super().__init__(f"still running after {seconds:g} s, {how_cut(ended=ended)}")
        self.seconds = seconds
        self.ended = ended


def how_cut(*, ended: bool) -> str:
    """Say how a command was cut short: "killed" only where that is proven."""
    return "killed" if ended else "and it could not be ended: it may still run"


def plain_name(name: str) -> str:
    """Make a host's name part of a process's name: short, of plain characters, and still its own."""
    plain = _ODD.sub("_", name)[:_LONGEST]
    return plain if plain == name else f"{plain}-{blake2b(repr(name).encode(), digest_size=4).hexdigest()}"


class Link(Protocol):
    """What an invocation needs of the engine beyond its first connection."""

    async def reconnect(self, *, seconds: float | None = None) -> Connection:
        """Close the connection and open another to the same host, trying again while that may help.

        Args:
            seconds: how long to go on trying; None: as long as the invocation may take.

        Raises:
            Unreachable: it did not work in that time; the reason of the last attempt.
        """

    async def note(self, type_: str, **fields: Any) -> None:
        """Add a record about this invocation to the ledger; it is on disk when this returns."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What a question to a host brought back, held in memory.

    Attributes:
        end: how the script ended.
        out, err: what it printed, the first megabyte of each.
    """

    end: Exit = field(default_factory=Exit)
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def stdout(self, data: bytes) -> None:
        """Take bytes."""
        self.out += data[: max(0, _MOST_ANSWER - len(self.out))]

    def stderr(self, data: bytes) -> None:
        """Take bytes."""
        self.err += data[: max(0, _MOST_ANSWER - len(self.err))]

    @property
    def text(self) -> str:
        """What was printed to stdout, without white space around it."""
        return self.out.decode(errors="replace").strip()

    @property
    def said(self) -> str:
        """The last line of stderr that says something."""
        lines = [line.strip() for line in self.err.decode(errors="replace").splitlines()]
        return next(filter(None, reversed(lines)), "")


class Session:
    """One invocation's hold of its host: execute, and read back what was stored.

    Attributes:
        host: the host.
        run_id: the run's id (SSM: CommandId).
        invocation_id: unique name of this host's share; also the tag of its processes on the host.
        env: what every command of this invocation finds in its environment.
        notes: what the ledger knows of this invocation from a controller that was lost: its own records, oldest first; empty in a
            first attempt.
        attempt: how often this host was begun before in the same run.
    """

    __slots__ = (
        "_connection", "_files", "_folder", "_jobs", "_link", "attempt", "env", "host", "invocation_id", "notes", "run_id", "started",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        folder: RunFolder,
        files: OutputFiles,
        *,
        run_id: str,
        link: Link | None = None,
        notes: Sequence[Mapping[str, Any]] = (),
        attempt: int = 0,
        jobs: Jobs | None = None,
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._files = files
        self._link = link
        self._jobs = jobs
        self.host: Host = connection.host
        self.run_id = run_id
        self.invocation_id = f"{run_id}.{plain_name(self.host.name)}"
        self.env = {"FLEETCTL_HOST": self.host.name, "FLEETCTL_RUN": run_id}
        self.notes = tuple(notes)
        self.attempt = attempt
        self.started = datetime.now(UTC)

    @property
    def detached(self) -> bool:
        """Whether commands run as jobs."""
        return self._jobs is not None

    @property
    def connection(self) -> Connection:
        """The open connection, for tasks that move files. Whatever runs over it carries `invocation_id` as its tag."""
        return self._connection

    async def ask(self, command: Command, *, timeout: float | None = None) -> Answer:  # noqa: ASYNC109 - a question's own limit is data
        """Run a script of our own whose output is for us, not for the run's stored output.

        Args:
            command: `become` is dropped where it would change nothing; it is tagged as the invocation is.
            timeout: seconds; None leaves it to the run's.

        Raises:
            ExecFailed: not started, or lost.
            StepTimedOut: no answer within `timeout` seconds; what ran was cut short.
        """
        answer = Answer()
        full = replace(command, tag=self.invocation_id, become=self.becoming(command.become))
        answer.end = await self._within(timeout, self._connection.exec(full, answer))
        return answer

    async def reconnect(self, seconds: float | None = None) -> None:
        """Close the connection and open another to the same host: after a reboot, or when it was lost.

        Args:
            seconds: how long to go on trying; None: as long as the invocation may take.

        Raises:
            Unreachable: it did not work; the reason of the last attempt.
        """
        if self._link is None:
            raise Unreachable(Reason.CONNECTION_LOST, f"the connection to {self.host.name} was lost")
        self._connection = await self._link.reconnect(seconds=seconds)

    async def note(self, type_: str, **fields: Any) -> None:
        """Add a record about this invocation to the ledger, on disk when this returns: intent before the act.

        Raises:
            StateFolderError: it cannot be written: the act must not follow.
        """
        if self._link is not None:
            await self._link.note(type_, **fields)

    def becoming(self, become: Become | None) -> Become | None:
        """Return `become`, or None where it would change nothing: the login user is that user already."""
        if become is not None and self.host.user == become.user:
            return None
        return become

    @property
    def unended(self) -> bool:
        """Whether something that was cut short here is not proven to be ended: it may still run."""
        return bool(self._connection.unended) or (self._jobs is not None and self._jobs.unended)

    async def _within(self, seconds: float | None, work: Awaitable[Exit]) -> Exit:
        """Await the end of a command, and cut it short after so many seconds."""
        if seconds is None:
            return await work
        try:
            async with asyncio.timeout(seconds) as limit:
                return await work
        except TimeoutError:
            if limit.expired():
                raise StepTimedOut(seconds, ended=not self.unended) from None
            raise

    def say(self, text: str) -> None:
        """Add a line to the stored stdout, as if the host had printed it: what a task did there by other means than a command."""
        self._files.step("").stdout(f"{text}\n".encode("utf-8", "surrogateescape"))

    async def exec(self, command: Command, *, timeout: float | None = None, step: str = "") -> Exit:  # noqa: ASYNC109 - a step's own limit is data
        """Run one command; its output goes to `out/<host>/[<step>/]stdout` and `stderr` as it comes.

        Args:
            command: `env` and `tag` are completed with this invocation's; `become` is dropped where it would change nothing.
            timeout: seconds for this step alone; None leaves it to the run's.
            step: name of a document's step; its output is then kept apart.

        Raises:
            ExecFailed: not started, or lost.
            StepTimedOut: cut short after `timeout` seconds.
        """
        full = replace(
            command,
            env={**self.env, **command.env},
            tag=self.invocation_id,
            become=self.becoming(command.become),
        )
        sink = self._files.step(step)
        if self._jobs is None:
            return await self._within(timeout, self._connection.exec(full, sink))
        job = self._jobs.exec(full, sink, connection=lambda: self._connection, reconnect=self.reconnect)
        return await self._within(timeout, job)

    def take_over(self) -> OutputSink:
        """Forget what another controller stored of this host, and return where it goes when it comes again from the beginning."""
        self._files.start_over()
        return self._files.step("")

    def stdout(self, step: str = "") -> bytes:
        """Return the stored stdout of a step, whole."""
        return self._files.read(step, "stdout")

    def stderr(self, step: str = "") -> bytes:
        """Return the stored stderr of a step, whole."""
        return self._files.read(step, "stderr")

    def outcome(self, end: Exit) -> Outcome:
        """Tell a plain command's end as an outcome: exit code 0 is Success, all else Failed."""
        now = datetime.now(UTC)
        outcome = Outcome(host=self.host.name, status=Status.SUCCESS, started=self.started, ended=now)
        if end.signal is not None:
            return replace(
                outcome,
                status=Status.FAILED,
                reason=Reason.SIGNAL,
                message=f"ended by signal {end.signal}",
                signal=end.signal,
                response_code=-1,
            )
        code = -1 if end.code is None else end.code
        if code == 0:
            return replace(outcome, response_code=0)
        return replace(
            outcome,
            status=Status.FAILED,
            reason=Reason.EXIT_CODE,
            message=f"exit code {code}",
            response_code=code,
        )
