"""The process of the embedded hosts never outlives who started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleetctl.demo.hosts import PlannedHost, running
from fleetctl.errors import FleetError


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


def wait_until_silent(port: int) -> None:
    deadline = time.monotonic() + 20
    while answers(port):
        assert time.monotonic() < deadline, "the embedded hosts are still there"
        time.sleep(0.05)


def test_hosts_answer_inside_the_context_and_not_after(tmp_path: Path) -> None:
    with running([PlannedHost(name="a", home=str(tmp_path))], key=tmp_path / "key") as hosts:
        assert answers(hosts[0].port)
        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert not answers(hosts[0].port)


def test_hosts_end_when_the_context_is_left_by_an_interrupt(tmp_path: Path) -> None:
    ports: list[int] = []

    def interrupted() -> None:
        with running([PlannedHost(name="a", home=str(tmp_path))], key=tmp_path / "key") as hosts:
            ports.append(hosts[0].port)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not answers(ports[0])


def test_hosts_end_when_who_started_them_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from fleetctl.demo.hosts import PlannedHost, running\n"
        "folder = Path(sys.argv[1])\n"
        "with running([PlannedHost(name='a', home=str(folder))], key=folder / 'key') as hosts:\n"
        "    print(hosts[0].port, flush=True)\n"
        "    time.sleep(300)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    with starter.stdout:
        port = int(starter.stdout.readline())
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    wait_until_silent(port)


def test_hosts_end_by_themselves_when_their_life_is_over(tmp_path: Path) -> None:
    with running([PlannedHost(name="a", home=str(tmp_path))], key=tmp_path / "key", life=0.2) as hosts:
        wait_until_silent(hosts[0].port)


def test_a_key_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(FleetError, match=r"did not start: .*No such file"),
        running([PlannedHost(name="a", home=str(tmp_path))], key=tmp_path / "nowhere" / "key"),
    ):
        pass
