"""Ctrl-C once and twice, SIGTERM and SIGKILL, with a real program and real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest


def until(true: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return value


def marked(marker: str) -> list[psutil.Process]:
    """Processes that carry this marker in their environment: what a run started, wherever it went."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARKER") == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture(params=["local", "ssh"])
def hosts(request: pytest.FixtureRequest, project: Path) -> list[str]:
    """Flags that name three hosts: this machine, and three behind a real sshd."""
    if request.param == "local":
        return ["web"]
    many, fleet_project = request.getfixturevalue("many"), request.getfixturevalue("fleet_project")
    return [*fleet_project(many.hosts(3)).args, "all"]


@dataclass(frozen=True)
class Busy:
    """A run of which two hosts are at work and one waits."""

    child: subprocess.Popen[bytes]
    folder: Path
    marker: str

    @property
    def said(self) -> str:
        return (self.folder / "stderr").read_text()

    def end(self) -> bytes:
        """Wait for it and return its stdout."""
        return self.child.communicate(timeout=30)[0]


@pytest.fixture
def busy(start: Any, project: Path, hosts: list[str]) -> Iterator[Callable[[str], Busy]]:
    with tempfile.TemporaryDirectory(prefix="fleetctl-test-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # the hosts' user may be another

        def run(command: str) -> Busy:
            order = ("--max-concurrency", "2", "--env", f"MARKER={name}", "--", f"cd {name}; {command}")
            with (folder / "stderr").open("wb") as stderr:
                child = start("run", *hosts, *order, stderr=stderr)
            made = Busy(child, folder, name)
            until(
                lambda: len(list(folder.glob("at-work-*"))) == 2 or child.poll() is not None,
                "two are at work",
            )
            assert child.poll() is None, made.said
            return made

        yield run
        for process in marked(name):
            process.kill()


AT_WORK = 'touch "at-work-$FLEETCTL_HOST"; '


def report(project: Path) -> Any:
    (folder,) = (project / ".fleetctl" / "runs").iterdir()
    return json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_once_lets_running_hosts_finish_and_starts_no_other(
    busy: Any, project: Path, number: signal.Signals
) -> None:
    run = busy(AT_WORK + "while [ ! -e go ]; do sleep 0.05; done; echo finished")
    run.child.send_signal(number)
    until(lambda: "interrupted: no new host is started" in run.said, "it says so")
    (run.folder / "go").touch()
    out = run.end()
    assert run.child.returncode == 130
    assert out.count(b": finished\n") == 2
    result = report(project)
    assert result["Status"] == "Cancelled"
    assert result["Counts"] == {"Success": 2, "Cancelled": 1}
    assert result["CompletedCount"] == result["TargetCount"] == 3


def test_twice_kills_what_runs_on_the_hosts(busy: Any, project: Path) -> None:
    run = busy("sleep 300 & " + AT_WORK + "sleep 301 | cat")
    until(lambda: len(marked(run.marker)) >= 6, "all of it runs")
    run.child.send_signal(signal.SIGINT)
    until(lambda: "interrupted:" in run.said, "it says so")
    run.child.send_signal(signal.SIGINT)
    run.end()
    assert run.child.returncode == 130
    assert "interrupted again: killing what runs" in run.said
    assert report(project)["Counts"] == {"Cancelled": 3}
    until(lambda: not marked(run.marker), "nothing of it is left")


def test_an_interrupt_that_cuts_nothing_short_is_still_one(busy: Any, project: Path) -> None:
    run = busy(AT_WORK + "while [ ! -e go ]; do sleep 0.05; done")
    (run.folder / "go").touch()
    run.child.send_signal(signal.SIGINT)
    run.end()
    assert run.child.returncode == 130
    assert sum(report(project)["Counts"].values()) == 3


def test_after_kill_9_the_ledger_tells_what_had_begun(busy: Any, project: Path, program: Any) -> None:
    run = busy(AT_WORK + "sleep 300")
    run.child.kill()
    run.child.wait()
    (folder,) = (project / ".fleetctl" / "runs").iterdir()
    previous = sha256((folder / "run.json").read_bytes()).hexdigest()
    started = []
    for line in (folder / "events.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        assert record["prev"] == previous
        previous = sha256(line).hexdigest()
        if record["type"] == "invocation-started":
            started.append(record["host"])
    assert len(started) == 2
    shown = program("runs", "show", "last", "--format", "json").json
    assert shown["Status"] == "Interrupted"
    states = {item["InstanceId"]: item["Status"] for item in shown["Invocations"]}
    assert sorted(states.values()) == ["Pending", "Unknown", "Unknown"]
    assert {host for host, state in states.items() if state == "Unknown"} == set(started)
