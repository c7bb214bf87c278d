"""`fleetctl runs gc`: what detached jobs left on hosts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, output_options, work_options, yes_option
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.run.leftovers import LeftoversTask

__all__ = ["gc"]

EPILOG = """\
A detached job's directory is removed as soon as its result is here. What a lost controller left is listed by this: running;
ended, with a result that may not have been collected; lost, with none; never-started; incomplete, cut off while it was laid
out. Collect results first: fleetctl runs attach RUN. Without --remove, nothing is changed.

Jobs belong to the user that they ran as: look with --become for root's.

Examples:
  fleetctl runs gc all --become
  fleetctl runs gc all --become --format json
  fleetctl runs gc web --become --remove                what is over and older than a day
  fleetctl runs gc web-03 --become --remove --older-than 0 --kill
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.option("-b", "--become/--no-become", default=None, help="Jobs of root, or of the login user.")
@click.option("--become-user", metavar="NAME", help="Jobs of this user.")
@click.option("--remove", is_flag=True, help="Remove what does not run; asks first.")
@click.option("--kill", is_flag=True, help="With --remove: also end what runs, and remove it.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="With --remove: leave alone what was started later.",
)
@output_options("table", "json", "jsonl", "yaml", "csv")
@work_options
@yes_option
@pass_app
def gc(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """List what detached jobs left on TARGETS, and clear it away."""
    from fleetctl.cli.result import leave  # noqa: PLC0415
    from fleetctl.run.command import BecomeRule  # noqa: PLC0415
    from fleetctl.run.leftovers import LeftoversTask, leftover_rows  # noqa: PLC0415

    if given["kill"] and not given["remove"]:
        raise UsageError("--kill goes with --remove", hint="fleetctl runs gc TARGETS --remove --kill")
    begun = time.monotonic()
    fleet = app.fleet()
    hosts = work.hosts(fleet, targets)
    rule = BecomeRule(
        wanted=given["become"] or (True if given["become_user"] else given["become"]),
        user=given["become_user"],
    )
    result = _carry_out(app, fleet, hosts, LeftoversTask(become=rule), work=work, targets=targets)
    rows = leftover_rows(result.outcomes)
    chosen = (
        _chosen(rows, older_than=given["older_than"] * 3600, kill=given["kill"]) if given["remove"] else {}
    )
    if chosen:
        _ask(app, rows, chosen, yes=given["yes"])
        task = LeftoversTask(become=rule, chosen=chosen, kill=given["kill"])
        some = [host for host in hosts if host.name in chosen]
        result = _carry_out(app, fleet, some, task, work=work, targets=targets)
        rows = leftover_rows(result.outcomes)
    _show(app, rows, result, given["format_"], given["output"], seconds=time.monotonic() - begun)
    leave(result)


def _carry_out(
    app: App, fleet: Fleet, hosts: Sequence[Host], task: LeftoversTask, *, work: WorkOptions, targets: str
) -> RunResult:
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.run.leftovers import DOCUMENT  # noqa: PLC0415

    return fan_out(
        app,
        fleet,
        task,
        hosts,
        work=work,
        title=f"detached jobs on {targets}",
        name=DOCUMENT,
        parameters={"Operation": "Remove" if task.chosen else "List"},
        selector=targets,
    )


def _chosen(rows: Sequence[dict[str, Any]], *, older_than: float, kill: bool) -> dict[str, tuple[str, ...]]:
    """Choose what is over and old enough; what was never started has no age, and holds nothing."""
    chosen: dict[str, tuple[str, ...]] = {}
    for row in rows:
        age = row["AgeSeconds"]
        old = age is None or age >= older_than
        if old and (kill or row["State"] != "running"):
            chosen[row["InstanceId"]] = (*chosen.get(row["InstanceId"], ()), row["JobId"])
    return chosen


def _ask(app: App, rows: Sequence[dict[str, Any]], chosen: dict[str, tuple[str, ...]], *, yes: bool) -> None:
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415

    count = sum(map(len, chosen.values()))
    running = sum(
        row["State"] == "running" and row["JobId"] in chosen.get(row["InstanceId"], ()) for row in rows
    )
    if not yes and not app.yes:
        _table(rows)
    killed = f", and end {running} that run" if running else ""
    confirm(f"Remove {count} jobs with their output on {len(chosen)} hosts{killed}?", yes=yes)


def _show(
    app: App,
    rows: Sequence[dict[str, Any]],
    result: RunResult,
    format_: str,
    output: Path | None,
    *,
    seconds: float,
) -> None:
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415

    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415
        from fleetctl.run.leftovers import COLUMNS  # noqa: PLC0415

        write(Telling(data=rows, rows=rows, columns=COLUMNS), format_, output)
    elif rows:
        _table(rows, output)
    else:
        app.note("detached jobs left nothing there")
    show_problems(result.report["Invocations"])
    if not app.quiet:
        show_summary(result.report, seconds=seconds)


def _table(rows: Sequence[dict[str, Any]], output: Path | None = None) -> None:
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.spec.size import tell_size  # noqa: PLC0415

    print_table(
        ("HOST", "JOB", "STATE", "AGE", "SIZE", "END", "ACTION"),
        [
            (
                row["InstanceId"],
                row["JobId"],
                row["State"],
                _age(row["AgeSeconds"]),
                tell_size(row["Bytes"]),
                str(row.get("Signal", row.get("ExitCode", "-"))),
                row["Action"],
            )
            for row in rows
        ],
        output=output,
    )


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
