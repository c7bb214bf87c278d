from __future__ import annotations

import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.boot import RebootRule
from fleetctl.engine.output import OutputFiles
from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.run.command import BecomeRule, CommandTask, shell_line
from fleetctl.store.runs import RunFolder
from fleetctl.transport.local import Local
from fleetctl.transport.protocol import TransportOptions

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20)


def test_one_word_is_a_line_for_the_shell_as_it_stands() -> None:
    assert shell_line(["df -h | tail -1"]) == "df -h | tail -1"


@given(words=st.lists(TEXT, min_size=1, max_size=4))
def test_several_words_reach_a_real_shell_as_they_are(words: list[str]) -> None:
    line = shell_line(["printf", "%s\\0", *words])
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


SUDO = Become(method="sudo", user="root")
DOAS = Become(method="doas", user="admin")


@pytest.mark.parametrize(
    ("wanted", "user", "host", "expected"),
    [
        (None, None, None, None),
        (None, None, DOAS, DOAS),
        (True, None, None, SUDO),
        (True, None, DOAS, DOAS),
        (True, "app", DOAS, Become(method="doas", user="app")),
        (None, "app", None, Become(user="app")),
        (False, None, DOAS, None),
        (False, "app", DOAS, None),
    ],
)
def test_the_order_s_word_on_becoming_beats_the_inventory_s(
    wanted: bool | None, user: str | None, host: Become | None, expected: Become | None
) -> None:
    assert BecomeRule(wanted=wanted, user=user).of(Host(name="web", become=host)) == expected


def test_a_task_sends_the_same_to_every_host_or_what_it_renders_for_each() -> None:
    command = Command(script="uptime", cwd="/srv")
    host = Host(name="web", become=DOAS)
    assert CommandTask(command=command).on(host) == Command(script="uptime", cwd="/srv", become=DOAS)
    task = CommandTask(command=command, render=lambda host: f"echo {host.name}")
    assert task.on(host).script == "echo web"


RULE = RebootRule(timeout=30, ready_timeout=30, settle=0, pause=0.1)
REBOOTING = {"type": "rebooting", "boot": "another boot", "done": {"code": 194}}
Run = Callable[..., Coroutine[Any, Any, Outcome | None]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a task on this machine, or go on with it; it stands for another machine where there is something to go on with."""

    async def run(script: str, *, notes: Any = None, reboot: RebootRule | None = RULE) -> Outcome | None:
        connection = await Local(TransportOptions()).connect(Host(name="h1", transport="local"))
        if notes is not None:
            connection.host = replace(connection.host, transport="elsewhere")
        folder = RunFolder(tmp_path / "run")
        session = Session(connection, folder, OutputFiles(folder, "h1"), run_id="run", notes=notes or ())
        task = CommandTask(command=Command(script=script), reboot=reboot)
        return await (task(session) if notes is None else task.resume(session))

    return run


async def test_reboot_that_is_refused_is_told_with_the_command_s_own_exit_code(run: Run) -> None:
    outcome = await run("exit 194")
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.REBOOT_REFUSED)
    assert (outcome.status_details, outcome.response_code) == ("Reboot Failed", 194)
    assert outcome.data["Reboot"]["State"] == "reboot-refused"


async def test_command_that_failed_is_followed_by_no_reboot(run: Run) -> None:
    outcome = await run("exit 3")
    assert outcome is not None
    assert (outcome.reason, outcome.message, outcome.data) == (Reason.EXIT_CODE, "exit code 3", {})


async def test_exit_code_194_means_nothing_where_no_reboot_is_wanted(run: Run) -> None:
    outcome = await run("exit 194", reboot=None)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.EXIT_CODE)


async def test_command_is_not_repeated_where_a_controller_was_lost_in_the_reboot(
    run: Run, tmp_path: Path
) -> None:
    outcome = await run(f"touch {tmp_path}/ran", notes=[REBOOTING])
    assert outcome is not None
    assert (outcome.status, outcome.response_code, outcome.reason) == (Status.SUCCESS, 194, None)
    assert outcome.data["Reboot"]["BootIdBefore"] == "another boot"
    assert not (tmp_path / "ran").exists()


async def test_nobody_knows_the_end_of_a_command_whose_controller_was_lost(run: Run) -> None:
    assert await run("true", notes=[{"type": "invocation-started"}]) is None
