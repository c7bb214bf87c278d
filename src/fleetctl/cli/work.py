"""Carry out a run at the terminal: the live view, plain lines, Ctrl-C once and twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from fleetctl.engine.control import Control
from fleetctl.engine.events import Event, Note, Observer

if TYPE_CHECKING:
    from fleetctl.cli.app import App
    from fleetctl.engine.order import RunResult

__all__ = ["carry_out"]


def carry_out(
    app: App,
    start: Callable[[Sequence[Observer], Control], Coroutine[Any, Any, RunResult]],
    *,
    title: str,
    observers: Sequence[Observer] = (),
    draw: bool = True,
) -> RunResult:
    """Run something that fans out, show how it goes, and take Ctrl-C.

    The first Ctrl-C (or SIGTERM) starts no new host and lets running ones finish; the second kills what runs. Both end with a
    report and a ledger that can be resumed.

    Args:
        app: the shared flags.
        start: given observers and control, returns the coroutine of the run.
        title: of the live view.
        observers: further ones, such as what prints output as it comes.
        draw: whether a live view may be drawn; not beside lines that are printed as they come.
    """
    control = Control()
    view = _view(app, title) if draw else None
    with contextlib.ExitStack() as stack:
        shown: list[Observer] = [stack.enter_context(view)] if view is not None else [_notes(app)]
        return asyncio.run(_with_signals(start([*shown, *observers], control), control, app))


def _view(app: App, title: str) -> AbstractContextManager[Observer] | None:
    if app.quiet or not sys.stderr.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415 - only where somebody looks

    from fleetctl.cli.live import LiveView  # noqa: PLC0415

    return LiveView(Console(stderr=True), title=title)


def _notes(app: App) -> Observer:
    def observe(event: Event) -> None:
        if isinstance(event, Note):
            app.note(event.text)

    return observe


async def _with_signals(work: Coroutine[Any, Any, RunResult], control: Control, app: App) -> RunResult:
    loop = asyncio.get_running_loop()
    presses = 0

    def interrupt() -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            control.stop()
            app.note("interrupted: no new host is started, running ones may finish; again to kill them")
        else:
            control.cancel()
            click.echo("interrupted again: killing what runs", err=True)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    # What start-up made lives to the end: the collector need not look at it again and again during the fan-out.
    gc.collect()
    gc.freeze()
    return await work
