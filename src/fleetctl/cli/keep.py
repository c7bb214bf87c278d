"""`fleetctl runs ship` and `fleetctl runs prune`: copies of runs elsewhere, and how long they stay here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options, yes_option
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetctl.engine.events import Event
    from fleetctl.store.retention import Aged, Pruning
    from fleetctl.store.runs import RunFolder
    from fleetctl.store.settings import SinkSettings

__all__ = ["prune", "ship"]

SHIP_EPILOG = """\
Sinks stand in fleetctl.yaml, or are given with --to. Nothing is overwritten there; what is there already is left, so that
this may be repeated at any time. Exit code 3: something is not there yet.

Examples:
  fleetctl runs ship last
  fleetctl runs ship --all
  fleetctl runs ship 7f3a9c --to s3://audit/fleet
  fleetctl runs ship --all --to file:///mnt/archive
"""

PRUNE_EPILOG = """\
Never removed: what is unfinished, what is not in its sinks yet, and what an unfinished run refers to. Each removal is
entered into the audit log. Without --keep and --max-size, 'retention' in fleetctl.yaml decides.

Examples:
  fleetctl runs prune --keep 90d --dry-run
  fleetctl runs prune --keep 90d --max-size 5GB --yes
"""

_FAILED = 3
_COLUMNS = ("CommandId", "Sink", "Status", "Objects", "Bytes", "Missing", "Message", "Hint")
_RUN_COLUMNS = ("CommandId", "EndedDateTime", "Bytes", "Action", "Reason")


@click.command(cls=FleetCommand, epilog=SHIP_EPILOG)
@click.argument("run", nargs=-1, shell_complete=complete.runs)
@click.option("--all", "all_", is_flag=True, help="All runs that are not complete in their sinks.")
@click.option("--to", multiple=True, metavar="URL", help="A sink, instead of the project's; may be repeated.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def ship(
    app: App,
    *,
    run: tuple[str, ...],
    all_: bool,
    to: tuple[str, ...],
    format_: str,
    output: Path | None,
) -> int:
    """Copy RUNs to their sinks, or finish that."""
    from fleetctl.run.ship import sinks_named, to_ship  # noqa: PLC0415

    if all_ == bool(run):
        raise UsageError("name runs, or say --all", hint="fleetctl runs ship last")
    fleet = app.fleet()
    sinks = sinks_named(to, fleet.project.settings.sinks)
    if not sinks:
        raise UsageError(
            "there are no sinks",
            hint="name one with --to s3://BUCKET/PREFIX, or under 'sinks' in fleetctl.yaml",
        )
    chosen = list(fleet.runs) if all_ else [fleet.runs.find(name) for name in run]
    folders = to_ship(chosen, sinks) if all_ else list({folder.run_id: folder for folder in chosen}.values())
    if not folders:
        app.note("all runs are in their sinks")
        return 0
    rows = asyncio.run(_ship(app, folders, sinks))
    _show_shipped(rows, format_, output)
    return _FAILED if any(row["Missing"] for row in rows) else 0


async def _ship(
    app: App, folders: Sequence[RunFolder], sinks: Sequence[SinkSettings]
) -> list[dict[str, Any]]:
    from fleetctl.engine.events import Note  # noqa: PLC0415
    from fleetctl.run.ship import ship as ship_runs  # noqa: PLC0415
    from fleetctl.run.ship import sink_rows  # noqa: PLC0415

    def tell(event: Event) -> None:
        if isinstance(event, Note):
            app.note(event.text)

    rows: list[dict[str, Any]] = []
    async for shipped in ship_runs(folders, sinks, tell=tell):
        rows += sink_rows(shipped)
        if app.verbose:
            app.note(f"{shipped.run_id}: {len(rows)} of {len(folders) * len(sinks)} done")
    return rows


def _show_shipped(rows: list[dict[str, Any]], format_: str, output: Path | None) -> None:
    from fleetctl.spec.size import tell_size  # noqa: PLC0415

    if format_ != "table":
        _write(rows, _COLUMNS, format_=format_, output=output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    cells = [
        (
            row["CommandId"],
            row["Status"],
            str(row["Objects"]),
            tell_size(row["Bytes"]),
            str(row["Missing"]),
            row["Sink"],
            ". ".join(filter(None, (row["Message"], row["Hint"]))),
        )
        for row in rows
    ]
    print_table(("RUN", "STATUS", "PUT NOW", "SIZE", "MISSING", "SINK", "WHY"), cells, output=output)


@click.command(cls=FleetCommand, epilog=PRUNE_EPILOG)
@click.option("--keep", metavar="TIME", help="Remove runs that ended longer ago: 90d, 12w.")
@click.option("--max-size", metavar="SIZE", help="Remove the oldest until all take no more: 5GB.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and what stays and why; change nothing.")
@yes_option
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def prune(
    app: App,
    *,
    keep: str | None,
    max_size: str | None,
    dry_run: bool,
    yes: bool,
    format_: str,
    output: Path | None,
) -> None:
    """Remove old runs, with all they kept."""
    from fleetctl.sink.protocol import plain_url  # noqa: PLC0415
    from fleetctl.store.retention import plan_pruning  # noqa: PLC0415

    fleet = app.fleet()
    seconds, size = _limits(app, keep, max_size)
    sinks = [plain_url(sink.url) for sink in fleet.project.settings.sinks]
    pruning = plan_pruning(fleet.runs, keep=seconds, max_size=size, sinks=sinks)
    if dry_run or not pruning.goes:
        _show_pruning(app, pruning, format_=format_, output=output)
        return
    _show_pruning(app, pruning, format_=format_, output=output, ahead=True)
    _remove(app, pruning, yes=yes)


def _limits(app: App, keep: str | None, max_size: str | None) -> tuple[float | None, int | None]:
    """Read the flags; the project's settings count where neither is given."""
    from fleetctl.spec.duration import parse_duration  # noqa: PLC0415
    from fleetctl.spec.size import parse_size  # noqa: PLC0415

    retention = app.fleet().project.settings.retention
    if keep is None and max_size is None:
        if retention.keep is None and retention.max_size is None:
            raise UsageError(
                "nothing says what is old",
                hint="say --keep 90d or --max-size 5GB, or set 'retention' in fleetctl.yaml",
            )
        return retention.keep, retention.max_size
    return (
        None if keep is None else parse_duration(keep, name="--keep"),
        None if max_size is None else parse_size(max_size, name="--max-size"),
    )


