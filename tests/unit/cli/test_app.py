"""What all commands are given."""

from __future__ import annotations

import pytest

from fleetctl.cli.app import App


def test_a_note_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    App().note("web-1 said: \x1b]0;owned\x07\x1b[2J")
    assert capsys.readouterr().err == "web-1 said: ^[]0;owned^G^[[2J\n"


def test_quiet_means_no_notes(capsys: pytest.CaptureFixture[str]) -> None:
    App(quiet=True).note("x")
    assert capsys.readouterr().err == ""
