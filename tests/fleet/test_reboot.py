"""Reboots of real hosts: those that go well, and every way in which they do not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lab.machine import Machine
from lab.processes import until

from fleetctl.document.bind import bind
from fleetctl.document.load import load_text
from fleetctl.engine.budget import Limits
from fleetctl.engine.conduct import execute, proceed
from fleetctl.engine.events import HostBack, HostRebooting
from fleetctl.engine.order import Order, RunResult
from fleetctl.engine.reboot import RebootRule, resume_reboot
from fleetctl.engine.report import exit_code
from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.run.command import CommandTask
from fleetctl.run.document import DocumentTask
from fleetctl.store.runs import Runs
from fleetctl.transport.protocol import TransportOptions

RULE = RebootRule(timeout=90, ready_timeout=90, settle=2, pause=1)
FAILS = "[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
ONCE_MORE = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'test -e /var/tmp/again || { touch /var/tmp/again; sleep 1; systemctl --no-block reboot; }'
[Install]
WantedBy=multi-user.target
"""


def host_of(machine: Machine, **changes: Any) -> Host:
    host = Host(
        name=machine.name,
        address=machine.address,
        port=machine.port,
        user=machine.user,
        identity_file=(str(machine.key),),
    )
    return replace(host, **changes)


def reaching(machine: Machine) -> TransportOptions:
    return TransportOptions(
        known_hosts=(machine.known_hosts,), ssh_config=Path("/dev/null"), key_exchange="curve25519"
    )


def order(
    task: Any, machines: list[Machine], *, hosts: list[Host] | None = None, detached: bool = False
) -> Order:
    return Order(
        detached=detached,
        name="test",
        hosts=tuple(hosts or map(host_of, machines)),
        task=task,
        limits=Limits(timeout=400, connect_timeout=5),
        transport=reaching(machines[0]),
    )


async def run_on(
    path: Path, task: Any, *machines: Machine, hosts: list[Host] | None = None, observers: Any = ()
) -> RunResult:
    (path / "runs").mkdir(exist_ok=True)
    return await execute(order(task, list(machines), hosts=hosts), Runs(path / "runs"), observers=observers)


def rebooting(rule: RebootRule = RULE, *, script: str = "", **more: Any) -> CommandTask:
    return CommandTask(command=Command(script=script), reboot=rule, **more)


def told(outcome: Outcome) -> str:
    return f"{outcome.status} {outcome.reason}: {outcome.message}"


def unit(machine: Machine, name: str, text: str) -> None:
    (machine.root / f"etc/systemd/system/{name}.service").write_text(text)
    machine.inside("systemctl", "daemon-reload")
    machine.inside("systemctl", "enable", name)


async def test_of_three_hosts_one_is_fine_one_is_slow_and_one_never_comes_back(
    new_machine: Callable[..., Machine], tmp_path: Path
) -> None:
    fine, late, gone = (
        new_machine("deb13", "fine"),
        new_machine("deb12", "late"),
        new_machine("deb12", "gone"),
    )
    before = {machine.name: machine.boot_id() for machine in (fine, late, gone)}
    late.slow_boot(12)
    gone.no_reboot()
    hosts = [host_of(fine, user="deploy", become=Become()), host_of(late), host_of(gone)]
    events: list[Any] = []
    rule = replace(RULE, timeout=60, ready=Command(script='test "$(id -u)" = 0'))
    task = rebooting(rule, script="echo changed")
    result = await run_on(tmp_path, task, fine, late, gone, hosts=hosts, observers=[events.append])

    one, two, three = result.outcomes
    assert (one.status, two.status) == (Status.SUCCESS, Status.SUCCESS), (told(one), told(two))
    for machine, outcome in ((fine, one), (late, two)):
        facts = outcome.data["Reboot"]
        assert facts["BootIdBefore"] == before[machine.name]
        assert facts["BootIdAfter"] == machine.boot_id() != before[machine.name]
        assert facts["State"] == "running"
        assert facts["FailedUnits"] == []
        assert outcome.message == ""
        assert result.folder.read_output(outcome.host, "stdout") == b"changed\n"
    assert two.data["Reboot"]["SecondsDown"] >= 12
    assert (three.status, three.reason) == (Status.FAILED, Reason.REBOOT_NOT_BACK), told(three)
    assert (three.status_details, three.response_code) == ("Reboot Failed", 0)
    assert "did not come back within 60 s" in three.message
    assert exit_code(result.outcomes, interrupted=False) == 3
    assert {event.host.name for event in events if isinstance(event, HostRebooting)} == set(before)
    assert {event.host.name for event in events if isinstance(event, HostBack)} == {fine.name, late.name}


