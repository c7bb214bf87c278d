"""What a controller had no time to remove from a host, the next one removes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fleetctl.engine.budget import Limits
from fleetctl.engine.clearing import jobs_left
from fleetctl.engine.conduct import execute, proceed
from fleetctl.engine.invocation import Invocation
from fleetctl.engine.order import Order
from fleetctl.engine.replay import Share, Story
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.run.command import CommandTask
from fleetctl.store.runs import Runs


def left_behind(run_id: str) -> list[str]:
    return [path.name for path in Path("/var/tmp").glob(f"fleetctl-*/*{run_id}*")]


async def test_directories_of_jobs_whose_result_is_here_are_removed_by_who_carries_on(
    tmp_path: Path, monkeypatch: Any
) -> None:
    runs = Runs(tmp_path / "runs")
    runs.path.mkdir()
    order = Order(
        name="test",
        hosts=tuple(Host(name=name, transport="local") for name in ("one", "two")),
        task=CommandTask(command=Command(script="echo out")),
        limits=Limits(timeout=60),
        detached=True,
    )

    async def killed_before_that(invocation: Invocation, outcome: Outcome) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(Invocation, "settle", killed_before_that)
        result = await execute(order, runs)
    folder = result.folder
    assert len(left_behind(folder.run_id)) == 2
    lines = folder.events.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["type"] == "run-ended"
    folder.events.write_bytes(b"".join(lines[:-1]))

    again = await proceed(order, folder, doing="test")
    assert [outcome.status for outcome in again.outcomes] == [Status.SUCCESS] * 2
    assert left_behind(folder.run_id) == []
    assert folder.events.read_text().count('"type":"jobs-removed"') == 2


def test_only_jobs_whose_result_is_known_and_that_were_not_removed_are_left() -> None:
    began = {"type": "invocation-started", "host": "h"}
    job = {"type": "job-started", "host": "h", "job": "j-1"}
    root = {**job, "job": "j-2", "become": {"method": "sudo", "user": "root"}}
    removed = {"type": "jobs-removed", "host": "h"}
    shares = {
        "left": Share(starts=1, notes=[began, job, job, root]),
        "removed": Share(starts=1, notes=[began, job, removed]),
        "unsure": Share(starts=1, notes=[began, job]),
        "not-detached": Share(starts=1, notes=[began]),
        "not-done": Share(starts=1, notes=[began, job]),
    }
    done = {
        name: Outcome(host=name, status=Status.SUCCESS) for name in ("left", "removed", "not-detached")
    } | {"unsure": Outcome(host="unsure", status=Status.UNKNOWN, reason=Reason.JOB_LOST)}
    assert jobs_left(Story(shares=shares), done) == {"left": {"j-1": None, "j-2": Become()}}
