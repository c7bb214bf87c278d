"""Detached runs as their operator meets them: `fleetctl run --detach` on real hosts, through everything that can happen meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab.machine import Machine
from lab.processes import until
from lab.program import Done, Program, ended, program_in
from lab.project import FleetProject, write_project

KINDS = ("deb12", "tiny")
# A line a second until it is told to end; the file counts how often it ran.
LINES = 'echo ran >>/root/ran; n=0; while [ ! -e /root/enough ]; do n=$((n+1)); echo "line $n"; sleep 1; done; echo at its end'
TREE = "(setsid sh -c 'trap \"\" TERM; sleep 3001' &); sleep 3002 | cat & echo on; wait"


@dataclass(frozen=True, kw_only=True)
class Detached:
    """A host, and the program to reach it with."""

    machine: Machine
    program: Program
    project: FleetProject

    def run(self, *args: str) -> Done:
        return self.program.run("run", "all", *self.project.args, "--detach", "--format", "json", *args)

    def start(self, *args: str) -> Any:
        return self.program.start("run", "all", *self.project.args, "--detach", "--format", "json", *args)

    def gc(self, *args: str) -> Done:
        return self.program.run("runs", "gc", "all", *self.project.args, "--format", "json", *args)

    def left(self) -> list[str]:
        """What lies in /var/tmp of the host."""
        return self.machine.inside("sh", "-c", "ls -A /var/tmp | grep fleetctl || :").stdout.split()

    def printed(self) -> int:
        """How many bytes of what the job printed are here."""
        return sum(path.stat().st_size for path in self.program.runs.glob("*/out/*/stdout"))

    def more_comes(self) -> None:
        before = self.printed()
        until(lambda: self.printed() > before, seconds=60, what="more of what the job prints is here")

    def is_lost(self, controller: int) -> bool:
        """Whether a controller has no connection to the host any more."""
        ways = psutil.Process(controller).net_connections("tcp")
        return not any(
            way.raddr and way.raddr.ip == self.machine.address and way.status == "ESTABLISHED" for way in ways
        )


@pytest.fixture
def detached(new_machine: Callable[..., Machine], tmp_path: Path) -> Iterator[Callable[[str], Detached]]:
    """A host of a kind, for this test alone."""
    with program_in(tmp_path) as program:

        def make(kind: str) -> Detached:
            machine = new_machine(kind)
            return Detached(
                machine=machine, program=program, project=write_project(tmp_path / "project", [machine])
            )

        yield make


def the_only(done: Done) -> dict[str, Any]:
    (told,) = done.json["Invocations"]
    return dict(told)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_survives_the_network_and_sshd_and_the_controller(
    kind: str, detached: Callable[[str], Detached]
) -> None:
    on = detached(kind)
    controller = on.start("--", LINES)
    until(lambda: on.printed() > 0, seconds=60, what="the job prints")

    on.machine.link_down()
    time.sleep(30)
    until(lambda: on.is_lost(controller.pid), seconds=60, what="the connection is lost")
    on.machine.link_up()
    on.more_comes()

    on.machine.kill_sshd()
    until(lambda: on.is_lost(controller.pid), seconds=60, what="the connection is lost")
    on.machine.restart_sshd()
    on.more_comes()

    controller.kill()
    controller.communicate()
    attached = on.program.start("runs", "attach", "last", "--format", "json")
    on.more_comes()
    on.machine.inside("touch", "/root/enough")
    done = ended(attached)

    assert done.code == 0, done.stderr
    *lines, last = the_only(done)["StandardOutputContent"].splitlines()
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert len(lines) >= 30
    assert last == "at its end"
    assert on.machine.output("cat /root/ran") == "ran"
    assert on.left() == []
    assert on.program.run("runs", "verify", "last").code == 0
    assert on.program.run("audit", "verify").code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_ends_while_nobody_looks_is_kept_until_it_is_collected(
    kind: str, detached: Callable[[str], Detached]
) -> None:
    on = detached(kind)
    begun = on.run("--no-wait", "--", "echo ran >>/root/ran; sleep 2; echo out; echo err >&2; exit 3")
    assert the_only(begun)["Status"] == "InProgress"
    run_id = begun.json["CommandId"]

    def state() -> str:
        (job,) = on.gc().json
        assert job["CommandId"] == run_id
        return str(job["State"])

    until(lambda: state() == "ended", seconds=60, what="the job has ended")
    done = on.program.run("runs", "attach", run_id, "--format", "json")
    told = the_only(done)
    assert (done.code, told["Status"], told["ResponseCode"]) == (3, "Failed", 3)
    assert (told["StandardOutputContent"], told["StandardErrorContent"]) == ("out\n", "err\n")
    assert on.machine.output("cat /root/ran") == "ran"
    assert on.left() == []
    assert on.gc().json == []


@pytest.mark.parametrize("controller", ["alive", "killed", "gone"])
@pytest.mark.parametrize("kind", KINDS)
def test_cancelling_it_ends_all_its_processes(
    kind: str, controller: str, detached: Callable[[str], Detached]
) -> None:
    on = detached(kind)
    if controller == "gone":
        on.run("--no-wait", "--", TREE)
    else:
        started = on.start("--", TREE)
        until(lambda: on.printed() > 0, seconds=60, what="the job prints")
        if controller == "killed":
            started.kill()
            started.communicate()
    until(lambda: sleeping(on.machine) == 2, seconds=30, what="all of it runs")
    done = on.program.run("runs", "cancel", "last", "--yes", "--format", "json")
    told = the_only(done)
    assert told["Status"] == "Cancelled", told
    assert sleeping(on.machine) == 0
    assert on.left() == []
    if controller == "alive":
        assert ended(started).code == 130
    assert on.program.run("runs", "verify", "last").code == 0


def sleeping(machine: Machine) -> int:
    look = "ps -ef 2>/dev/null | grep -c '[s]leep 300[12]'; :"
    return int(machine.inside("sh", "-c", look).stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reboot_in_the_middle_loses_it_and_says_so(kind: str, detached: Callable[[str], Detached]) -> None:
    on = detached(kind)
    controller = on.start("--", LINES)
    until(lambda: on.printed() > 0, seconds=60, what="the job prints")
    if kind == "deb12":
        on.machine.reboot()
    else:
        on.machine.power_cut()
        on.machine.power_on()
    done = ended(controller)
    told = the_only(done)
    assert (done.code, told["Status"], told["Reason"]) == (3, "Unknown", "job-lost")
    assert told["StandardOutputContent"].startswith("line 1\n")
    assert on.machine.output("cat /root/ran") == "ran"

    again = on.program.run("runs", "resume", "last", "--format", "json")
    assert the_only(again)["Status"] == "Unknown"
    assert on.machine.output("cat /root/ran") == "ran"
    (job,) = on.gc().json
    assert job["State"] == "lost"
    assert on.gc("--remove", "--older-than", "0", "--yes").code == 0
    assert on.left() == []
    assert on.gc().json == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_room_is_told_before_anything_starts(kind: str, detached: Callable[[str], Detached]) -> None:
    on = detached(kind)
    on.machine.fill_disk("/var/tmp")
    full = the_only(on.run("--", "echo ran >>/root/ran"))
    assert (full["Status"], full["Reason"]) == ("Failed", "disk-full")
    assert "nothing was started" in full["Message"]
    on.machine.inside("mount", "-o", "remount,ro", "/var/tmp")
    read_only = the_only(on.run("--", "echo ran >>/root/ran"))
    assert (read_only["Status"], read_only["Reason"]) == ("Failed", "read-only")
    assert on.machine.run("cat /root/ran").returncode != 0
    assert on.program.run("runs", "verify", "--all").code == 0


def test_interrupts_let_go_of_it_and_attach_takes_it_up(detached: Callable[[str], Detached]) -> None:
    on = detached("tiny")
    controller = on.start("--", LINES)
    until(lambda: on.printed() > 0, seconds=60, what="the job prints")
    for _ in range(2):  # the first lets what runs finish, the second lets go of it; a third would abort
        controller.send_signal(signal.SIGINT)
        time.sleep(1)
    left = ended(controller)
    assert the_only(left)["Status"] == "InProgress", left
    assert on.left() != []
    on.machine.inside("touch", "/root/enough")
    done = on.program.run("runs", "attach", "last", "--format", "json")
    assert (done.code, the_only(done)["Status"]) == (0, "Success")
    assert on.machine.output("cat /root/ran") == "ran"
    assert on.left() == []
