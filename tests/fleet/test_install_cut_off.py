"""Cut off in the very middle of an installation: packages are unpacked and not configured, or rpm is about to begin.

The host stands still there until it is told to go on. Whoever was cut off, it is done once, and the look afterwards decides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil
import pytest
from lab.machine import Machine
from lab.processes import until
from lab.program import Program, ended, program_in
from lab.project import write_project

KINDS = ("deb12", "rocky")
WAITS = "date +%s >> /run/fl-middle; until [ -e /run/fl-go-on ]; do sleep 0.2; done"
PLUGIN = f"""\
import dnf, subprocess
class Waits(dnf.Plugin):
    name = "fl_waits"
    def pre_transaction(self):
        subprocess.run(["sh", "-c", {WAITS!r}], check=True)
"""
#: Where a package manager is told to stand still: dpkg between unpacking and configuring, dnf when all is there and locked.
HOOKS = {
    "deb12": ("etc/dpkg/dpkg.cfg.d/fl-waits", f"post-invoke={WAITS}\n"),
    "rocky": ("usr/lib/python3/dist-packages/dnf-plugins/fl_waits.py", PLUGIN),
}
VERSION = {"deb12": "dpkg-query -W -f='${Version} ${db:Status-Abbrev}' fl-lib", "rocky": "rpm -q fl-lib"}
#: How often it was installed, by the host's own records.
TIMES = {"deb12": "grep -c ' upgrade fl-lib:all ' /var/log/dpkg.log", "rocky": "wc -l < /run/fl-middle"}


@dataclass(frozen=True, kw_only=True)
class Night:
    """A host in the middle of an installation, and who ordered it."""

    host: Machine
    program: Program
    reach: tuple[str, ...]
    before: str
    controller: Popen[str]

    def asked(self, command: str) -> str:
        return self.host.inside("sh", "-c", command, check=False).stdout.strip()

    def go_on(self) -> None:
        self.asked("touch /run/fl-go-on")

    def is_connected(self) -> bool:
        ways = psutil.Process(self.controller.pid).net_connections("tcp")
        return any(w.raddr and w.raddr.ip == self.host.address and w.status == "ESTABLISHED" for w in ways)

    def is_done_once_and_proved(self, report: Any) -> None:
        """What the run says, what a new look says and what the host itself has are the same."""
        (told,) = report["Invocations"]
        assert told["Status"] == "Success", told
        assert told["Data"]["Install"]["AttemptedCount"] == 1
        assert "fl-lib" not in json.dumps(told["Data"]["Patches"])
        kind = self.host.tags["kind"]
        assert self.asked(VERSION[kind]) != self.before
        assert self.asked(TIMES[kind]) == "1"
        scan = self.program.run("patch", "scan", "all", *self.reach, "--detail", "--format", "json")
        states = {item["Title"].rpartition(".")[0]: item["Details"] for item in scan.json["ComplianceItems"]}
        assert states["fl-lib"]["PatchState"] == "INSTALLED"
        assert "FAILED" not in {details["PatchState"] for details in states.values()}
        assert self.asked("ls -A /var/tmp | grep fleetctl") == ""
        assert self.program.run("runs", "verify", "--all").code == 0


@pytest.fixture
def night(new_machine: Callable[..., Machine], tmp_path: Path) -> Iterator[Callable[[str], Night]]:
    """Order the installation of one package, and wait until the host is in the middle of it."""
    with program_in(tmp_path) as program:

        def begin(kind: str) -> Night:
            host = new_machine(kind)
            path, text = HOOKS[kind]
            (host.root / path).write_text(text)
            before = host.output(VERSION[kind])
            reach = write_project(tmp_path / "project", [host]).args
            order = ("patch", "install", "all", *reach, "--package", "fl-lib", "--reboot", "never", "--yes")
            controller = program.start(*order)

            def in_the_middle() -> bool:
                assert controller.poll() is None, controller.communicate()
                return host.inside("test", "-e", "/run/fl-middle", check=False).returncode == 0

            until(in_the_middle, seconds=120, what="the installation is in its middle")
            return Night(host=host, program=program, reach=reach, before=before, controller=controller)

        yield begin


def report_of(night: Night) -> Any:
    done = night.program.run("runs", "report", "last")
    return done.json


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_controller_is_followed_by_one_that_sees_it_to_its_end(
    kind: str, night: Callable[[str], Night]
) -> None:
    on = night(kind)
    on.controller.kill()
    on.controller.communicate()
    on.go_on()
    done = on.program.run("runs", "resume", "last")
    assert done.code in {0, 5}, done.stderr
    on.is_done_once_and_proved(report_of(on))
    again = on.program.run("runs", "resume", "last")
    assert (again.code, "nothing is left to resume" in again.stderr) == (2, True)


@pytest.mark.slow
def test_the_loss_of_sshd_and_of_every_session_does_not_disturb_it(night: Callable[[str], Night]) -> None:
    on = night("rocky")
    on.host.kill_sshd()
    until(lambda: not on.is_connected(), seconds=60, what="the connection is lost")
    on.go_on()
    on.host.restart_sshd()
    done = ended(on.controller)
    assert done.code == 5, done.stderr
    on.is_done_once_and_proved(report_of(on))


@pytest.mark.slow
def test_a_link_that_is_down_for_a_while_does_not_disturb_it(night: Callable[[str], Night]) -> None:
    on = night("deb12")
    on.host.link_down()
    on.go_on()
    time.sleep(20)
    on.host.link_up()
    done = ended(on.controller)
    assert done.code == 5, done.stderr
    on.is_done_once_and_proved(report_of(on))
