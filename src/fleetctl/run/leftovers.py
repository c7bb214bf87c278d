"""What detached jobs left on hosts: list it, and clear away what is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from fleetctl.engine.job import Job
from fleetctl.engine.job_list import JobInfo, list_jobs, remove_jobs
from fleetctl.engine.task import Session
from fleetctl.model import EMPTY, Become, Command, Outcome, Reason, Status
from fleetctl.run.command import BecomeRule

__all__ = ["COLUMNS", "DOCUMENT", "LeftoversTask", "leftover_rows"]

DOCUMENT: Final = "FleetCtl-DetachedJobs"
COLUMNS: Final = (
    "InstanceId",
    "CommandId",
    "JobId",
    "State",
    "AgeSeconds",
    "Bytes",
    "ExitCode",
    "Signal",
    "Action",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoversTask:
    """Looks at the jobs of one user of each host, and removes those that were chosen.

    Attributes:
        become: whose jobs: the order's word on becoming another user.
        chosen: by host, the ids to remove; what runs among them is killed first if `kill`, else left alone.
        kill: whether what runs may be killed.
    """

    become: BecomeRule = field(default_factory=BecomeRule)
    chosen: Mapping[str, tuple[str, ...]] = field(default=EMPTY)
    kill: bool = False

    async def __call__(self, session: Session) -> Outcome:
        """Work on one host."""
        become = session.becoming(self.become.of(session.host))
        tag = session.invocation_id
        jobs = await list_jobs(session.connection, become=become, tag=tag)
        wanted = set(self.chosen.get(session.host.name, ()))
        here = [job for job in jobs if job.job_id in wanted]
        left = await self._remove(session, here, become)
        gone = wanted - left
        outcome = Outcome(
            host=session.host.name,
            status=Status.SUCCESS,
            response_code=0,
            started=session.started,
            ended=datetime.now(UTC),
            data={"Jobs": [_told(job, _action(job, wanted, gone)) for job in jobs]},
        )
        if not left:
            return outcome
        return replace(
            outcome,
            status=Status.FAILED,
            reason=Reason.REMOTE,
            response_code=-1,
            message=f"could not be removed: {', '.join(sorted(left))}",
            hint="they run, or ran again meanwhile; --kill ends what runs",
        )

    async def _remove(self, session: Session, jobs: list[JobInfo], become: Become | None) -> set[str]:
        """Remove jobs; return the ids of those that are still there."""
        if self.kill:
            for job in jobs:
                if job.state == "running":
                    command = Command(script=":", become=become)
                    await Job(job.job_id, command).kill(session.connection)
        ids = [job.job_id for job in jobs]
        if not ids:
            return set()
        return set(await remove_jobs(session.connection, ids, become=become, tag=session.invocation_id))


def leftover_rows(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return one flat record per job, in the order of the hosts, the oldest first."""
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        jobs = outcome.data.get("Jobs", ())
        oldest_first = sorted(jobs, key=lambda job: -(job["AgeSeconds"] or 0))
        rows += [{"InstanceId": outcome.host, **job} for job in oldest_first]
    return rows


def _action(job: JobInfo, wanted: set[str], gone: set[str]) -> str:
    if job.job_id not in wanted:
        return "Kept"
    return "Removed" if job.job_id in gone else "Failed"


def _told(job: JobInfo, action: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "CommandId": _run_of(job.job_id),
        "JobId": job.job_id,
        "State": job.state,
        "AgeSeconds": job.age,
        "Bytes": job.size,
        "Action": action,
    }
    if job.end is not None and job.end.signal is not None:
        told["Signal"] = job.end.signal
    elif job.end is not None:
        told["ExitCode"] = job.end.code
    return told


def _run_of(job_id: str) -> str:
    """Return the run that a job's id begins with: `20261123T204512.093-7f3a9c.web-1...`; what is not made so is told whole."""
    words = job_id.split(".", 2)
    return ".".join(words[:2]).partition("+")[0] if len(words) == 3 else job_id