async def test_host_whose_init_does_not_care_never_went_down(fresh_tiny: Machine, tmp_path: Path) -> None:
    before = fresh_tiny.boot_id()
    rule = replace(RULE, timeout=6)
    (outcome,) = (await run_on(tmp_path, rebooting(rule), fresh_tiny)).outcomes
    assert outcome.reason is Reason.REBOOT_NOT_DOWN, told(outcome)
    assert "still up 6 s later" in outcome.message
    assert fresh_tiny.boot_id() == before


async def test_host_without_systemd_is_ready_when_it_can_be_logged_in_to(
    fresh_tiny: Machine, tmp_path: Path
) -> None:
    def off_and_on(event: Any) -> None:  # what a real init would do with the request
        if isinstance(event, HostRebooting):
            power.append(asyncio.create_task(asyncio.to_thread(cycle)))

    def cycle() -> None:
        fresh_tiny.power_cut()
        fresh_tiny.power_on()

    power: list[asyncio.Task[None]] = []
    result = await run_on(tmp_path, rebooting(), fresh_tiny, observers=[off_and_on])
    await asyncio.gather(*power)
    assert result.outcomes[0].status is Status.SUCCESS, told(result.outcomes[0])
    assert result.outcomes[0].data["Reboot"]["State"] == "up"


async def test_only_units_that_had_not_failed_before_make_it_degraded(
    fresh_deb12: Machine, tmp_path: Path
) -> None:
    unit(fresh_deb12, "old", FAILS)
    fresh_deb12.inside("systemctl", "start", "old", check=False)
    unit(fresh_deb12, "new", FAILS)
    (first,) = (await run_on(tmp_path, rebooting(), fresh_deb12)).outcomes
    assert first.reason is Reason.REBOOT_DEGRADED, told(first)
    assert "new.service" in first.message
    assert "old.service" not in first.message
    assert "systemctl status new.service" in first.hint

    (second,) = (await run_on(tmp_path, rebooting(), fresh_deb12)).outcomes
    assert second.status is Status.SUCCESS, told(second)
    assert second.data["Reboot"]["State"] == "degraded-as-before"
    assert second.data["Reboot"]["FailedUnits"] == ["new.service", "old.service"]


async def test_host_that_goes_down_once_more_by_itself_is_in_a_loop(
    fresh_deb12: Machine, tmp_path: Path
) -> None:
    unit(fresh_deb12, "again", ONCE_MORE)
    (outcome,) = (await run_on(tmp_path, rebooting(), fresh_deb12)).outcomes
    assert outcome.reason is Reason.REBOOT_LOOP, told(outcome)
    assert "went down again by itself once; it is up now" in outcome.message
    assert outcome.data["Reboot"]["BootsAgain"] == 1
    assert outcome.data["Reboot"]["BootIdAfter"] == fresh_deb12.boot_id()


async def test_reboot_is_refused_to_who_is_not_root(debian: Machine, tmp_path: Path) -> None:
    hosts = [host_of(debian, user="deploy")]
    (outcome,) = (await run_on(tmp_path, rebooting(), debian, hosts=hosts)).outcomes
    assert outcome.reason is Reason.REBOOT_REFUSED, told(outcome)
    assert "deploy may not reboot it" in outcome.message
    assert "--become" in outcome.hint


async def test_reboot_is_refused_while_somebody_inhibits_it(fresh_debian: Machine, tmp_path: Path) -> None:
    before = fresh_debian.boot_id()
    argv = ("systemd-inhibit", "--what=shutdown:sleep", "--who=The Backup", "--why=half way through")
    fresh_debian.inside("systemd-run", *argv, "--mode=block", "sleep", "600")
    until(
        lambda: "The Backup" in fresh_debian.output("systemd-inhibit --list"), seconds=10, what="it inhibits"
    )
    (outcome,) = (await run_on(tmp_path, rebooting(), fresh_debian)).outcomes
    assert outcome.reason is Reason.REBOOT_REFUSED, told(outcome)
    assert "The Backup" in outcome.message
    assert "half way through" in outcome.message
    assert fresh_debian.boot_id() == before


async def test_reboot_is_refused_while_a_job_of_another_run_is_at_work(
    debian: Machine, tmp_path: Path
) -> None:
    before = debian.boot_id()
    folder = "/var/tmp/fleetctl-0"
    debian.output(f"""
        mkdir -p {folder}/20200101T000000.000-abcdef.x {folder}/20190101T000000.000-abcdef.x
        cd {folder}/20200101T000000.000-abcdef.x
        echo 'sleep 300; :' >supervise
        nohup sh "$PWD/supervise" >/dev/null 2>&1 &
        echo "setsid - $! 0 0 x" >claimed
        echo "setsid - $! 0 0 x" >../20190101T000000.000-abcdef.x/claimed""")
    (outcome,) = (await run_on(tmp_path, rebooting(), debian)).outcomes
    told_of = debian.output(f"kill $(cut -d' ' -f3 {folder}/2020*/claimed); rm -r {folder}; echo gone")
    assert (outcome.reason, told_of) == (Reason.REBOOT_REFUSED, "gone"), told(outcome)
    assert outcome.message.endswith("is at work there: 20200101T000000.000-abcdef.x"), outcome.message
    assert debian.boot_id() == before


