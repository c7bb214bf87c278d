"""`fleetctl demo`, as a newcomer runs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

PROGRAM = Path(sys.executable).with_name("fleetctl")


def ports(folder: Path) -> list[int]:
    groups = yaml.safe_load((folder / "inventories" / "demo.yaml").read_text())["groups"]
    return [host["port"] for group in groups.values() for host in group["hosts"].values()]


def answering(folder: Path) -> list[int]:
    found = []
    for port in ports(folder):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


@dataclass(frozen=True)
class Demo:
    """A demo that has ended, and the project it left."""

    code: int
    stdout: str
    stderr: str
    folder: Path
    other_state: Path


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One demo for all tests that look at what it leaves: it takes some seconds."""
    folder = tmp_path_factory.mktemp("demo")
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLEETCTL")}
    env |= {"HOME": str(folder), "FLEETCTL_STATE": str(folder / "other")}
    argv = [PROGRAM, "demo", "--keep", str(folder / "kept")]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    return Demo(done.returncode, done.stdout, done.stderr, folder / "kept", folder / "other")


def test_it_runs_a_command_on_all_hosts_and_says_what_became_of_each(ended: Demo) -> None:
    assert ended.code == 0, ended.stderr
    assert "--- web-3  Success" in ended.stdout
    assert "shop 2.3.9" in ended.stdout
    assert "--- db-1,web-[1-2] (3)  Success" in ended.stdout
    assert "Undeliverable[refused] cache-1" in ended.stderr
    assert "4 Success, 1 Undeliverable" in ended.stderr


def test_it_names_every_report_it_leaves(ended: Demo) -> None:
    state = ended.folder / ".fleetctl"
    runs = list(state.glob("runs/*/report.json"))
    verdicts = list(state.glob("reports/compliance/*.json"))
    assert (len(runs), len(verdicts)) == ((2, 1) if shutil.which("apt-get") else (1, 0))
    for path in (*runs, *verdicts):
        assert str(path) in ended.stdout


def test_nothing_of_it_stays_up_and_the_key_is_gone(ended: Demo) -> None:
    assert not answering(ended.folder)
    assert not (ended.folder / "id_ed25519").exists()


def test_what_it_suggests_works(ended: Demo, program: Callable[..., Any]) -> None:
    assert f"fleetctl --project {ended.folder} runs output last" in ended.stdout
    assert program("--project", str(ended.folder), "runs", "output", "last").code == 0


def test_the_state_folder_of_the_environment_is_not_used(ended: Demo) -> None:
    assert not ended.other_state.exists()


def test_a_folder_with_something_in_it_is_left_alone(program: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    done = program("demo", "--keep", str(tmp_path / "mine"))
    assert done.code == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_an_interrupt_ends_the_demo_and_its_hosts(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    child = start("demo", "--keep", str(folder), "--stay")
    deadline = time.monotonic() + 30
    while not list(folder.glob(".fleetctl/runs/*/events.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answering(folder)
    os.kill(child.pid, signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 130
    assert not answering(folder)


def test_the_live_view_is_drawn_on_a_terminal(terminal: Callable[..., Any], tmp_path: Path) -> None:
    screen = terminal("demo", "--keep", str(tmp_path / "kept"))
    screen.wait_for(b"running", seconds=30)
    assert screen.end() == 0
    assert "uname -sr; cat release" in screen.text
