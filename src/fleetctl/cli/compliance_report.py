"""`fleetctl compliance report`: a kept report in another form, without asking the hosts again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options
from fleetctl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from fleetctl.compliance.index import Kept

__all__ = ["report"]

EPILOG = """\
RUN is the run that looked at the hosts, any unambiguous part of its id, or 'last': the newest report. No host is asked anything.

Examples:
  fleetctl compliance report --format html -o compliance.html     the newest, for a manager
  fleetctl compliance report --type Patch --format sarif -o patches.sarif
  fleetctl compliance report 7f3a9c --format junit -o night.xml
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("run", default="last")
@click.option("--type", "type_", metavar="TYPE", help="Patch, Custom:policy, Custom:NAME.  [default: any]")
@output_options("json", "jsonl", "yaml", "csv", "junit", "html", "sarif", default="html")
@pass_app
def report(app: App, run: str, type_: str | None, format_: str, output: Path | None) -> None:
    """Tell a kept compliance report in another form."""
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.compliance.history import trend  # noqa: PLC0415
    from fleetctl.compliance.telling import tell_report  # noqa: PLC0415
    from fleetctl.patch.telling import tell_scan  # noqa: PLC0415

    folder = app.fleet().reports_folder("compliance")
    found = _find(app, folder, run=run, type_=type_)
    history = trend(folder, found) if format_ == "html" else ()
    if found["ComplianceType"] == "Patch":
        telling = tell_scan(found, history=history)
    else:
        title = f"fleetctl compliance report {found['CommandId']}"
        telling = tell_report(found, title=title, history=history)
    write(telling, format_, output)
    app.note(f"{found['ComplianceType']} report of run {found['CommandId']}")


def _find(app: App, folder: Path, *, run: str, type_: str | None) -> Mapping[str, Any]:
    """Return the report that is meant; whole ids before parts of one."""
    from fleetctl.compliance.history import kept_reports, read_report  # noqa: PLC0415

    damaged: list[Path] = []
    # A run that was carried on with has several reports; the newest counts.
    newest: dict[str, Kept] = {}
    for old in kept_reports(folder, type_=type_, damaged=damaged):
        newest.setdefault(old.run_id, old)
    kept = list(newest.values())
    for path in damaged:
        app.note(f"warning: {path} is damaged and was left out")
    if not kept:
        what = f" of the type {type_}" if type_ else ""
        raise NotFoundError(
            f"no compliance report{what} is kept here",
            hint="make one with: fleetctl patch scan TARGETS, or: fleetctl compliance check TARGETS",
        )
    if run == "last":
        return read_report(kept[0].path)
    fitting = [old for old in kept if run == old.run_id] or [old for old in kept if run in old.run_id]
    if not fitting:
        raise NotFoundError(f"no compliance report of a run '{run}'", hint=f"the newest: {kept[0].run_id}")
    if len(fitting) > 1:
        names = ", ".join(old.run_id for old in fitting[:5])
        raise UsageError(f"'{run}' fits {len(fitting)} reports", hint=f"write more of it: {names}")
    return read_report(fitting[0].path)
