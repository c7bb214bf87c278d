"""`fleetctl runs gc`, as a user types it, on this machine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

JOBS = Path(f"/var/tmp/fleetctl-{os.getuid()}")


@pytest.fixture
def leftover() -> Iterator[str]:
    """What a controller that was lost long ago left here: a job that ended with exit code 3 in 2001."""
    folder = JOBS / f"20010909T014640.000-{uuid.uuid4().hex[:6]}.here"
    folder.mkdir(parents=True, mode=0o700)
    JOBS.chmod(0o700)
    (folder / "claimed").write_text("setsid no-such-boot 1 1 1000000000 aa\n")
    (folder / "result").write_text("exit 3\n----\n")
    (folder / "stdout").write_text("x" * 2000)
    yield folder.name
    for path in folder.glob("*"):
        path.unlink()
    if folder.exists():
        folder.rmdir()


@pytest.fixture
def gc(project: Path, program: Callable[..., Any]) -> Callable[..., Any]:
    (project / "hosts.yaml").write_text("hosts:\n  here: {transport: local}\n")
    return lambda *args: program("-i", str(project / "hosts.yaml"), "runs", "gc", "here", *args)


def test_it_lists_and_changes_nothing(gc, leftover: str) -> None:
    done = gc("--format", "json")
    assert done.code == 0, done.stderr
    (row,) = [row for row in done.json if row["JobId"] == leftover]
    assert (row["State"], row["ExitCode"], row["Action"], row["InstanceId"]) == ("ended", 3, "Kept", "here")
    assert row["CommandId"] == leftover.removesuffix(".here")
    assert row["AgeSeconds"] > 86400 * 365
    assert (JOBS / leftover / "result").exists()
    table = gc()
    assert leftover in table.stdout
    assert " d " in table.stdout


def test_it_removes_only_when_it_may(gc, leftover: str) -> None:
    # Twenty years, so that no job of anybody else on this machine is old enough.
    old = ("--remove", "--older-than", str(24 * 365 * 20))
    refused = gc(*old)
    assert refused.code == 2
    assert "needs-confirmation" in refused.stderr
    assert (JOBS / leftover).exists()
    done = gc(*old, "--yes", "--format", "json")
    assert done.code == 0, done.stderr
    assert {row["JobId"]: row["Action"] for row in done.json}[leftover] == "Removed"
    assert not (JOBS / leftover).exists()


def test_killing_goes_with_removing(gc) -> None:
    done = gc("--kill")
    assert done.code == 2
    assert "--remove --kill" in done.stderr
