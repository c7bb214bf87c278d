"""Flags of commands that can go on in waves, and the question between them."""

from __future__ import annotations

import functools
import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.cli.app import App
    from fleetctl.engine.gates import Gate
    from fleetctl.engine.rollout import Rollout
    from fleetctl.model import Host

__all__ = ["WAVES_EPILOG", "WaveOptions", "asker", "describe_waves", "wave_options"]

F = TypeVar("F", bound=Callable[..., Any])

WAVES_EPILOG = """\
Waves (docs/how-to/roll-out-in-waves.md): --waves says how many hosts are done after each; a red gate stops the run with exit code 7,
and 'fleetctl runs resume' goes on with the next wave.

  fleetctl run web --waves 1,10%,100% --gate 'systemctl is-active app' -- systemctl restart app
  fleetctl run web --waves 1,50%,100% --bake 5m --gate-http https://app.example.net/health -- ./deploy v1.2.3
  fleetctl run all --waves 5%,100% --spread-by zone --pause -- apt-get -y upgrade
"""

_NEEDS: Final = "write --waves 1,10%,100% : one host, then a tenth of all, then the rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveOptions:
    """How a run goes on in waves, as it was written."""

    waves: str | None
    spread_by: str | None
    gate: tuple[str, ...]
    gate_local: tuple[str, ...]
    gate_http: tuple[str, ...]
    gate_http_status: str | None
    gate_http_body: str | None
    gate_timeout: str | None
    gate_retries: int | None
    gate_interval: str | None
    bake: str | None
    pause: bool

    def rollout(self) -> Rollout | None:
        """Return waves and gates, or None where the run is not to go in waves.

        Raises:
            UsageError: a flag cannot be read, or says nothing without another.
        """
        if self.waves is None:
            given = [
                name for field in fields(self) if getattr(self, name := field.name) not in (None, (), False)
            ]
            if given:
                flag = given[0].replace("_", "-")
                raise UsageError(f"--{flag} says nothing without --waves", hint=_NEEDS)
            return None
        from fleetctl.engine.rollout import Rollout  # noqa: PLC0415
        from fleetctl.engine.waves import parse_waves  # noqa: PLC0415

        return Rollout(
            waves=parse_waves(self.waves),
            spread_by=_something(self.spread_by, "--spread-by") if self.spread_by is not None else None,
            gates=self._gates(),
            bake=_seconds(self.bake, "--bake", otherwise=0.0),
            pause=self.pause,
            gate_seconds=_seconds(self.gate_timeout, "--gate-timeout", otherwise=60.0, least=0.1),
            gate_retries=self.gate_retries or 0,
            gate_interval=_seconds(self.gate_interval, "--gate-interval", otherwise=5.0),
        )

    def _gates(self) -> tuple[Gate, ...]:
        from fleetctl.engine.gate_http import HttpGate, parse_statuses  # noqa: PLC0415
        from fleetctl.engine.gate_local import LocalGate  # noqa: PLC0415
        from fleetctl.engine.gates import HostsGate  # noqa: PLC0415

        asks = {"--gate-http-status": self.gate_http_status, "--gate-http-body": self.gate_http_body}
        for flag, value in asks.items():
            if value is not None and not self.gate_http:
                raise UsageError(f"{flag} says nothing without --gate-http", hint="add --gate-http URL")
        patient = {"--gate-timeout": self.gate_timeout, "--gate-retries": self.gate_retries}
        if not (self.gate or self.gate_local or self.gate_http):
            for flag, wait in {**patient, "--gate-interval": self.gate_interval}.items():
                if wait is not None:
                    raise UsageError(f"{flag} says nothing without a gate", hint="add --gate 'COMMAND'")
        extra: dict[str, Any] = {}
        if self.gate_http_status is not None:
            extra["statuses"] = parse_statuses(self.gate_http_status)
        if self.gate_http_body is not None:
            extra["body"] = _something(self.gate_http_body, "--gate-http-body")
        here = _here()
        return (
            *(HostsGate(_something(command, "--gate")) for command in self.gate),
            *(LocalGate(_something(command, "--gate-local"), here) for command in self.gate_local),
            *(HttpGate(url=url, **extra) for url in self.gate_http),
        )


def _here() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - text, as a gate keeps it
    except OSError:  # the folder was removed under us
        return None


def _something(text: str, flag: str) -> str:
    if not text.strip():
        raise UsageError(f"{flag}: nothing is written")
    return text


