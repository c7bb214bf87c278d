"""What the live view draws of waves and reboots."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from fleetctl.cli import live
from fleetctl.cli.live import LiveView
from fleetctl.engine.events import (
    Baking,
    GateChecked,
    HostBack,
    HostConnecting,
    HostEnded,
    HostRebooting,
    HostStarted,
    RunStarted,
    WaveEnded,
    WaveStarted,
)
from fleetctl.model import Host, Outcome, Status

HOSTS = tuple(Host(name=f"web-{number}") for number in range(1, 10))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Hold the clock of the view; it goes on when the test says."""
    time = [1000.0]
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: time[0]))
    return time


class Screen:
    """A view, and what is on it."""

    def __init__(self) -> None:
        self.console = Console(file=StringIO(), width=100, force_terminal=False)
        self.view = LiveView(self.console, title="uptime")
        self.view(RunStarted("run", HOSTS))

    @property
    def drawn(self) -> str:
        with self.console.capture() as captured:
            self.console.print(self.view.render())
        return captured.get()

    @property
    def above(self) -> str:
        file = self.console.file
        assert isinstance(file, StringIO)
        return file.getvalue()


def test_a_run_without_waves_shows_none() -> None:
    assert "wave" not in Screen().drawn


def test_the_wave_and_its_hosts_are_shown() -> None:
    screen = Screen()
    screen.view(WaveStarted(2, 4, HOSTS))
    assert "wave 2/4 · 9 hosts\n" in screen.drawn
    screen.view(WaveStarted(3, 4, HOSTS[:1]))
    assert "wave 3/4 · 1 host\n" in screen.drawn


def test_what_is_left_of_a_bake_is_counted_down(now: list[float]) -> None:
    screen = Screen()
    screen.view(WaveStarted(2, 4, HOSTS))
    screen.view(Baking(2, 300.0))
    now[0] += 28
    assert "wave 2/4 · 9 hosts · baking 4:32 left\n" in screen.drawn
    screen.view(WaveStarted(3, 4, HOSTS))
    assert "baking" not in screen.drawn


def test_what_gates_said_stays_when_the_run_is_over() -> None:
    screen = Screen()
    screen.view(WaveStarted(2, 4, HOSTS))
    screen.view(WaveEnded(2, 4, tuple(Outcome(host=host.name, status=Status.SUCCESS) for host in HOSTS)))
    screen.view(Baking(2, 300.0))
    screen.view(GateChecked(2, "hosts: true", green=True, message="ok on 9 hosts"))
    assert "baking" not in screen.drawn
    screen.view(GateChecked(2, "local: x", green=False, message="exit code 1: \x1b[2Jboo [bold]"))
    assert screen.above.splitlines() == [
        "wave 2/4 ended: 9 Success",
        "wave 2: gate green: hosts: true: ok on 9 hosts",
        "wave 2: gate RED: local: x: exit code 1: ^[[2Jboo [bold]",
    ]


def test_a_host_that_reboots_is_shown_as_that_until_it_is_back() -> None:
    screen = Screen()
    for event in (HostStarted(HOSTS[0]), HostRebooting(HOSTS[0]), HostConnecting(HOSTS[0], 1)):
        screen.view(event)
    assert "8 waiting  1 rebooting" in screen.drawn
    screen.view(HostBack(HOSTS[0]))
    assert "8 waiting  1 running" in screen.drawn


def test_a_host_that_never_comes_back_is_not_left_rebooting() -> None:
    screen = Screen()
    for event in (HostStarted(HOSTS[0]), HostRebooting(HOSTS[0])):
        screen.view(event)
    screen.view(HostEnded(Outcome(host=HOSTS[0].name, status=Status.FAILED)))
    assert "rebooting" not in screen.drawn
    assert "8 waiting  1 Failed" in screen.drawn
