"""The commands of one invocation as detached jobs: they outlive the connection and the controller, and never start twice.

A task that only uses `Session.exec` can simply be called again on a host that a lost controller left: each command has the same
job id as the first time, so that what ended is collected again, what runs is followed on, and only what never began begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleetctl.errors import FleetError
from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.protocol import Connection, ExecFailed, OutputSink, Unreachable

if TYPE_CHECKING:
    from fleetctl.engine.job import Job
    from fleetctl.engine.job_frames import JobStarted

__all__ = ["Jobs", "LeftError", "NotBegunError", "job_name"]

_LOST = frozenset({Reason.CONNECTION_LOST, Reason.CONNECTION_CLOSED})
# Seconds for ending a job on the host, and for removing what it left there.
_KILL_SECONDS = 12.0
_REMOVE_SECONDS = 20.0


class LeftError(Exception):
    """The operator let go of a job: it goes on, and can be attached to."""


class NotBegunError(Exception):
    """A start was announced and never came to the host, and nothing may be begun now."""


def job_name(invocation_id: str, run_id: str, *, attempt: int, number: int) -> str:
    """Name a job: a host's first command as its invocation; no host's name makes two the same, since run ids hold no `+`.

    Args:
        invocation_id: run and host, as `Session` has it.
        run_id: the run.
        attempt: how often the host was begun before.
        number: of the command, counted from 1.
    """
    again = f"+r{attempt + 1}" if attempt else ""
    more = f"+{number}" if number > 1 else ""
    return f"{run_id}{again}{more}{invocation_id.removeprefix(run_id)}"


class Jobs:
    """All jobs of one invocation, in the order of its commands.

    Args:
        job_id: makes the id of the n-th command, counted from 1.
        notes: what the ledger knows of them already.
        leaving: set when the operator lets go of what runs.
        wait: whether to follow a job to its end; else it is let go as soon as it runs.
        patience: seconds of trying to reach a host again that was lost.
        begin: whether the host may be begun, where its first command has never come there.
        mark: adds a record to the ledger without waiting for the disk.

    Attributes:
        unended: whether a job that was cut short is not proven to be ended.
    """

    def __init__(
        self,
        job_id: Callable[[int], str],
        *,
        notes: Sequence[Mapping[str, Any]],
        leaving: asyncio.Event,
        wait: bool,
        patience: float,
        begin: bool,
        mark: Callable[..., None],
    ) -> None:
        self._job_id = job_id
        self._known = {str(note.get("job")) for note in notes if note.get("type") == "job-started"}
        self._leaving = leaving
        self._wait = wait
        self._patience = patience
        self._begin = begin
        self._mark = mark
        self._jobs: list[Job] = []
        self.unended = False

    async def exec(
        self,
        command: Command,
        sink: OutputSink,
        *,
        connection: Callable[[], Connection],
        reconnect: Callable[[float], Any],
    ) -> Exit:
        """Run a command as a job, over as many connections as it takes.

        Being cancelled ends the job on the host.

        Raises:
            ExecFailed: not started, or its end was not seen.
            LeftError: the operator let go of it.
            NotBegunError: it would have to be begun, and must not.
        """
        from fleetctl.engine.job import Job  # noqa: PLC0415 - only where something is detached

        job = Job(self._job_id(len(self._jobs) + 1), command)
        self._jobs.append(job)
        try:
            return await self._to_the_end(job, sink, connection=connection, reconnect=reconnect)
        except asyncio.CancelledError:
            before, self.unended = self.unended, True
            self.unended = before or not await _end(job, connection())
            raise

    async def _to_the_end(
        self,
        job: Job,
        sink: OutputSink,
        *,
        connection: Callable[[], Connection],
        reconnect: Callable[[float], Any],
    ) -> Exit:
        while True:
            known = job.started is not None or job.job_id in self._known
            held = not known and not self._begin and job is self._jobs[0]
            try:
                return await self._follow(job, connection(), sink, known=known or held)
            except ExecFailed as exc:
                if held and exc.reason is Reason.JOB_LOST and job.started is None:
                    raise NotBegunError from exc
                if exc.reason not in _LOST:
                    raise
            try:
                await self._reach_again(reconnect)
            except (Unreachable, FleetError) as exc:
                raise ExecFailed(
                    Reason.CONNECTION_LOST,
                    f"the connection was lost, and the host could not be reached again: {exc.message}",
                    hint="the job goes on there by itself: fleetctl runs attach collects it",
                    started=True,
                ) from exc

    async def _reach_again(self, reconnect: Callable[[float], Any]) -> None:
        """Reconnect, unless the operator lets go of the job first: a host that is gone must not hold up who wants to leave."""
        reaching = asyncio.ensure_future(reconnect(self._patience))
        letting_go = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait({reaching, letting_go}, return_when=asyncio.FIRST_COMPLETED)
            if letting_go.done():
                raise LeftError
            await reaching
        finally:
            letting_go.cancel()
            reaching.cancel()
            await asyncio.gather(reaching, letting_go, return_exceptions=True)

    async def _follow(self, job: Job, connection: Connection, sink: OutputSink, *, known: bool) -> Exit:
        """Follow until it ends, or until it is let go of."""
        running = asyncio.Event()

        def started(how: JobStarted) -> None:
            self._mark(
                "job-started", job=job.job_id, how=how.manager, boot=how.boot, become=_who(job.command.become)
            )
            running.set()

        if not (self._wait or known):
            await job.start(connection, sink, on_started=started)
            raise LeftError
        following = asyncio.ensure_future(job.follow(connection, sink, must_exist=known, on_started=started))
        letting_go = asyncio.ensure_future(self._let_go(running))
        try:
            await asyncio.wait({following, letting_go}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                return following.result()
            raise LeftError
        finally:
            letting_go.cancel()
            if not following.done():
                following.cancel()
            with contextlib.suppress(asyncio.CancelledError, ExecFailed):
                await following

    async def _let_go(self, running: asyncio.Event) -> None:
        if self._wait:
            await self._leaving.wait()
        # What has not begun yet is not let go of: nobody would know whether it ever did.
        await running.wait()

    async def remove(self, connection: Connection) -> None:
        """Remove what the jobs left on the host: their results are safely here. What fails stays for `runs gc`."""
        from fleetctl.engine.job_list import remove_jobs  # noqa: PLC0415

        by_user: dict[Become | None, list[str]] = {}
        for job in self._jobs:
            by_user.setdefault(job.command.become, []).append(job.job_id)
        with contextlib.suppress(ExecFailed, TimeoutError):
            async with asyncio.timeout(_REMOVE_SECONDS):
                for become, ids in by_user.items():
                    await remove_jobs(connection, ids, become=become, tag=f"{ids[0]}.rm")
            self._mark("jobs-removed")


def _who(become: Become | None) -> dict[str, str] | None:
    return None if become is None else {"method": become.method, "user": become.user}


async def _end(job: Job, connection: Connection) -> bool:
    """End a job on the host, and return whether that is proven; what may still run is told by the outcome."""
    with contextlib.suppress(ExecFailed, TimeoutError):
        async with asyncio.timeout(_KILL_SECONDS):
            return await job.kill(connection)
    return False