def _seconds(text: str | None, flag: str, *, otherwise: float, least: float = 0.0) -> float:
    if text is None:
        return otherwise
    from fleetctl.spec.duration import parse_duration  # noqa: PLC0415

    seconds = parse_duration(text, name=flag)
    if seconds < least:
        raise UsageError(f"{flag}: '{text}' is too short", hint=f"write at least {least:g}")
    return seconds


_OPTIONS: Final[list[Callable[[F], F]]] = [
    click.option(
        "--waves",
        metavar="LIST",
        help="Go on in waves: hosts or percentages that are done after each, as in 1,10%,50%,100%.",
    ),
    click.option(
        "--spread-by",
        metavar="WHAT",
        help="Balance each wave over zone, group, patch-group, os, or the values of a tag.",
    ),
    click.option(
        "--gate",
        multiple=True,
        metavar="COMMAND",
        help="After each wave, run this on its hosts that succeeded; if it fails on one, stop. May be repeated.",
    ),
    click.option(
        "--gate-local",
        multiple=True,
        metavar="COMMAND",
        help="After each wave, run this here; if it fails, stop. May be repeated.",
    ),
    click.option(
        "--gate-http",
        multiple=True,
        metavar="URL",
        help="After each wave, get this page; if it is not well, stop. May be repeated.",
    ),
    click.option(
        "--gate-http-status", metavar="LIST", help="What --gate-http takes: 200,204 or 2xx.  [default: 2xx]"
    ),
    click.option(
        "--gate-http-body",
        metavar="TEXT",
        help="What --gate-http must find in the page; /.../ is a regular expression.",
    ),
    click.option("--gate-timeout", metavar="DURATION", help="For one check of a gate.  [default: 60s]"),
    click.option(
        "--gate-retries",
        type=click.IntRange(0, 10_000),
        metavar="N",
        help="Ask a red gate again this often: services need time to come up.  [default: 0]",
    ),
    click.option("--gate-interval", metavar="DURATION", help="Wait this long before that.  [default: 5s]"),
    click.option(
        "--bake", metavar="DURATION", help="Wait this long between waves, before the gates: 90s, 5m, 1h30m."
    ),
    click.option(
        "--pause",
        is_flag=True,
        help="Ask between waves, also with --yes; without a terminal, stop until 'runs resume'.",
    ),
]


def wave_options(function: F) -> F:
    """Add every flag of going on in waves; the command gets them as one parameter `waves: WaveOptions`."""
    names = [field.name for field in fields(WaveOptions)]

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        waves = WaveOptions(**{name: kwargs.pop(name) for name in names})
        return function(*args, waves=waves, **kwargs)

    decorated: Any = wrapper
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def describe_waves(rollout: Rollout, hosts: Sequence[Host]) -> list[str]:
    """Return what would happen, a line for each wave and one for what is between them: for a dry run, and before a question.

    Args:
        rollout: the waves.
        hosts: all of the run, in its order.
    """
    from fleetctl.hosts import fold  # noqa: PLC0415
    from fleetctl.spec.duration import tell_duration  # noqa: PLC0415

    waves = rollout.split(hosts)
    lines = []
    for number, wave in enumerate(waves, 1):
        many = f"{len(wave)} host{'s' if len(wave) != 1 else ''}"
        lines.append(f"wave {number}/{len(waves)}: {many}: {fold(host.name for host in wave)}")
    between = [f"wait {tell_duration(rollout.bake)}"] if rollout.bake else []
    between += [f"gate '{gate.name}'" for gate in rollout.gates]
    between += ["ask"] if rollout.pause else []
    if not between:
        return lines
    last = " (gates after the last one too)" if rollout.gates else ""
    return [*lines, f"between waves: {', '.join(between)}{last}"]


def asker(app: App) -> Callable[[str], bool | None] | None:
    """Return what asks the operator between waves, to be called in a thread; None where there is no terminal.

    It answers None when the terminal goes away. Nothing of Python's is locked while it waits, so that a run that is interrupted
    meanwhile can end.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(question: str) -> bool | None:
        with app.aside():
            while True:
                click.echo(f"{question} [y/N]: ", err=True, nl=False)
                line = _line(sys.stdin.fileno())
                if line is None:
                    click.echo("", err=True)
                    return None
                answer = line.strip().lower()
                if answer in {"y", "yes", "n", "no", ""}:
                    return answer in {"y", "yes"}
                click.echo("write y to go on, n to stop here", err=True)

    return ask


def _line(fd: int) -> str | None:
    """Read a line as the terminal hands it over, whole; None at the end of input."""
    data = b""
    try:
        while not data.endswith(b"\n"):
            select.select([fd], [], [])
            piece = os.read(fd, 1024)
            if not piece:
                return None
            data += piece
    except OSError:
        return None
    return data.decode(errors="replace")
