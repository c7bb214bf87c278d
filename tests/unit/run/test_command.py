from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model import Become, Command, Host
from fleetctl.run.command import BecomeRule, CommandTask, shell_line

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
