"""The live view of a run: counts by state, rate, the slowest hosts, and errors as they come. For a terminal only."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from fleetctl.cli.terminal import safe
from fleetctl.cli.wave_lines import clock, wave_line
from fleetctl.engine.events import (
    Baking,
    Event,
    GateChecked,
    HostBack,
    HostConnecting,
    HostEnded,
    HostRebooting,
    HostStarted,
    Note,
    RunStarted,
    WaveEnded,
    WaveStarted,
)
from fleetctl.model import Outcome, Status

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["LiveView"]

_STYLES = {
    Status.SUCCESS: "green",
    Status.FAILED: "red",
    Status.TIMED_OUT: "red",
    Status.UNDELIVERABLE: "magenta",
    Status.UNKNOWN: "yellow",
    Status.TERMINATED: "yellow",
    Status.CANCELLED: "yellow",
    Status.SKIPPED: "cyan",
}


class LiveView:
    """Observes a run and draws it, four times a second, on a rich console.

    Args:
        console: where to draw; stderr's.
        title: of the run.
    """

    def __init__(self, console: Console, *, title: str) -> None:
        self._console = console
        self._title = title
        self._total = 0
        self._begun = time.monotonic()
        self._counts: Counter[Status] = Counter()
        self._connecting: dict[str, float] = {}
        self._running: dict[str, float] = {}
        self._rebooting: dict[str, float] = {}
        self._errors: deque[Outcome] = deque(maxlen=5)
        self._notes: deque[str] = deque(maxlen=3)
        self._wave = ""
        self._baked: float | None = None
        self._live: Any = None

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Draw nothing within: somebody is asked something at the same terminal. May be called from a thread."""
        self._live.stop()
        try:
            yield
        finally:
            self._draw()

    def _draw(self) -> None:
        from rich.live import Live  # noqa: PLC0415 - only where somebody looks

        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        now = time.monotonic()
        if isinstance(event, RunStarted):
            self._total, self._begun = len(event.hosts), now
        elif isinstance(event, HostConnecting | HostStarted | HostRebooting | HostBack):
            self._take_host(event, now)
        elif isinstance(event, HostEnded):
            outcome = event.outcome
            for hosts in (self._connecting, self._running, self._rebooting):
                hosts.pop(outcome.host, None)
            self._counts[outcome.status] += 1
            if outcome.status not in {Status.SUCCESS, Status.SKIPPED, Status.TERMINATED}:
                self._errors.append(outcome)
        elif isinstance(event, Note):
            self._notes.append(event.text)
        else:
            self._take_wave(event, now)

    def _take_host(self, event: HostConnecting | HostStarted | HostRebooting | HostBack, now: float) -> None:
        name = event.host.name
        if isinstance(event, HostConnecting):
            # A host that reboots, or was lost, is connected to again and again; it stays what it is.
            if name not in self._running and name not in self._rebooting:
                self._connecting.setdefault(name, now)
            return
        for hosts in (self._connecting, self._running, self._rebooting):
            hosts.pop(name, None)
        (self._rebooting if isinstance(event, HostRebooting) else self._running)[name] = now

    def _take_wave(self, event: Event, now: float) -> None:
        if isinstance(event, WaveStarted):
            many = f"{len(event.hosts)} host{'s' if len(event.hosts) != 1 else ''}"
            self._wave, self._baked = f"wave {event.number}/{event.of} · {many}", None
        elif isinstance(event, Baking):
            self._baked = now + event.seconds
        elif isinstance(event, WaveEnded | GateChecked):
            self._baked = None
            self._stay(event)

    def _stay(self, event: WaveEnded | GateChecked) -> None:
        """Write a line above the drawing, where it stays when the run is over: what was done, and what a gate said."""
        from rich.text import Text  # noqa: PLC0415

        red = isinstance(event, GateChecked) and not event.green
        self._console.print(Text(safe(wave_line(event) or "", colour=False), style="red" if red else ""))

    def render(self) -> RenderableType:
        """Draw the present state."""
        from rich.console import Group  # noqa: PLC0415
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        done = self._counts.total()
        passed = time.monotonic() - self._begun
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(safe(" ".join(self._title.split())), style="bold", overflow="ellipsis", no_wrap=True),
            ProgressBar(
                total=max(1, self._total),
                completed=done,
                width=30,
                complete_style="cyan",
                finished_style="cyan",
            ),
            Text(f"{done}/{self._total}"),
            Text(f"{passed:.0f} s"),
            Text(f"{done / passed:.0f}/s" if passed > 1 else ""),
        )
        return Group(
            head, *self._waves(), self._states(), *self._slowest(), *self._recent_errors(), *self._said()
        )

    def _waves(self) -> list[RenderableType]:
        from rich.text import Text  # noqa: PLC0415

        left = "" if self._baked is None else f" · baking {clock(self._baked - time.monotonic())} left"
        return [Text(self._wave + left, style="bold")] if self._wave else []

    def _states(self) -> RenderableType:
        from rich.text import Text  # noqa: PLC0415

        busy = len(self._connecting) + len(self._running) + len(self._rebooting)
        waiting = self._total - self._counts.total() - busy
        parts = [
            (f"{waiting} waiting", "dim"),
            (f"{len(self._connecting)} connecting", "blue"),
            (f"{len(self._running)} running", "cyan"),
            (f"{len(self._rebooting)} rebooting", "cyan"),
        ]
        parts += [
            (f"{count} {status.value}", _STYLES.get(status, ""))
            for status, count in self._counts.most_common()
        ]
        return Text("  ").join(Text(text, style=style) for text, style in parts if not text.startswith("0 "))

    def _slowest(self) -> list[RenderableType]:
        from rich.text import Text  # noqa: PLC0415

        now = time.monotonic()
        busy = [*self._running.items(), *self._connecting.items(), *self._rebooting.items()]
        oldest = sorted(busy, key=lambda item: item[1])[:3]
        slow = [f"{safe(name)} {now - since:.0f} s" for name, since in oldest if now - since >= 2]
        return (
            [Text("slowest: " + ", ".join(slow), style="dim", no_wrap=True, overflow="ellipsis")]
            if slow
            else []
        )

    def _recent_errors(self) -> list[RenderableType]:
        from rich.text import Text  # noqa: PLC0415

        return [
            Text.assemble(
                (f"{o.status.value}[{o.reason or ''}] ", _STYLES.get(o.status, "")),
                (o.host, "bold"),
                f": {safe(o.message)}",
                no_wrap=True,
                overflow="ellipsis",
            )
            for o in tuple(self._errors)  # drawn by a thread of its own, while more may come
        ]

    def _said(self) -> list[RenderableType]:
        from rich.text import Text  # noqa: PLC0415

        return [Text(f"! {note}", style="yellow") for note in tuple(self._notes)]
