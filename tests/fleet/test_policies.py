"""Policies on real hosts: a Debian with systemd and OpenSSH, and the poorest host there is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab.listing import changes, listing

POLICY = """\
name: real
checks:
  - {id: dpkg, title: bash is there, package: {name: bash, version: ">= 5"}}
  - {id: gone, title: no telnet server, package: {name: telnetd, state: absent}}
  - {id: ssh, title: sshd runs, service: {name: ssh, state: running, enabled: true}}
  - {id: port, title: something listens for ssh, port: {port: 22}}
  - {id: who, title: sshd listens for ssh, port: {port: 22, process: sshd}}
  - {id: root, title: root is root, user: {name: root, uid: 0}}
  - {id: passwd, title: users, file: {path: /etc/passwd, mode: "0644", owner: root, contains: "root:"}}
  - {id: daemon, title: no X11, severity: high, sshd: {setting: X11Forwarding, value: "no"}}
  - {id: proc, title: proc, mount: {path: /proc, fstype: proc}}
  - {id: sysctl, title: pids, sysctl: {name: kernel.pid_max, at_least: 1000}}
  - {id: own, title: it runs, command: {run: "uname -s", stdout: Linux}}
"""


@pytest.fixture
def check(fleet_project: Any) -> Any:
    def check(machine: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
        project = fleet_project([machine])
        (project.path / "real.yaml").write_text(POLICY)
        program = str(Path(sys.executable).with_name("fleetctl"))
        argv = [
            program,
            "compliance",
            "check",
            *project.args,
            "all",
            "--policy",
            "./real.yaml",
            "--format",
            "json",
        ]
        done = subprocess.run(argv, cwd=project.path, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        return (
            done.returncode,
            {i["Id"].removeprefix("real/"): i["Status"] for i in report["ComplianceItems"]},
            report,
        )

    return check


@pytest.mark.fleet
def test_a_debian_host_is_judged_by_all_its_tools(check: Any, deb12: Any) -> None:
    _code, found, report = check(deb12)
    bad = {name: status for name, status in found.items() if status != "COMPLIANT"}
    assert set(bad) <= {"daemon", "who", "ssh"}, report["ComplianceItems"]
    assert found["daemon"] != "UNKNOWN"
    assert len(found) == 11


@pytest.mark.fleet
def test_the_poorest_host_is_judged_as_far_as_it_can_tell(check: Any, tiny: Any) -> None:
    code, found, _ = check(tiny)
    assert code == 3
    assert found["daemon"] == found["dpkg"] == "UNKNOWN"
    told = {name: found[name] for name in ("port", "root", "proc", "sysctl", "own")}
    assert set(told.values()) == {"COMPLIANT"}


@pytest.mark.fleet
def test_a_check_writes_nothing_on_the_host(check: Any, fresh_deb12: Any) -> None:
    check(fresh_deb12)
    before = listing(fresh_deb12)
    check(fresh_deb12)
    assert not changes(before, listing(fresh_deb12))
