"""`fleetctl runs verify`: find out whether anything of a run's evidence was changed or lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options
from fleetctl.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from fleetctl.run.verify import Verdict

__all__ = ["verify"]

EPILOG = """\
Exit code 0: nothing is wrong, though a run may be unfinished; 2: error[damaged], each fault is named.

Examples:
  fleetctl runs verify                     the last run
  fleetctl runs verify 7f3a9c --repair     cut off what a power cut left of a record
  fleetctl runs verify --all --no-output   every run, without reading what hosts printed
  fleetctl runs verify --all --format json
"""


@click.command("verify", cls=FleetCommand, epilog=EPILOG)
@click.argument("run", nargs=-1, shell_complete=complete.runs)
@click.option("--all", "all_", is_flag=True, help="Every run.")
@click.option(
    "--with-output/--no-output",
    "with_output",
    default=True,
    help="Whether what hosts printed is read and compared.",
)
@click.option(
    "--repair", is_flag=True, help="Cut a torn last record off now, not only when the run is resumed."
)
@output_options("table", "json", "jsonl", "csv")
@pass_app
def verify(
    app: App,
    run: tuple[str, ...],
    *,
    all_: bool,
    with_output: bool,
    repair: bool,
    format_: str,
    output: Path | None,
) -> None:
    """Verify what RUNs left (default: the last): ledger, report and output, against one another and the audit log."""
    from fleetctl.run.verify import verify_run  # noqa: PLC0415
    from fleetctl.store.audited import audited_runs  # noqa: PLC0415

    if all_ and run:
        raise UsageError("--all and names of runs exclude one another")
    fleet = app.fleet()
    folders = list(fleet.runs) if all_ else [fleet.runs.find(name) for name in run or ("last",)]
    known = audited_runs(fleet.audit.records())
    verdicts = [
        verify_run(folder, output=with_output, audited=known.get(folder.run_id), repair=repair)
        for folder in {folder.run_id: folder for folder in folders}.values()
    ]
    _show(verdicts, format_, output)
    damaged = [verdict.run_id for verdict in verdicts if verdict.state == "damaged"]
    if damaged:
        which = damaged[0] if len(damaged) == 1 else f"{len(damaged)} of {len(verdicts)} runs"
        raise DamagedError(
            f"{which} does not verify" if len(damaged) == 1 else f"{which} do not verify",
            hint="keep the folder as it is; what a chain proves: docs/explanation/evidence.md",
        )


def _show(verdicts: Sequence[Verdict], format_: str, output: Path | None) -> None:
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        rows = [verdict.to_json() for verdict in verdicts]
        for row in rows if format_ == "csv" else ():
            row["Flaws"] = [f"{flaw['Kind']}: {flaw['Message']}" for flaw in row["Flaws"]]
        columns = ("CommandId", "State", "Records", "OutputsCompared", "Flaws", "Notes", "Head")
        write(Telling(data=rows, rows=rows, columns=columns, title="runs verify"), format_, output)
        return
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.cli.terminal import safe  # noqa: PLC0415

    with destination(output) as file:
        for verdict in verdicts:
            compared = f"{verdict.records} records" + (
                f", output of {verdict.outputs} hosts" if verdict.outputs else ""
            )
            file.write(f"{verdict.run_id}  {verdict.state:<10}  {compared}\n")
            for flaw in verdict.flaws:
                where = (flaw.file or "events.jsonl") + (f":{flaw.line}" if flaw.line else "")
                file.write(safe(f"  {flaw.kind:<10}  {where}: {flaw.message}") + "\n")
            file.writelines(safe(f"  note        {note}") + "\n" for note in verdict.notes)
