"""Flags of waves and gates, what is said of them, and the question between waves."""

from __future__ import annotations

import os
import pty
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fleetctl.cli.app import App
from fleetctl.cli.wave_lines import clock, wave_line
from fleetctl.cli.waves import WaveOptions, asker, describe_waves, wave_options
from fleetctl.engine.budget import Quota
from fleetctl.engine.events import Baking, GateChecked, Note, WaveEnded, WaveStarted
from fleetctl.engine.gate_http import HttpGate
from fleetctl.engine.gate_local import LocalGate
from fleetctl.engine.gates import HostsGate
from fleetctl.engine.rollout import Rollout
from fleetctl.errors import BudgetError, UsageError
from fleetctl.model import Host, Outcome, Status


def parsed(*args: str) -> Rollout | None:
    """Return what a command with these flags would do."""
    found: list[Rollout | None] = []

    @click.command()
    @wave_options
    def command(waves: WaveOptions) -> None:
        found.append(waves.rollout())

    done = CliRunner().invoke(command, args)
    if done.exception is not None:
        raise done.exception
    return found[0]


def refused(*args: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parsed(*args)
    return caught.value


def test_without_flags_a_run_does_not_go_in_waves() -> None:
    assert parsed() is None


def test_waves_alone_wait_for_nothing() -> None:
    assert parsed("--waves", "1,100%") == Rollout(waves=(Quota(1), Quota(100, percent=True)))


def test_everything_that_is_written_is_in_the_rollout() -> None:
    rollout = parsed(
        "--waves=1,100%", "--spread-by=zone", "--gate=true", "--gate", "id -u", "--gate-local=./smoke.sh",
        "--gate-http=http://a/", "--gate-http=http://b/", "--gate-http-status=204", "--gate-http-body=/up/",
        "--gate-timeout=2m", "--gate-retries=3", "--gate-interval=0.5", "--bake=1h30m", "--pause",
    )  # fmt: skip
    assert rollout == Rollout(
        waves=(Quota(1), Quota(100, percent=True)),
        spread_by="zone",
        gates=(
            HostsGate("true"),
            HostsGate("id -u"),
            LocalGate("./smoke.sh", str(Path.cwd())),
            HttpGate(url="http://a/", statuses=((204, 204),), body="/up/"),
            HttpGate(url="http://b/", statuses=((204, 204),), body="/up/"),
        ),
        bake=5400.0,
        pause=True,
        gate_seconds=120.0,
        gate_retries=3,
        gate_interval=0.5,
    )


@pytest.mark.parametrize(
    "flag",
    [
        "--gate=x",
        "--gate-local=x",
        "--gate-http=http://a/",
        "--bake=5m",
        "--pause",
        "--spread-by=zone",
        "--gate-retries=2",
        "--gate-timeout=9",
        "--gate-http-body=x",
    ],
)
def test_what_says_nothing_without_waves_is_refused_with_an_example(flag: str) -> None:
    error = refused(flag)
    assert error.message == f"{flag.partition('=')[0]} says nothing without --waves"
    assert "--waves 1,10%,100%" in (error.hint or "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--gate-http-status=200"], "--gate-http-status says nothing without --gate-http"),
        (["--gate-http-body=x", "--gate=x"], "--gate-http-body says nothing without --gate-http"),
        (["--gate-retries=2"], "--gate-retries says nothing without a gate"),
        (["--gate-interval=2"], "--gate-interval says nothing without a gate"),
        (["--gate="], "--gate: nothing is written"),
        (["--gate-local= "], "--gate-local: nothing is written"),
        (["--spread-by="], "--spread-by: nothing is written"),
        (["--bake=soon"], "--bake: 'soon' is no duration"),
        (["--gate=x", "--gate-timeout=0"], "--gate-timeout: '0' is too short"),
        (["--gate-http=app"], "--gate-http: 'app' is no http or https URL"),
        (["--gate-http=http://a/", "--gate-http-status=ok"], "--gate-http-status: 'ok' is no HTTP status"),
    ],
)
def test_what_cannot_be_meant_is_refused(flags: list[str], message: str) -> None:
    assert refused("--waves=1,100%", *flags).message == message


def test_waves_that_leave_hosts_out_are_refused_and_mended() -> None:
    error = refused("--waves", "1,10%")
    assert isinstance(error, BudgetError)
    assert error.hint == "write --waves 1,10%,100%"


