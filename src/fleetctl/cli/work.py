"""Carry out a run at the terminal: the live view, plain lines, Ctrl-C once and twice."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fleetctl.cli.wave_lines import wave_line
from fleetctl.engine.control import Control
from fleetctl.engine.events import Event, HostConnecting, HostEnded, HostStarted, Note, Observer

if TYPE_CHECKING:
    from fleetctl.cli.app import App
    from fleetctl.cli.live import LiveView
    from fleetctl.cli.options import WorkOptions
    from fleetctl.engine.order import RunResult
    from fleetctl.engine.task import Task
    from fleetctl.engine.work import Work
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host

__all__ = ["carry_out", "fan_out", "order_terms"]

# Seconds in which hosts may kill what runs; whoever presses Ctrl-C after that wants to leave.
_PATIENCE = 5.0


def carry_out(
    app: App,
    start: Callable[[Sequence[Observer], Control], Coroutine[Any, Any, RunResult]],
    *,
    title: str,
    observers: Sequence[Observer] = (),
    draw: bool = True,
    lasting: bool = False,
) -> RunResult:
    """Run something that fans out, show how it goes, and take Ctrl-C.

    The first Ctrl-C (or SIGTERM) starts no new host and lets running ones finish; the second kills what runs, or lets go of it where it
    is detached. Both end with a report and a ledger that can be resumed. A third one, when killing takes too long, leaves at once.
    A terminal that goes away (SIGHUP) lets go of detached jobs at once.

    Args:
        app: the shared flags.
        start: given observers and control, returns the coroutine of the run.
        title: of the live view.
        observers: further ones, such as what prints output as it comes.
        draw: whether a live view may be drawn; not beside lines that are printed as they come.
        lasting: whether what runs is detached: it goes on when it is let go of.
    """
    control = Control()
    view = _view(app, title) if draw else None
    with contextlib.ExitStack() as stack:
        tell: Observer = _notes(app)
        if view is not None:
            tell = stack.enter_context(view)
            app.aside = view.aside
            stack.callback(setattr, app, "aside", contextlib.nullcontext)
        work = start([tell, *observers], control)
        return asyncio.run(_with_signals(work, control, tell, lasting=lasting))


def fan_out(
    app: App,
    fleet: Fleet,
    task: Task,
    hosts: Sequence[Host],
    *,
    work: WorkOptions,
    title: str,
    observers: Sequence[Observer] = (),
    draw: bool = True,
    record: Work | None = None,
    **order: Any,
) -> RunResult:
    """Run a task on hosts, as the shared flags say, and show how it goes.

    Args:
        app: the shared flags.
        fleet: the project.
        task: what each host's share is.
        hosts: in the run's order.
        work: how fast, and how hosts are reached.
        title: of the live view.
        observers: as `carry_out` takes them.
        draw: as `carry_out` takes it.
        record: how to make the task again on another day.
        **order: as `Fleet.fan_out` takes them.
    """
    lasting = bool(order.get("detached"))
    terms = order_terms(app, fleet, work=work, title=title, observers=observers, draw=draw, lasting=lasting)
    return fleet.carry_out(task, hosts, **{**terms, **order, "work": record})


def order_terms(
    app: App,
    fleet: Fleet,
    *,
    work: WorkOptions,
    title: str,
    observers: Sequence[Observer] = (),
    draw: bool = True,
    lasting: bool = False,
) -> dict[str, Any]:
    """Return what the shared flags say, and the terminal, as the calls of `Fleet` that work on hosts take them among their options.

    Args:
        app: the shared flags.
        fleet: the project.
        work: how fast, and how hosts are reached.
        title: of the live view.
        observers: as `carry_out` takes them.
        draw: as `carry_out` takes it.
        lasting: as `carry_out` takes it.
    """
    through = functools.partial(carry_out, app, title=title, observers=observers, draw=draw, lasting=lasting)
    return {
        "limits": work.limits(fleet),
        "transport": work.transport_options(fleet),
        "reach": work.reach(fleet),
        "through": through,
    }


def _view(app: App, title: str) -> LiveView | None:
    if app.quiet or not sys.stderr.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415 - only where somebody looks

    from fleetctl.cli.live import LiveView  # noqa: PLC0415

    return LiveView(Console(stderr=True), title=title)


def _leave() -> NoReturn:
    """End at once: hosts do not answer, and the operator will not wait. The ledger is as good as after `kill -9`."""
    with contextlib.suppress(OSError):
        click.echo("\x1b[?25h" * sys.stderr.isatty() + "left at once: what runs on hosts may go on", err=True)
    os._exit(130)


def _notes(app: App) -> Observer:
    """Tell notes as plain lines; with `-v` also how each host ended, with `-vv` every step of it."""
    done = 0

    def observe(event: Event) -> None:
        nonlocal done
        if isinstance(event, Note):
            app.note(event.text)
        elif isinstance(event, HostEnded):
            done += 1
            if app.verbose:
                outcome = event.outcome
                app.note(f"{done}: {outcome.host} {outcome.status_details} {outcome.message}".rstrip())
        elif app.verbose > 1 and isinstance(event, HostConnecting):
            app.note(f"{event.host.name} connecting" + (f", attempt {event.attempt}" * (event.attempt > 1)))
        elif app.verbose > 1 and isinstance(event, HostStarted):
            app.note(f"{event.host.name} started")
        elif (line := wave_line(event)) is not None:
            app.note(line)

    return observe


async def _with_signals(
    work: Coroutine[Any, Any, RunResult], control: Control, tell: Observer, *, lasting: bool
) -> RunResult:
    loop = asyncio.get_running_loop()
    since = 0.0

    def interrupt(*, gone: bool = False) -> None:
        nonlocal since
        if lasting and (gone or control.stopping) and not control.leaving:
            control.leave()
            since = loop.time()
            text = "let go of what runs: it goes on there; collect it with: fleetctl runs attach last"
        elif not control.stopping:
            control.stop()
            then = "let go of them" if lasting else "kill them"
            text = f"interrupted: no new host is started, running ones may finish; again to {then}"
        elif not control.cancelled and not lasting:
            control.cancel()
            since = loop.time()
            text = "interrupted again: killing what runs"
        elif loop.time() - since > _PATIENCE:
            _leave()
        else:
            return
        with contextlib.suppress(OSError):  # the terminal may be what went away
            tell(Note(text))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    loop.add_signal_handler(signal.SIGHUP, lambda: interrupt(gone=True))
    # What start-up made lives to the end: the collector need not look at it again and again during the fan-out.
    gc.collect()
    gc.freeze()
    return await work
