"""The gate that is a shell line here: real processes, ended with all they started."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.gate_local import LocalGate
from fleetctl.engine.gates import GateView
from fleetctl.model import Host, Outcome, Status
from fleetctl.redact import Redactor
from fleetctl.store.runs import RunFolder


async def nobody(*_: Any) -> Any:
    raise AssertionError("a local gate asks no host")


@pytest.fixture
def view(tmp_path: Path) -> GateView:
    names = ["web-1", "web-2", "db-1"]
    statuses = [Status.SUCCESS, Status.SUCCESS, Status.FAILED]
    return GateView(
        run_id="20261123T204512.093-7f3a9c",
        wave=2,
        of=4,
        hosts=tuple(Host(name=name) for name in names),
        outcomes=tuple(
            Outcome(host=name, status=status) for name, status in zip(names, statuses, strict=True)
        ),
        run_on_hosts=nobody,
        folder=RunFolder(tmp_path / "gates"),
        label="wave-2.gate-1",
    )


def kept(view: GateView, stream: str = "stdout") -> str:
    return view.folder.read_output(view.label, stream).decode()


async def gone(pid: int) -> None:
    """Return when a process is no more, or only waits for its parent to take note."""
    async with asyncio.timeout(20):
        while True:
            try:
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
            except FileNotFoundError:
                return
            await asyncio.sleep(0.02)


async def written(path: Path) -> int:
    async with asyncio.timeout(20):
        while not path.exists() or not path.read_text().strip():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
    return int(path.read_text())


async def test_exit_code_0_is_green_and_what_was_printed_is_kept(view: GateView) -> None:
    verdict = await LocalGate("echo out; echo err >&2").check(view)
    assert verdict.green
    assert verdict.message == "exit code 0"
    assert (kept(view), kept(view, "stderr")) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 3", "exit code 3"),
        ("echo said; exit 3", "exit code 3: said"),
        ("echo said; echo 'what is wrong' >&2; exit 1", "exit code 1: what is wrong"),
        ("kill -KILL $$", "ended by signal KILL"),
        ("no-such-program", r"exit code 127: .*not found"),
        ("if", r"exit code 2: .*"),
    ],
)
async def test_anything_else_is_red_with_the_first_words(view: GateView, command: str, message: str) -> None:
    verdict = await LocalGate(command).check(view)
    assert not verdict.green
    assert re.fullmatch(message, verdict.message)


async def test_it_knows_the_run_the_wave_its_hosts_and_what_became_of_them(view: GateView) -> None:
    await LocalGate('env | grep ^FLEETCTL_ | sort; cat "$FLEETCTL_WAVE_HOSTS_FILE"').check(view)
    *lines, first, second, third = kept(view).splitlines()
    assert [line for line in lines if "_FILE" not in line] == [
        "FLEETCTL_OUTCOMES=Success=2 Failed=1",
        "FLEETCTL_RUN=20261123T204512.093-7f3a9c",
        "FLEETCTL_WAVE=2",
        "FLEETCTL_WAVES=4",
        "FLEETCTL_WAVE_HOSTS=web-1 web-2 db-1",
    ]
    assert [first, second, third] == ["web-1", "web-2", "db-1"]


async def test_ten_thousand_hosts_are_in_the_file_where_no_variable_holds_them(view: GateView) -> None:
    many = tuple(Host(name=f"node-{number}.rack.example.net") for number in range(10_000))
    verdict = await LocalGate(
        '[ -z "${FLEETCTL_WAVE_HOSTS+set}" ] && [ "$(wc -l <"$FLEETCTL_WAVE_HOSTS_FILE")" -eq 10000 ]'
    ).check(replace(view, hosts=many))
    assert verdict.green


async def test_the_terminal_is_not_read(view: GateView) -> None:
    assert (await LocalGate("! read line").check(view)).green


async def test_one_that_takes_too_long_is_ended_with_all_it_started(view: GateView, tmp_path: Path) -> None:
    command = (
        f"echo begun; sh -c 'echo $$ >{tmp_path}/child; exec sleep 600' & echo $$ >{tmp_path}/shell; wait"
    )
    checking = asyncio.create_task(LocalGate(command).check(replace(view, seconds=3)))
    pids = [await written(tmp_path / name) for name in ("child", "shell")]
    verdict = await checking
    assert not verdict.green
    assert verdict.message == "still running after 3 s, killed: begun"
    for pid in pids:
        await gone(pid)


async def test_one_that_will_not_hear_is_killed(view: GateView, tmp_path: Path) -> None:
    command = f"trap '' TERM; echo $$ >{tmp_path}/shell; while :; do sleep 1; done"
    verdict = await LocalGate(command).check(replace(view, seconds=0.5))
    assert "killed" in verdict.message
    await gone(await written(tmp_path / "shell"))


async def test_taking_it_back_ends_all_it_started(view: GateView, tmp_path: Path) -> None:
    command = f"sh -c 'echo $$ >{tmp_path}/child; exec sleep 600' & echo $$ >{tmp_path}/shell; wait"
    checking = asyncio.create_task(LocalGate(command).check(view))
    pids = [await written(tmp_path / name) for name in ("child", "shell")]
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    for pid in pids:
        await gone(pid)


async def test_what_it_leaves_in_the_background_on_purpose_is_not_waited_for(
    view: GateView, tmp_path: Path
) -> None:
    command = f"sh -c 'echo $$ >{tmp_path}/child; exec sleep 600' & while [ ! -s {tmp_path}/child ]; do sleep 0.1; done"
    verdict = await LocalGate(command).check(view)
    pid = await written(tmp_path / "child")
    try:
        assert verdict.green
        os.kill(pid, 0)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_secrets_are_kept_nowhere(view: GateView) -> None:
    filters = Redactor(frozenset({"hunter22"})).stream
    redact = Redactor(frozenset({"hunter22"})).text
    padding = "x" * 190  # the line is cut in the middle of the secret
    verdict = await LocalGate(f"echo {padding} hunter22; false").check(
        replace(view, filters=filters, redact=redact)
    )
    assert "hunter22" not in kept(view)
    assert kept(view).startswith(padding)
    assert "hunt" not in verdict.message


async def test_large_output_is_kept_whole(view: GateView) -> None:
    verdict = await LocalGate("head -c 3000000 /dev/zero | tr '\\0' x").check(view)
    assert verdict.green
    assert len(kept(view)) == 3_000_000


async def test_it_starts_in_its_folder_and_says_when_that_is_gone(view: GateView, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    gate = LocalGate("pwd", str(tmp_path / "project"))
    assert (await gate.check(view)).green
    assert kept(view).strip() == str(tmp_path / "project")
    (tmp_path / "project").rmdir()
    verdict = await gate.check(view)
    assert not verdict.green
    assert verdict.message == f"it could not be started: No such file or directory: {tmp_path / 'project'}"


async def test_output_that_cannot_be_kept_makes_it_red(view: GateView) -> None:
    view.folder.path.mkdir()
    (view.folder.path / "out").touch()
    verdict = await LocalGate("echo x").check(view)
    assert not verdict.green
    assert "cannot be kept" in verdict.message


@pytest.mark.parametrize("gate", [LocalGate("./smoke.sh"), LocalGate("./smoke.sh", "/srv/project")])
def test_it_can_be_recorded_and_read_again(gate: LocalGate) -> None:
    assert LocalGate.from_record(gate.record()) == gate
    assert gate.name == "local: ./smoke.sh"


@pytest.mark.parametrize("record", [{}, {"Command": 1}, {"Command": "x", "Folder": 1}])
def test_a_strange_record_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        LocalGate.from_record(record)
