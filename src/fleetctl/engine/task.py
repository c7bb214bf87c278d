"""What one invocation does: the seam between the engine and Run Command, Patch Manager and the rest.

A task is called once per reached host with a `Session`. It sends commands, reads what they printed, and returns an
`Outcome`. Connecting, rate control, timeouts, budgets, the ledger and the storing of output are the engine's.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol

from fleetctl.engine.output import OutputFiles
from fleetctl.model import Become, Command, Exit, Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder
from fleetctl.transport.protocol import Connection

__all__ = ["Session", "StepTimedOut", "Task"]

# What `ps` shows and `kill_script` looks for on the host (`fleetctl.transport.shell`).
_ODD = re.compile(r"[^A-Za-z0-9._:@%+-]")
_LONGEST = 80


class Task(Protocol):
    """What is done on one connected host. One task object serves all hosts of a run, concurrently."""

    async def __call__(self, session: Session) -> Outcome:
        """Do the work and tell what became of it.

        `ExecFailed`, `StepTimedOut` and cancellation may pass through: the engine turns them into outcomes.
        """


class StepTimedOut(Exception):  # noqa: N818 - a finding about a host
    """A step took longer than its own timeout; what ran on the host was killed.

    Args:
        seconds: the limit.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"still running after {seconds:g} s, killed")
        self.seconds = seconds


def _plain(name: str) -> str:
    """Make a host's name part of a process's name: short, of plain characters, and still its own."""
    plain = _ODD.sub("_", name)[:_LONGEST]
    return plain if plain == name else f"{plain}-{blake2b(repr(name).encode(), digest_size=4).hexdigest()}"


class Session:
    """One invocation's hold of its host: execute, and read back what was stored.

    Attributes:
        host: the host.
        run_id: the run's id (SSM: CommandId).
        invocation_id: unique name of this host's share; also the tag of its processes on the host.
        env: what every command of this invocation finds in its environment.
    """

    __slots__ = ("_connection", "_files", "_folder", "env", "host", "invocation_id", "run_id", "started")

    def __init__(self, connection: Connection, folder: RunFolder, files: OutputFiles, *, run_id: str) -> None:
        self._connection = connection
        self._folder = folder
        self._files = files
        self.host: Host = connection.host
        self.run_id = run_id
        self.invocation_id = f"{run_id}.{_plain(self.host.name)}"
        self.env = {"FLEETCTL_HOST": self.host.name, "FLEETCTL_RUN": run_id}
        self.started = datetime.now(UTC)

    @property
    def connection(self) -> Connection:
        """The open connection, for tasks that move files. Whatever runs over it carries `invocation_id` as its tag."""
        return self._connection

    def becoming(self, become: Become | None) -> Become | None:
        """Return `become`, or None where it would change nothing: the login user is that user already."""
        if become is not None and self.host.user == become.user:
            return None
        return become

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
            StepTimedOut: killed after `timeout` seconds.
        """
        full = replace(
            command,
            env={**self.env, **command.env},
            tag=self.invocation_id,
            become=self.becoming(command.become),
        )
        sink = self._files.step(step)
        if timeout is None:
            return await self._connection.exec(full, sink)
        try:
            async with asyncio.timeout(timeout) as limit:
                return await self._connection.exec(full, sink)
        except TimeoutError:
            if limit.expired():
                raise StepTimedOut(timeout) from None
            raise

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
