"""One order, from its folder to its report."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fleetctl.engine import connect
from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.conduct import execute
from fleetctl.engine.control import Control
from fleetctl.engine.events import Event, HostEnded, HostStarted, RunEnded, RunStarted
from fleetctl.engine.order import Order, RunResult
from fleetctl.engine.report import run_schema
from fleetctl.errors import StateFolderError
from fleetctl.model import Exit, Host
from fleetctl.store.runs import Runs
from fleetctl.transport.protocol import TransportOptions


class Vault:
    """Credentials whose secret is given out only when a host asks."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.given: set[str] = set()

    def password(self, host: Host) -> str | None:
        self.given.add(self.secret)
        return self.secret

    def become_password(self, host: Host) -> str | None:
        return self.password(host)

    def passphrase(self, key_file: Path) -> str | None:
        return None

    def secrets(self) -> frozenset[str]:
        return frozenset(self.given)


@pytest.fixture
def carry_out(kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    async def run(scripts: list[Any], *, observers: Any = (), control: Any = None, **order: Any) -> RunResult:
        fleet = kit.Fleet({f"h{number}": script for number, script in enumerate(scripts)})
        monkeypatch.setattr(connect, "load", lambda _group, _name: lambda _options: fleet)
        hosts = tuple(Host(name=name, transport="fake") for name in fleet.scripts)
        return await execute(
            Order(**{"name": "Test", "hosts": hosts, "task": kit.task, **order}),
            Runs(tmp_path),
            observers=observers,
            control=control,
        )

    return run


async def test_everything_about_a_run_lies_in_its_folder(kit: Any, carry_out: Any) -> None:
    events: list[Event] = []
    result = await carry_out(
        [kit.Script(out=b"hello\n"), kit.Script(end=Exit(code=3), err=b"oh\n")],
        selector="all",
        comment="for a test",
        parameters={"commands": ["do"]},
        observers=[events.append],
    )
    folder = result.folder
    run, report = folder.run(), folder.report()
    assert report == result.report
    jsonschema.Draft202012Validator(run_schema()).validate(report)
    assert run["Selector"] == report["Selector"] == "all"
    assert run["Comment"] == "for a test"
    assert [host["InstanceId"] for host in run["Hosts"]] == ["h0", "h1"]
    assert report["Counts"] == {"Success": 1, "Failed": 1}
    assert folder.read_output("h0", "stdout") == b"hello\n"
    assert folder.read_output("h1", "stderr") == b"oh\n"
    records = [json.loads(line) for line in folder.events.read_bytes().splitlines()]
    assert [record["type"] for record in records][:: len(records) - 1] == ["run-started", "run-ended"]
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert folder.path.stat().st_mode & 0o777 == 0o700


async def test_no_host_at_all_is_a_run_too(carry_out: Any) -> None:
    result = await carry_out([])
    assert result.status == "Success"
    assert result.outcomes == ()


async def test_secrets_appear_nowhere_below_the_run_folder(kit: Any, carry_out: Any) -> None:
    secret, late = "hunter2-and-more", "learnt-while-connecting"
    vault = Vault(late)
    options = TransportOptions(credentials=vault)

    async def task(session: Any) -> Any:
        vault.password(session.host)
        return await kit.task(session)

    result = await carry_out(
        [kit.Script(out=f"{secret} {late}".encode(), end=RuntimeError(f"{secret} and {late}"))],
        task=task,
        secrets=frozenset({secret}),
        transport=options,
        comment=f"not {secret}",
        parameters={"commands": [f"login {secret}"], secret: 1},
    )
    stored = b"".join(path.read_bytes() for path in result.folder.path.rglob("*") if path.is_file())
    assert secret.encode() not in stored
    assert late.encode() not in stored
    assert b"login ********" in stored


async def test_secrets_are_taken_out_of_what_a_task_made_of_the_output(kit: Any, carry_out: Any) -> None:
    async def task(session: Any) -> Any:
        data = {"Steps": [{"Message": "no hunter2-and-more here", "Code": 1}]}
        return replace(await kit.task(session), data=data)

    result = await carry_out([kit.Script()], task=task, secrets=frozenset({"hunter2-and-more"}))
    assert result.outcomes[0].data == {"Steps": [{"Message": "no ******** here", "Code": 1}]}
    assert b"hunter2" not in result.folder.report_path.read_bytes()


async def test_bytes_that_are_no_text_in_an_argument_do_no_harm(kit: Any, carry_out: Any) -> None:
    result = await carry_out([kit.Script()], parameters={"commands": ["echo \udcff"]}, selector="\udcfe")
    assert result.folder.run()["Parameters"]["commands"] == ["echo \udcff"]
    assert result.folder.report()["Selector"] == "\udcfe"


async def test_an_interrupt_is_remembered_even_if_nothing_was_left_to_stop(kit: Any, carry_out: Any) -> None:
    control = Control()

    def stop(event: Event) -> None:
        if isinstance(event, HostEnded):
            control.stop()

    result = await carry_out([kit.Script()], control=control, observers=[stop])
    assert result.interrupted
    assert result.status == "Success"


async def test_a_closed_pipe_is_told_when_all_is_done_and_written(
    kit: Any, carry_out: Any, tmp_path: Path
) -> None:
    def broken(_: Event) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await carry_out([kit.Script(), kit.Script()], observers=[broken])
    (folder,) = Runs(tmp_path)
    assert folder.report()["Counts"] == {"Success": 2}


async def test_a_cancelled_caller_leaves_a_report(kit: Any, carry_out: Any, tmp_path: Path) -> None:
    started = asyncio.Event()

    def tell(event: Event) -> None:
        if isinstance(event, HostStarted):
            started.set()

    work = asyncio.create_task(carry_out([kit.Script(seconds=3600)], observers=[tell]))
    await started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    (folder,) = Runs(tmp_path)
    assert folder.report()["Status"] == "Cancelled"


async def test_a_report_that_does_not_fit_on_the_disk_is_an_error(
    kit: Any, carry_out: Any, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event: Event) -> None:
        if isinstance(event, HostEnded):
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))

    try:
        with pytest.raises(StateFolderError, match="cannot be written") as caught:
            await carry_out([kit.Script()], observers=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 2
    assert not list(tmp_path.rglob(".report*"))


async def test_a_state_folder_that_cannot_be_written_stops_the_run_before_it_begins(
    kit: Any, carry_out: Any
) -> None:
    fleet_hosts = [kit.Script()]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(StateFolderError, match=r"run\.(json|lock)"):
            await carry_out(fleet_hosts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


FEW_FILES = """
import resource, sys
from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.descriptors import within_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, int(sys.argv[1])))
limits, note = within_open_files(Limits(max_concurrency=Quota(200)), hosts=300)
print(limits.max_concurrency, resource.getrlimit(resource.RLIMIT_NOFILE)[0], note)
"""


def test_where_few_files_may_be_open_fewer_hosts_are_worked_on_and_that_is_said() -> None:
    def ask(hard: int) -> str:
        argv = [sys.executable, "-c", FEW_FILES, str(hard)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert ask(300).startswith("39 300 only 300 files may be open (ulimit -n): working on 39 hosts at once")
    assert ask(5000) == "200 1264 \n"


async def test_limits_are_told_as_they_were_given(kit: Any, carry_out: Any) -> None:
    limits = Limits(max_concurrency=Quota(10, percent=True), max_errors=Quota(2), timeout=60)
    report = (await carry_out([kit.Script()], limits=limits)).report
    assert (report["MaxConcurrency"], report["MaxErrors"], report["TimeoutSeconds"]) == ("10%", "2", 60)
