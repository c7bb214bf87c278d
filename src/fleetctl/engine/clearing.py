"""What detached jobs left on hosts whose result is here already: a controller was killed after the one and before the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from fleetctl.engine.control import Control
from fleetctl.engine.endings import settled
from fleetctl.engine.invocation import Terms, close
from fleetctl.engine.replay import Story
from fleetctl.errors import FleetError
from fleetctl.model import Become, Host, Outcome
from fleetctl.transport.protocol import ExecFailed, Unreachable

__all__ = ["clear_away", "jobs_left"]

# Seconds for all of them: what could not be cleared in time is for `runs gc`.
_PATIENCE = 120.0
_AT_ONCE = 32


def jobs_left(story: Story, done: Mapping[str, Outcome]) -> dict[str, dict[str, Become | None]]:
    """Return the jobs, by host and id, that may still have a directory on a host although their result is here.

    Args:
        story: what the ledger tells.
        done: hosts whose outcome stands.
    """
    found: dict[str, dict[str, Become | None]] = {}
    for name, share in story.shares.items():
        if name not in done or not settled(done[name]):
            continue
        if any(note.get("type") == "jobs-removed" for note in share.notes):
            continue
        jobs = {
            str(note["job"]): _become(note.get("become"))
            for note in share.notes
            if note.get("type") == "job-started" and "job" in note
        }
        if jobs:
            found[name] = jobs
    return found


def _become(told: Any) -> Become | None:
    if not isinstance(told, dict) or not {"method", "user"} <= told.keys():
        return None
    return Become(method=told["method"], user=told["user"])


async def clear_away(
    left: Mapping[str, Mapping[str, Become | None]], hosts: Sequence[Host], *, terms: Terms, control: Control
) -> int:
    """Remove the directories of jobs, and return how many hosts did not let us.

    Args:
        left: jobs by host and id, as `jobs_left` found them.
        hosts: of the run.
        terms: of the run; what is removed is noted in its ledger.
        control: ends it early.
    """
    waiting = iter([host for host in hosts if host.name in left])
    cleared: set[str] = set()

    async def work() -> None:
        for host in waiting:
            if control.stopping:
                return
            with suppress(Unreachable, ExecFailed, FleetError):
                await _clear(host, left[host.name], terms=terms)
                terms.ledger.append("jobs-removed", host=host.name)
                cleared.add(host.name)

    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(min(len(left), _AT_ONCE)):
                group.create_task(work())
    return len(left) - len(cleared)


async def _clear(host: Host, jobs: Mapping[str, Become | None], *, terms: Terms) -> None:
    from fleetctl.engine.job_list import remove_jobs  # noqa: PLC0415 - only where something was detached

    connection = await terms.connector.open(host)
    try:
        for become in set(jobs.values()):
            ids = [job for job, who in jobs.items() if who == become]
            await remove_jobs(connection, ids, become=become, tag=f"{ids[0]}.rm")
    finally:
        await close(connection)
