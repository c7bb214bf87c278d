"""At a terminal: the live view, grouped output, questions, and hosts that try to drive the screen."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest


def test_a_run_is_drawn_as_it_goes_and_its_output_grouped_at_the_end(terminal: Any, tmp_path: Path) -> None:
    screen = terminal(
        "run", "web,dead", "--", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo same"
    )
    screen.wait_for(b"3 running")
    screen.wait_for(b"1 Undeliverable")
    screen.wait_for(b"1/4")
    screen.wait_for(b"Undeliverable[refused] ")
    (tmp_path / "go").touch()
    assert screen.end() == 4
    assert "--- web-[1-3] (3)  Success\nsame\n" in screen.text
    assert "4 hosts: 3 Success, 1 Undeliverable in " in screen.text
    assert screen.seen.rstrip().endswith(b")")
    assert b"\x1b[?25h" in screen.seen  # the cursor is back


def test_quiet_and_machine_formats_draw_no_more_than_needed(terminal: Any) -> None:
    screen = terminal("-q", "run", "web", "--", "echo same")
    assert screen.end() == 0
    assert b"running" not in screen.seen
    assert screen.text == "--- web-[1-3] (3)  Success\nsame\n"


def test_per_host_lines_come_as_hosts_end_and_nothing_is_drawn_over_them(
    terminal: Any, tmp_path: Path
) -> None:
    screen = terminal(
        "run",
        "web",
        "--per-host",
        "--",
        f'[ $FLEETCTL_HOST = web-1 ] || until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo "$FLEETCTL_HOST"',
    )
    screen.wait_for(b"web-1: web-1")
    assert b"web-2: web-2" not in screen.seen
    (tmp_path / "go").touch()
    assert screen.end() == 0
    assert sorted(screen.text.splitlines()[:3]) == [f"web-{n}: web-{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize("flags", [("--group-output",), ("--per-host",), ("--diff",)])
def test_a_host_cannot_drive_the_terminal(terminal: Any, project: Path, flags: tuple[str, ...]) -> None:
    evil = b"\x1b]0;owned\x07\x1b[2J\x1b[H\x9b3J\x1bPq\x1b\\ \x1b[8mhidden\xe2\x80\xae\r\nnext\rover\n"
    (project / "evil").write_bytes(evil)
    screen = terminal("run", "web-1", *flags, "--", f"cat {project}/evil; cat {project}/evil >&2")
    assert screen.end() == 0
    shown = screen.seen
    for sequence in (b"\x1b]0;", b"\x1bP", b"\x07", b"\xe2\x80\xae", b"\x9b"):
        assert sequence not in shown
    assert b"^[]0;owned^G" in shown
    assert b"\x1b[8mhidden" in shown
    for line in shown.split(b"\n"):
        if b"\x1b[8m" in line:
            assert line.rsplit(b"\x1b[8m", 1)[1].count(b"\x1b[0m") >= 1
    assert b"\\u202e" in shown
    assert b"next^Mover" in shown
    again = terminal("runs", "output", "last", "web-1")
    assert again.end() == 0
    assert b"\x1b]0;" not in again.seen
    assert b"^[]0;owned^G" in again.seen


def test_no_color_means_none(terminal: Any) -> None:
    screen = terminal("-q", "run", "web,dead", "--", "printf '\\033[31mred\\033[0m\\n'; exit 1", NO_COLOR="1")
    assert screen.end() == 3
    assert b"\x1b[" not in screen.seen
    assert "red" in screen.text
    screen = terminal("-q", "run", "web,dead", "--", "printf '\\033[31mred\\033[0m\\n'; exit 1")
    assert screen.end() == 3
    assert b"\x1b[31mred" in screen.seen
    for args in (("rum",), ("runs", "show", "last"), ("run", "web", "--diff", "--", "echo $FLEETCTL_HOST")):
        screen = terminal("-q", *args, NO_COLOR="1")
        screen.end()
        assert b"\x1b[" not in screen.seen


def test_the_meaning_is_never_by_colour_alone(terminal: Any) -> None:
    screen = terminal("run", "web-1", "--", "exit 3", NO_COLOR="1")
    assert screen.end() == 3
    assert "--- web-1  Failed, exit 3, no output" in screen.text


def test_a_question_is_answered_at_the_terminal(terminal: Any, project: Path) -> None:
    (project / "fleetctl.yaml").write_text("run: {confirm_above: 1}\n")
    screen = terminal("run", "web", "--", f"touch {project}/ran")
    screen.wait_for(b"Run this on 3 hosts? [y/N]")
    screen.type(b"n\n")
    assert screen.end() == 130
    assert not (project / "ran").exists()
    screen = terminal("run", "web", "--", f"touch {project}/ran")
    screen.wait_for(b"[y/N]")
    screen.type(b"y\n")
    assert screen.end() == 0
    assert (project / "ran").exists()


def test_ctrl_c_at_the_terminal_is_told_in_the_live_view(terminal: Any, tmp_path: Path) -> None:
    screen = terminal("run", "web", "--", f"until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo done")
    screen.wait_for(b"3 running")
    os.kill(screen.pid, signal.SIGINT)
    screen.wait_for(b"interrupted: no new host is started")
    (tmp_path / "go").touch()
    assert screen.end() == 130
    assert "--- web-[1-3] (3)  Success\ndone\n" in screen.text


def test_a_secret_in_the_command_is_not_drawn(terminal: Any, tmp_path: Path) -> None:
    screen = terminal(
        "run",
        "web",
        "--secret",
        "TOKEN",
        "--",
        f"until [ -e {tmp_path}/go ]; do sleep 0.05; done; : hunter2long",
        TOKEN="hunter2long",
    )
    screen.wait_for(b"3 running")
    (tmp_path / "go").touch()
    assert screen.end() == 0
    assert b"hunter2long" not in screen.seen


def test_a_table_is_cut_at_the_edge_of_the_screen_and_only_there(terminal: Any, fleetctl: Any) -> None:
    fleetctl("run", "web-1", "--", "true " + "x" * 300)
    screen = terminal("runs", "list")
    assert screen.end() == 0
    assert all(len(line) <= 120 for line in screen.text.splitlines())