def _remove(app: App, pruning: Pruning, *, yes: bool) -> None:
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.spec.size import tell_size  # noqa: PLC0415
    from fleetctl.store.retention import prune as prune_runs  # noqa: PLC0415

    fleet = app.fleet()
    freed = pruning.total - pruning.after
    question = f"Remove {_runs(len(pruning.goes))}, {tell_size(freed)}, with all output?"
    confirm(question, yes=yes, act="this deletes what runs kept")

    def record(run: Aged) -> None:
        fleet.audit.note_removal(run.folder, "run-pruned", size=run.size)

    count = size = 0
    for run in prune_runs(fleet.runs, pruning, gone=record):
        if run.spared:
            app.note(f"kept {run.folder.run_id}: {run.spared}")
            continue
        count, size = count + 1, size + run.size
    app.note(f"removed {_runs(count)}, {tell_size(size)}")


def _show_pruning(
    app: App, pruning: Pruning, *, format_: str, output: Path | None, ahead: bool = False
) -> None:
    from fleetctl.spec.size import tell_size  # noqa: PLC0415

    rows = [
        {
            "CommandId": run.folder.run_id,
            "EndedDateTime": run.at.isoformat(timespec="milliseconds"),
            "Bytes": run.size,
            "Action": "Keep" if run.spared else "Remove",
            "Reason": run.spared,
        }
        for run in sorted((*pruning.goes, *pruning.spared), key=lambda run: run.folder.run_id)
    ]
    if format_ != "table":
        _write(rows, _RUN_COLUMNS, format_=format_, output=output)
    elif rows:
        from fleetctl.cli.table import print_table  # noqa: PLC0415

        cells = [
            (str(row["Action"]).lower(), str(row["CommandId"]), tell_size(row["Bytes"]), str(row["Reason"]))  # type: ignore[arg-type]
            for row in rows
        ]
        print_table(("WHAT", "RUN", "SIZE", "WHY"), cells, output=output)
    kept = f"; {_runs(len(pruning.spared))} must stay" if pruning.spared else ""
    if not ahead:
        would = f"{_runs(len(pruning.goes))} would go" if pruning.goes else "nothing to remove"
        app.note(f"{would}, {tell_size(pruning.total)} now, {tell_size(pruning.after)} then{kept}")
    if pruning.too_large:
        app.note(f"{tell_size(pruning.after)} stay, which is more than allowed: see why they must stay")


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _write(
    rows: list[dict[str, Any]], columns: tuple[str, ...], *, format_: str, output: Path | None
) -> None:
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    write(Telling(data=rows, rows=rows, columns=columns), format_, output)
