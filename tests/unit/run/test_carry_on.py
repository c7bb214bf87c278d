"""Which hosts a run that is carried on with needs, and what its task is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.header import limits_of
from fleetctl.errors import CredentialError, NotFoundError, StateFolderError, UsageError
from fleetctl.model import Command, Host
from fleetctl.run.carry_on import carry_on, hosts_in_order, remember
from fleetctl.run.command import BecomeRule, CommandTask
from fleetctl.run.killing import KillTask
from fleetctl.run.watch import watch
from fleetctl.run.work import command_work, restore_command
from fleetctl.store.chain import hash_of, seal
from fleetctl.store.runs import RunFolder, Runs
from fleetctl.transport.protocol import TransportOptions

NAMES = ("ended", "unknown", "in-flight", "pending", "cancelled", "unreachable")


def of(task: CommandTask, **options: Any) -> dict[str, Any]:
    work = command_work(task, **options)
    assert work is not None
    return {"Work": work.to_json()}


def task(**options: Any) -> CommandTask:
    return CommandTask(command=Command(script="echo hi", **options))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = Runs(tmp_path).create("20261123T204512.093-7f3a9c")
    write(made)
    ended = {"started": "2026-11-23T20:45:12.093+00:00"}
    records = [("invocation-started", {"host": name}) for name in ("ended", "unknown", "in-flight")]
    records += [
        ("invocation-ended", {"host": "ended", "status": "Success", **ended}),
        ("invocation-ended", {"host": "unknown", "status": "Unknown", **ended}),
        ("invocation-ended", {"host": "cancelled", "status": "Cancelled"}),
        ("invocation-ended", {"host": "unreachable", "status": "Undeliverable"}),
    ]
    lines, previous = [], hash_of((made.path / "run.json").read_bytes())
    for number, (type_, fields) in enumerate(records, 1):
        lines.append(seal(type_, fields, sequence=number, previous=previous))
        previous = hash_of(lines[-1])
    made.events.write_bytes(b"\n".join(lines) + b"\n")
    return made


def write(folder: RunFolder, **more: Any) -> None:
    hosts = [{"InstanceId": name, "Address": f"{name}.example", "Transport": "local"} for name in NAMES]
    folder.write_run({"CommandId": folder.run_id, "Hosts": hosts, **more})


@pytest.mark.parametrize(
    "case",
    [
        ("resume", False, False, {"pending", "cancelled"}),
        ("resume", False, True, {"pending", "cancelled", "unknown", "in-flight"}),
        ("resume", True, False, {"pending", "cancelled", "unknown", "in-flight"}),
        ("attach", True, False, {"unknown", "in-flight"}),
        ("cancel", False, False, {"unknown", "in-flight"}),
    ],
)
def test_only_hosts_that_are_worked_on_must_be_in_the_inventory(folder: RunFolder, case: Any) -> None:
    verb, detached, again, needed = case
    if detached:
        write(folder, Detached=True)
    options = {"verb": verb, "retry_unknown": again}
    for gone in NAMES:
        known = {name: Host(name=name) for name in NAMES if name != gone}
        if gone in needed:
            with pytest.raises(NotFoundError, match=gone):
                hosts_in_order(folder, known, **options)
        else:
            hosts = hosts_in_order(folder, known, **options)
            assert [host.name for host in hosts] == list(NAMES)
            assert hosts[NAMES.index(gone)].target == f"{gone}.example"


def test_a_command_is_made_again_as_it_was(tmp_path: Path) -> None:
    stdin = tmp_path / "in"
    stdin.write_text("x")
    wanted = CommandTask(
        command=Command(
            script="echo hi", interpreter=("bash",), args=("a b",), env={"A": "1"}, cwd="/srv", stdin=stdin
        ),
        become=BecomeRule(wanted=True, user="app"),
    )
    assert remember(of(wanted)).task == wanted


def test_a_file_is_needed_only_to_begin(tmp_path: Path) -> None:
    stdin = tmp_path / "in"
    stdin.write_text("x")
    run = of(task(stdin=stdin))
    stdin.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        remember(run)
    assert remember(run, begin=False).task == task()


def test_a_variable_from_outside_is_had_again_and_changes_nothing_else() -> None:
    run = of(task(env={"LETTER": "h"}), borrowed=frozenset({"LETTER"}))
    with pytest.raises(CredentialError, match="LETTER"):
        remember(run, environment={})
    assert remember(run, environment={"LETTER": "x"}).task == task(env={"LETTER": "x"})


@pytest.mark.parametrize("spec", [{}, {"Script": 7}, {"Script": "x", "Interpreter": 3}])
def test_a_damaged_record_is_said_to_be_one(spec: dict[str, Any]) -> None:
    with pytest.raises(StateFolderError, match="damaged"):
        restore_command(spec)
    with pytest.raises(StateFolderError, match="damaged"):
        limits_of(spec)


@pytest.mark.parametrize("verb", ["resume", "attach"])
async def test_what_cannot_be_carried_on_with_is_refused_before_the_ledger_is_touched(
    folder: RunFolder, verb: Any
) -> None:
    before = folder.events.read_bytes()
    with pytest.raises(UsageError):
        await carry_on(folder, (), verb=verb, transport=TransportOptions())
    assert folder.events.read_bytes() == before


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"Wanted": True, "User": "app"}, BecomeRule(wanted=True, user="app")),
        (False, BecomeRule(wanted=False)),
        (None, BecomeRule()),
    ],
)
def test_who_cancels_becomes_whom_the_order_became(told: Any, rule: BecomeRule) -> None:
    run = {"Detached": True, "Work": {"Kind": "command", "Spec": {"Become": told}}}
    killing = KillTask.of(run, None)
    assert (killing.become, killing.detached, killing.plain, killing.secretive) == (rule, True, True, True)
    assert KillTask.of({}, task()).become == BecomeRule()
    assert not KillTask.of({"Work": {"Kind": "command", "Spec": {"Reboot": {}}}}, None).plain


def test_looking_on_ends_when_nobody_works(folder: RunFolder) -> None:
    told = {outcome.host: outcome.status.value for outcome in watch(folder)}
    assert told == {
        "ended": "Success",
        "unknown": "Unknown",
        "cancelled": "Cancelled",
        "unreachable": "Undeliverable",
    }


def test_looking_on_at_a_run_that_has_no_ledger_yet_tells_nothing(folder: RunFolder) -> None:
    folder.events.unlink()
    assert list(watch(folder)) == []
