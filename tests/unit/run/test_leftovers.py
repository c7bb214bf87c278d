"""What jobs left on a host is told and cleared by what was chosen, and nothing else is touched."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from fleetctl.engine.job import Job
from fleetctl.engine.job_list import remove_jobs
from fleetctl.model import Command, Exit, Host, Status
from fleetctl.run.leftovers import LeftoversTask, leftover_rows
from fleetctl.transport.local import Local
from fleetctl.transport.protocol import Connection, TransportOptions


class Nowhere:
    def stdout(self, data: bytes) -> None: ...
    def stderr(self, data: bytes) -> None: ...


@dataclass
class Invocation:
    """The part of a session that the task uses."""

    connection: Connection
    host: Host
    invocation_id: str = "20261123T204512.093-7f3a9c.here"
    started: Any = None

    def becoming(self, become: Any) -> Any:
        return become


@pytest.fixture
async def here() -> Invocation:
    transport = Local(TransportOptions())
    connection = await transport.connect(Host(name="here", transport="local"))
    return Invocation(connection, connection.host)


@pytest.fixture
async def jobs(here: Invocation) -> AsyncIterator[list[str]]:
    run = f"20261123T204512.093-{uuid.uuid4().hex[:12]}"
    ids = [f"{run}+2.ended", f"{run}.kept"]
    for job_id, code in zip(ids, (3, 4), strict=True):
        assert await Job(job_id, Command(script=f"exit {code}")).follow(here.connection, Nowhere()) == Exit(
            code=code
        )
    yield ids
    await remove_jobs(here.connection, ids, become=None, tag="clear")


async def rows_of(task: LeftoversTask, here: Invocation, jobs: list[str]) -> dict[str, dict[str, Any]]:
    outcome = await task(here)  # type: ignore[arg-type]
    assert outcome.status is Status.SUCCESS
    return {row["JobId"]: row for row in leftover_rows([outcome]) if row["JobId"] in jobs}


async def test_what_was_chosen_is_removed_and_nothing_else(here: Invocation, jobs: list[str]) -> None:
    told = await rows_of(LeftoversTask(), here, jobs)
    assert [(told[name]["State"], told[name]["ExitCode"], told[name]["Action"]) for name in jobs] == [
        ("ended", 3, "Kept"),
        ("ended", 4, "Kept"),
    ]
    assert {row["CommandId"] for row in told.values()} == {jobs[1].removesuffix(".kept")}
    told = await rows_of(LeftoversTask(chosen={"here": (jobs[0],)}), here, jobs)
    assert [told[name]["Action"] for name in jobs] == ["Removed", "Kept"]
    assert list(await rows_of(LeftoversTask(), here, jobs)) == [jobs[1]]


async def test_what_runs_is_left_alone_unless_it_may_be_killed(here: Invocation) -> None:
    job = Job(f"20261123T204512.093-{uuid.uuid4().hex[:12]}.here", Command(script="echo on; sleep 300"))
    began = asyncio.Event()
    following = asyncio.ensure_future(
        job.follow(here.connection, Nowhere(), on_started=lambda _: began.set())
    )
    await asyncio.wait_for(began.wait(), 20)
    outcome = await LeftoversTask(chosen={"here": (job.job_id,)})(here)  # type: ignore[arg-type]
    assert outcome.status is Status.FAILED
    assert job.job_id in outcome.message
    assert not following.done()
    outcome = await LeftoversTask(chosen={"here": (job.job_id,)}, kill=True)(here)  # type: ignore[arg-type]
    assert outcome.status is Status.SUCCESS
    assert not [row for row in await _left(here) if row == job.job_id]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def _left(here: Invocation) -> list[str]:
    return [row["JobId"] for row in leftover_rows([await LeftoversTask()(here)])]  # type: ignore[arg-type]