def test_a_dry_run_shows_the_hosts_of_each_wave_and_what_is_between() -> None:
    rollout = parsed("--waves=1,50%,100%", "--bake=5m", "--gate=true", "--pause")
    assert rollout is not None
    assert describe_waves(rollout, [Host(name=f"web-{number}") for number in range(1, 11)]) == [
        "wave 1/3: 1 host: web-1",
        "wave 2/3: 4 hosts: web-[2-5]",
        "wave 3/3: 5 hosts: web-[6-10]",
        "between waves: wait 5m, gate 'hosts: true', ask (gates after the last one too)",
    ]
    plain = parsed("--waves=100%")
    assert plain is not None
    assert describe_waves(plain, [Host(name="a")]) == ["wave 1/1: 1 host: a"]


HOSTS = tuple(Host(name=f"web-{number:03}") for number in range(1, 10))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (WaveStarted(2, 4, HOSTS), "wave 2/4: 9 hosts: web-[001-009]"),
        (WaveStarted(1, 4, HOSTS[:1]), "wave 1/4: 1 host: web-001"),
        (
            WaveEnded(
                2,
                4,
                tuple(
                    Outcome(host=h.name, status=Status.FAILED if h is HOSTS[3] else Status.SUCCESS)
                    for h in HOSTS
                ),
            ),
            "wave 2/4 ended: 8 Success, 1 Failed",
        ),
        (Baking(2, 300.0), "wave 2: waiting 5m before the next"),
        (
            GateChecked(2, "hosts: true", green=True, message="ok on 9 hosts"),
            "wave 2: gate green: hosts: true: ok on 9 hosts",
        ),
        (
            GateChecked(2, "local: x", green=False, message="exit code 1"),
            "wave 2: gate RED: local: x: exit code 1",
        ),
        (Note("x"), None),
    ],
)
def test_each_event_of_a_wave_is_one_line(event: Any, line: str | None) -> None:
    assert wave_line(event) == line


def test_thousands_of_odd_names_do_not_fill_the_screen() -> None:
    odd = tuple(Host(name=f"{name}x") for name in ("a" * 30, "b" * 30, "c" * 30, "d" * 30, "e" * 30))
    assert len(wave_line(WaveStarted(1, 2, odd)) or "") < 160


@pytest.mark.parametrize(
    ("seconds", "text"), [(272, "4:32"), (3872, "1:04:32"), (0.4, "0:00"), (-5, "0:00"), (59.6, "1:00")]
)
def test_time_left_is_shown_as_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Put a terminal in the place of stdin and stderr; yields the end of the person."""
    person, program = pty.openpty()
    stdin = TextIOWrapper(os.fdopen(os.dup(program), "rb"))
    stderr = TextIOWrapper(os.fdopen(os.dup(program), "wb", 0), write_through=True)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdin", stdin)
        patched.setattr("sys.stderr", stderr)
        yield person
    stdin.close()
    stderr.close()
    os.close(program)
    os.close(person)


def answered(monkeypatch: pytest.MonkeyPatch, typed: bytes) -> tuple[Any, bytes]:
    with terminal(monkeypatch) as person:
        ask = asker(App())
        assert ask is not None
        os.write(person, typed)
        answer = ask("wave 1/2 is done. Begin wave 2/2?")
        shown = b""
        while b"[y/N]: " not in shown and select.select([person], [], [], 20)[0]:
            shown += os.read(person, 4096)
        return answer, shown


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (b"y\n", True),
        (b"YES\n", True),
        (b"n\n", False),
        (b"no\n", False),
        (b"\n", False),
        (b"what\ny\n", True),
        (b"\x04", None),
    ],
)
def test_the_operator_answers_at_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
    typed: bytes,
    answer: bool | None,
) -> None:
    found, shown = answered(monkeypatch, typed)
    assert found is answer
    assert b"Begin wave 2/2? [y/N]: " in shown


def test_without_a_terminal_there_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert asker(App()) is None


def test_a_terminal_that_goes_away_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    person, program = pty.openpty()
    with TextIOWrapper(os.fdopen(program, "rb")) as stdin, monkeypatch.context() as patched:
        patched.setattr("sys.stdin", stdin)
        patched.setattr("sys.stderr.isatty", lambda: True)
        ask = asker(App())
        assert ask is not None
        found: list[bool | None] = []
        asking = threading.Thread(target=lambda: found.append(ask("go on?")))
        asking.start()
        os.close(person)
        asking.join(20)
    assert found == [None]
