"""Changes that go out step by step to real hosts: a red canary, and hosts that reboot."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.machine import Machine
from lab.many import ManyHosts
from lab.processes import until
from lab.program import Done, Program, program_in
from lab.project import FleetProject, write_project


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with program_in(tmp_path) as made:
        yield made


@pytest.fixture
def hundred(many: ManyHosts, tmp_path: Path) -> Iterator[tuple[FleetProject, Path]]:
    """A hundred hosts, and a folder in which each can leave a file."""
    work = many.home / f"rollout-{tmp_path.name}"
    work.mkdir()
    work.chmod(0o777)
    yield write_project(tmp_path / "project", many.hosts(100)), work
    shutil.rmtree(work)


def invocations(done: Done) -> dict[str, dict[str, Any]]:
    return {told["InstanceId"]: told for told in done.json["Invocations"]}


def changed(work: Path) -> Counter[str]:
    """How often each host was changed."""
    return Counter({path.name: len(path.read_text().splitlines()) for path in work.glob("many-*")})


def test_a_red_gate_on_the_canary_of_a_hundred_hosts_leaves_ninety_nine_untouched(
    hundred: tuple[FleetProject, Path], program: Program
) -> None:
    project, work = hundred
    change = f'echo changed >>"{work}/$FLEETCTL_HOST"'
    gate = f"test -e {work}/healthy || {{ echo the application does not answer >&2; exit 4; }}"
    waves = ("--waves", "1,10%,100%", "--gate", gate)
    red = program.run("run", "all", *project.args, *waves, "--format", "json", "--", change)

    assert red.code == 7, red.stderr
    assert changed(work) == {"many-001": 1}
    told = invocations(red)
    assert told["many-001"]["Status"] == "Success"
    rest = [told[host] for host in told if host != "many-001"]
    assert [(one["Status"], one["Reason"]) for one in rest] == [("Pending", "gate")] * 99
    assert (red.json["Paused"]["Reason"], red.json["Paused"]["Next"], red.json["Paused"]["Of"]) == (
        "gate",
        1,
        3,
    )
    assert "the application does not answer" in red.json["Paused"]["Message"]
    shown = program.run("runs", "show", "last")
    assert "the application does not answer" in shown.stdout + shown.stderr
    assert program.run("runs", "verify", "last").code == 0

    # Nobody goes on by accident, and while the canary is ill going on stops at the next gate.
    assert program.run("runs", "resume", "last").code == 2
    assert changed(work) == {"many-001": 1}
    assert program.run("runs", "resume", "last", "--yes").code == 7
    assert len(changed(work)) == 10
    (work / "healthy").touch()
    done = program.run("runs", "resume", "last", "--yes", "--format", "json")
    assert done.code == 0, done.stderr
    assert {one["Status"] for one in invocations(done).values()} == {"Success"}
    assert changed(work) == dict.fromkeys(told, 1)
    assert program.run("runs", "verify", "last").code == 0
    assert program.run("audit", "verify").code == 0


@pytest.mark.slow
def test_of_three_rebooted_hosts_one_is_fine_one_is_slow_and_one_never_comes_back(
    new_machine: Callable[..., Machine], program: Program, tmp_path: Path
) -> None:
    machines = [new_machine("deb12", name) for name in ("fine", "late", "gone")]
    fine, late, gone = machines
    project = write_project(tmp_path / "project", machines)
    before = {machine.name: machine.boot_id() for machine in machines}
    late.slow_boot(12)
    gone.no_reboot()
    patience = ("--reboot", "--reboot-timeout", "60", "--format", "json")
    done = program.run("run", "all", *project.args, *patience, "--", "echo ran >>/root/ran")

    assert done.code == 3, done.stderr
    told = invocations(done)
    for machine in (fine, late):
        one = told[machine.name]
        assert one["Status"] == "Success", one
        assert one["Data"]["Reboot"]["BootIdBefore"] == before[machine.name]
        assert one["Data"]["Reboot"]["BootIdAfter"] == machine.boot_id() != before[machine.name]
        assert machine.output("cat /root/ran") == "ran"
    assert told["late"]["Data"]["Reboot"]["SecondsDown"] >= 12
    lost = told["gone"]
    assert (lost["Status"], lost["StatusDetails"]) == ("Failed", "Reboot Failed")
    assert (lost["Reason"], lost["ResponseCode"]) == ("reboot-never-came-back", 0)
    assert "did not come back within 60 s" in lost["Message"]
    assert program.run("runs", "verify", "last").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["plain", "detached"])
def test_a_controller_that_is_killed_while_hosts_reboot_is_followed_by_one_that_sees_them_through(
    how: tuple[str, ...], new_machine: Callable[..., Machine], program: Program, tmp_path: Path
) -> None:
    machines = [new_machine("deb12", "fine"), new_machine("deb12", "late")]
    project = write_project(tmp_path / "project", machines)
    before = {machine.name: machine.boot_id() for machine in machines}
    machines[1].slow_boot(8)
    line = "echo ran >>/root/ran; echo said"
    controller = program.start("run", "all", *project.args, *how, "--reboot", "--", line)

    def rebooting() -> bool:
        (run_id,) = program.ids() or [""]
        ledger = program.runs / run_id / "events.jsonl"
        return ledger.is_file() and ledger.read_bytes().count(b'"type":"rebooting"') == len(machines)

    until(rebooting, seconds=60, what="both reboots are announced")
    controller.kill()
    controller.communicate()
    done = program.run("runs", "resume", "last", "--format", "json")

    assert done.code == 0, json.dumps(done.json["Invocations"], indent=1)
    for machine in machines:
        one = invocations(done)[machine.name]
        assert one["StandardOutputContent"] == "said\n"
        assert one["Data"]["Reboot"]["BootIdBefore"] == before[machine.name]
        assert one["Data"]["Reboot"]["BootIdAfter"] == machine.boot_id() != before[machine.name]
        assert machine.output("cat /root/ran") == "ran"
        assert machine.inside("sh", "-c", "ls -A /var/tmp | grep fleetctl || :").stdout == ""
    assert program.run("runs", "verify", "last").code == 0
