"""End what a run left running on a host, whoever began it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fleetctl.engine.detach import job_name
from fleetctl.engine.job import Job
from fleetctl.engine.job_list import list_jobs, remove_jobs
from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Outcome, Reason, Status
from fleetctl.run.command import BecomeRule
from fleetctl.transport.protocol import ExecFailed, OutputSink
from fleetctl.transport.shell import kill_script

__all__ = ["KillTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTask:
    """Ends one invocation on its host: its detached jobs, and every process that carries its name.

    Attributes:
        become: the order's word on becoming another user: what runs belongs to that one.
        detached: whether its commands were jobs.
        plain: whether it is one command and nothing more: a job that has ended then says all there is to say.
        secretive: whether its output may hold secrets that are not known here: it must not be stored then.
    """

    become: BecomeRule
    detached: bool = False
    plain: bool = False
    secretive: bool = False

    @classmethod
    def of(cls, run: Mapping[str, Any], task: Any) -> KillTask:
        """Make it for a run.

        Args:
            run: what `run.json` holds.
            task: the run's own, made again; None where that was not possible.
        """
        work = run.get("Work", {})
        spec = work.get("Spec", {})
        rule = getattr(task, "become", None)
        if not isinstance(rule, BecomeRule):
            told = spec.get("Become")
            known = told if isinstance(told, Mapping) else {"Wanted": told}
            rule = BecomeRule(wanted=known.get("Wanted"), user=known.get("User"))
        return cls(
            become=rule,
            detached=bool(run.get("Detached")),
            plain=work.get("Kind") == "command" and "Reboot" not in spec,
            secretive=task is None,
        )

    async def __call__(self, session: Session) -> Outcome:
        """End it; the engine calls `resume` where something was begun, which is the only place where this is used."""
        return await self.resume(session)

    async def resume(self, session: Session) -> Outcome:
        """End it, and tell whether that is proven."""
        become = session.becoming(self.become.of(session.host))
        try:
            if await self._ended_already(session, become):
                return _waits(session)
            ended = await self._end(session, become)
            why = "" if ended else "the host did not show that it ended"
        except ExecFailed as exc:
            ended, why = False, exc.message
        outcome = Outcome(
            host=session.host.name,
            status=Status.CANCELLED,
            reason=Reason.INTERRUPTED,
            message="cancelled by the operator, ended on the host",
            started=session.started,
            ended=datetime.now(UTC),
        )
        if ended:
            return outcome
        return replace(
            outcome,
            status=Status.UNKNOWN,
            details="Still Running",
            message=f"could not be ended, and may still run: {why}",
            hint="try it again: fleetctl runs cancel",
        )

    async def _ended_already(self, session: Session, become: Become | None) -> bool:
        """Tell whether the host's only job has come to its own end: then there is nothing to cancel, and a result to collect."""
        jobs = self._jobs(session, become) if self.detached and self.plain else {}
        for job_id, who in jobs.items():
            with suppress(ExecFailed):
                for job in await list_jobs(session.connection, become=who, tag=f"{session.run_id}.cancel"):
                    if job.job_id == job_id:
                        return job.state == "ended"
        return False

    async def _end(self, session: Session, become: Become | None) -> bool:
        ended = True
        jobs = self._jobs(session, become) if self.detached else {}
        for job_id, who in jobs.items():
            ended = await _job(job_id, who).kill(session.connection) and ended
        command = Command(
            script=kill_script(session.invocation_id), become=become, tag=f"{session.run_id}.cancel"
        )
        ended = (await session.connection.exec(command, _Nothing())).ok and ended
        if ended and jobs and self.plain and not self.secretive:
            await self._collect(session, jobs)
        return ended

    async def _collect(self, session: Session, jobs: Mapping[str, Become | None]) -> None:
        """Take what the job had printed, and only then clear it away; what fails stays for `runs gc`."""
        sink: OutputSink = session.take_over()
        with suppress(ExecFailed):
            for job_id, who in jobs.items():
                try:
                    await _job(job_id, who).follow(session.connection, sink, must_exist=True)
                except ExecFailed as exc:
                    if exc.reason not in (Reason.JOB_LOST, Reason.INTERRUPTED):  # no result, or never begun
                        raise
                await remove_jobs(session.connection, [job_id], become=who, tag=f"{session.run_id}.cancel")

    def _jobs(self, session: Session, become: Become | None) -> dict[str, Become | None]:
        """Return the jobs that may be there, by name, and whose they are.

        Beside those on record: the one after the last, which may have begun before its beginning was on record.
        """
        known = {
            str(note["job"]): _who(note.get("become"))
            for note in session.notes
            if note.get("type") == "job-started" and "job" in note
        }
        if known and self.plain:
            return known
        after = job_name(
            session.invocation_id, session.run_id, attempt=session.attempt, number=len(known) + 1
        )
        return {**known, after: become}


def _job(job_id: str, become: Become | None) -> Job:
    return Job(job_id, Command(script=":", become=become, tag=job_id))


def _who(told: Any) -> Become | None:
    return Become(method=told["method"], user=told["user"]) if isinstance(told, Mapping) else None


def _waits(session: Session) -> Outcome:
    return Outcome(
        host=session.host.name,
        status=Status.IN_PROGRESS,
        message="has ended by itself before it could be cancelled; its result waits there",
        hint="collect it with: fleetctl runs attach",
        started=session.started,
    )


class _Nothing:
    def stdout(self, data: bytes) -> None: ...

    def stderr(self, data: bytes) -> None: ...
