"""End what a run left running on a host, whoever began it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fleetctl.engine.job import Job
from fleetctl.engine.job_list import remove_jobs
from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.run.command import BecomeRule
from fleetctl.transport.protocol import ExecFailed
from fleetctl.transport.shell import kill_script

__all__ = ["KillTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTask:
    """Ends one invocation on its host: its detached jobs, and every process that carries its name.

    Attributes:
        become: the order's word on becoming another user: what runs belongs to that one.
        detached: whether its commands were jobs.
    """

    become: BecomeRule
    detached: bool = False

    @classmethod
    def of(cls, run: Mapping[str, Any], task: Any) -> KillTask:
        """Make it for a run.

        Args:
            run: what `run.json` holds.
            task: the run's own, where it is known.
        """
        rule = getattr(task, "become", None)
        if not isinstance(rule, BecomeRule):
            told = run.get("Work", {}).get("Spec", {}).get("Become", {})
            rule = BecomeRule(wanted=told.get("Wanted"), user=told.get("User"))
        return cls(become=rule, detached=bool(run.get("Detached")))

    async def __call__(self, session: Session) -> Outcome:
        """End it; the engine calls `resume` where something was begun, which is the only place where this is used."""
        return await self.resume(session)

    async def resume(self, session: Session) -> Outcome:
        """End it, and tell whether that is proven."""
        become = session.becoming(self.become.of(session.host))
        try:
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

    async def _end(self, session: Session, become: Become | None) -> bool:
        ended = True
        jobs = self._jobs(session)
        for job_id in jobs:
            job = Job(job_id, Command(script=":", become=become, tag=job_id))
            ended = await job.kill(session.connection) and ended
        script = kill_script(session.invocation_id)
        command = Command(script=script, become=become, tag=f"{session.run_id}.cancel")
        taken = _Nothing()
        ended = (await session.connection.exec(command, taken)).ok and ended
        if ended and jobs:
            await remove_jobs(session.connection, jobs, become=become, tag=f"{session.run_id}.cancel")
        return ended

    def _jobs(self, session: Session) -> list[str]:
        if not self.detached:
            return []
        known = [
            str(note["job"]) for note in session.notes if note.get("type") == "job-started" and "job" in note
        ]
        # Announced, and perhaps begun, before its beginning was on record.
        return known or [session.invocation_id]

    def on(self, host: Host) -> Become | None:
        """Return who ends it there."""
        return self.become.of(host)


class _Nothing:
    def stdout(self, data: bytes) -> None: ...

    def stderr(self, data: bytes) -> None: ...