@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
async def test_reboot_goes_on_where_the_controller_was_killed(
    detached: bool, fresh_deb12: Machine, tmp_path: Path
) -> None:
    program = """
        import asyncio, sys
        from pathlib import Path
        sys.path[:0] = sys.argv[2:]
        import rebooting_here as here
        asyncio.run(here.execute(here.order, here.Runs(Path(sys.argv[1]) / "runs")))
    """
    host = host_of(fresh_deb12)
    before = fresh_deb12.boot_id()
    (tmp_path / "rebooting_here.py").write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        from fleetctl.engine.conduct import execute
        from fleetctl.engine.order import Order
        from fleetctl.engine.reboot import RebootRule
        from fleetctl.model import Command, Host
        from fleetctl.run.command import CommandTask
        from fleetctl.store.runs import Runs
        from fleetctl.transport.protocol import TransportOptions
        host = Host(name={host.name!r}, address={host.address!r}, user="root", identity_file={host.identity_file!r})
        order = Order(
            name="test", hosts=(host,), detached={detached},
            task=CommandTask(command=Command(script="echo once >> /root/ran; echo said"), reboot=RebootRule()),
            transport=TransportOptions(known_hosts=(Path({str(fresh_deb12.known_hosts)!r}),), ssh_config=Path("/dev/null")),
        )
        """)
    )
    argv = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(tmp_path)]
    runs = Runs(tmp_path / "runs")
    runs.path.mkdir()
    with subprocess.Popen(argv) as controller:  # noqa: ASYNC220 - nothing else is to happen meanwhile
        until(
            lambda: b'"rebooting"' in ledger(tmp_path) or controller.poll() is not None,
            seconds=90,
            what="the reboot is announced",
        )
        controller.kill()
    assert b'"rebooting"' in ledger(tmp_path), ledger(tmp_path).decode()
    (folder,) = runs
    task = rebooting(replace(RULE, timeout=120), script="echo once >> /root/ran; echo said")
    result = await proceed(order(task, [fresh_deb12], detached=detached), folder, doing="test")
    (outcome,) = result.outcomes
    assert outcome.status is Status.SUCCESS, told(outcome)
    assert outcome.data["Reboot"]["BootIdBefore"] == before
    assert outcome.data["Reboot"]["BootIdAfter"] == fresh_deb12.boot_id() != before
    assert fresh_deb12.output("cat /root/ran") == "once"
    assert result.folder.read_output(outcome.host, "stdout") == b"said\n"


async def test_reboot_that_was_announced_and_never_asked_for_is_asked_for(
    fresh_deb12: Machine, tmp_path: Path
) -> None:
    before = fresh_deb12.boot_id()
    note = {"type": "rebooting", "at": "2026-01-01T00:00:00+00:00", "boot": before, "state": "running"}

    async def task(session: Session) -> Outcome:
        result = await resume_reboot(session, RULE, note, become=None)
        return Outcome(host=session.host.name, status=Status.SUCCESS, data=result.to_json())

    (outcome,) = (await run_on(tmp_path, task, fresh_deb12)).outcomes
    assert outcome.status is Status.SUCCESS, told(outcome)
    assert outcome.data["BootIdAfter"] == fresh_deb12.boot_id() != before


def ledger(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.glob("runs/*/events.jsonl"))


def document(*scripts: str) -> DocumentTask:
    steps = [
        {"action": "aws:runShellScript", "name": f"s{number}", "inputs": {"runCommand": [script]}}
        for number, script in enumerate(scripts, 1)
    ]
    text = json.dumps({"schemaVersion": "2.2", "mainSteps": steps})
    return DocumentTask(bound=bind(load_text(text.encode(), source="d.json", name="d"), {}), reboot=RULE)


async def test_step_that_ends_with_194_runs_again_after_the_reboot_and_then_the_steps_after_it(
    fresh_deb12: Machine, tmp_path: Path
) -> None:
    before = fresh_deb12.boot_id()
    again = "cat /proc/sys/kernel/random/boot_id; [ -e /root/first ] || { touch /root/first; exit 194; }"
    result = await run_on(tmp_path, document("echo 1 >> /root/one", again, "echo last"), fresh_deb12)
    (outcome,) = result.outcomes
    assert outcome.status is Status.SUCCESS, told(outcome)
    (reboot,) = outcome.data["Reboots"]
    assert (reboot["BootIdBefore"], reboot["BootIdAfter"]) == (before, fresh_deb12.boot_id())
    said = result.folder.read_output(outcome.host, "stdout", "s2").decode().split()
    assert said == [before, reboot["BootIdAfter"]]
    assert result.folder.read_output(outcome.host, "stdout", "s3") == b"last\n"
    assert fresh_deb12.output("cat /root/one") == "1"
