"""`fleetctl compliance`: who is compliant, and with what."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, LazyGroup, pass_app
from fleetctl.cli.options import output_options
from fleetctl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from fleetctl.compliance.history import Standing

__all__ = ["compliance"]

EPILOG = """\
Examples:
  fleetctl compliance check all                             hold every host to the project's policies
  fleetctl compliance check web --format html -o web.html   one file, for a manager
  fleetctl compliance summary                               how things stand, per type, and how it came to that
  fleetctl compliance list --status non_compliant --severity critical
  fleetctl compliance show web-1
  fleetctl compliance put web-1 --type Custom:Scanner findings.json
  fleetctl compliance policy check policies/*.yaml
"""

_SEVERITIES = ("critical", "high", "medium", "low", "informational", "unspecified")
_STATUSES = ("compliant", "non_compliant", "waived", "unknown")
_TYPE = re.compile(r"Custom:[A-Za-z0-9_.-]{1,93}")

VERBS: dict[str, tuple[str, str]] = {
    "check": (
        "fleetctl.cli.compliance_check:check",
        "Hold hosts to policies, and report what is not as it should be.",
    ),
    "policy": ("fleetctl.cli.compliance_policy:policy", "Look at policies, and check their files."),
    "report": (
        "fleetctl.cli.compliance_report:report",
        "Tell a kept compliance report in another form.",
    ),
}


@click.group(cls=LazyGroup, verbs=VERBS, epilog=EPILOG)
def compliance() -> None:
    """Hold hosts to policies; see who is compliant, and how it came to that."""


@compliance.command(cls=FleetCommand)
@click.option(
    "--by",
    metavar="KEY",
    help="Count hosts by patch-group, baseline, os, zone, group or tag:KEY, with SSM's counters for patches.",
)
@click.option("--type", "type_", metavar="TYPE", help="Only this type: Patch, Custom:policy, Custom:NAME.")
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=90,
    show_default=True,
    help="Reports of each type in the trend.",
)
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def summary(app: App, /, by: str | None, type_: str | None, last: int, **given: Any) -> None:
    """Show totals from the newest word on each host, by type with a trend, or by groups of hosts."""
    found = _standing(app, type_=type_, known=True)
    if by is not None:
        _show_groups(app, by, found, given)
        return
    from fleetctl.compliance.summary import totals, trends  # noqa: PLC0415

    kept = trends(app.fleet().reports_folder("compliance"), last=last)
    rows = [totals(found, name, kept[name]) for name in sorted(kept) if type_ in {None, name}]
    if given["format_"] != "table":
        columns = (
            "ComplianceType",
            "Hosts",
            "Compliant",
            "NonCompliant",
            "Unknown",
            "Findings",
            "CapturedTime",
        )
        _write(rows, columns, given["format_"], given["output"])
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    header = (
        "TYPE",
        "HOSTS",
        "COMPLIANT",
        "NOT COMPLIANT",
        "UNKNOWN",
        "FINDINGS",
        "AS OF",
        "TREND (NOT COMPLIANT)",
    )
    shown = [
        (
            row["ComplianceType"],
            *(str(row[name]) for name in ("Hosts", "Compliant", "NonCompliant", "Unknown", "Findings")),
            row["CapturedTime"][:16].replace("T", " "),
            " ".join(str(moment["NonCompliant"]) for moment in row["Trend"][-12:]),
        )
        for row in rows
    ]
    print_table(header, shown, output=given["output"])


def _show_groups(app: App, by: str, found: Standing, given: Mapping[str, Any]) -> None:
    fleet = app.fleet()
    types = sorted({kind for kind, _ in found.resources})
    rows = [row for kind in types for row in fleet.compliance_groups(by, found, type_=kind)]
    if given["format_"] != "table":
        columns = tuple(dict.fromkeys(name for row in rows for name in row))
        _write(rows, columns, given["format_"], given["output"])
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    header = (
        "TYPE",
        by.upper(),
        "HOSTS",
        "COMPLIANT",
        "NOT COMPLIANT",
        "UNKNOWN",
        "NOT JUDGED",
        "MISSING",
        "FAILED",
        "REBOOT",
    )
    states = ("Missing", "Failed", "InstalledPendingReboot")
    shown = [
        (
            row["ComplianceType"],
            row["Group"] or "(none)",
            str(row["Hosts"] + row["NotJudged"]),
            *(str(row[name]) for name in ("Compliant", "NonCompliant", "Unknown", "NotJudged")),
            *(str(row.get(f"InstancesWith{state}Patches", "-")) for state in states),
        )
        for row in rows
    ]
    print_table(header, shown, output=given["output"])


@compliance.command("list", cls=FleetCommand)
@click.option("--type", "type_", metavar="TYPE", help="Patch, Custom:policy, Custom:NAME.")
@click.option(
    "--severity",
    multiple=True,
    type=click.Choice(_SEVERITIES, case_sensitive=False),
    help="Only these; may be repeated.",
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(_STATUSES, case_sensitive=False),
    help="Only these; may be repeated.",
)
@click.option("--host", multiple=True, metavar="NAME", help="Only this host; may be repeated.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, /, format_: str, output: Path | None, **given: Any) -> None:
    """List compliance items by the newest word on each host."""
    found = _standing(app, type_=given["type_"], known=not given["host"])
    items = [item for key in sorted(found.items) for item in found.items[key] if _wanted(item, given)]
    _show_items(items, format_, output)


@compliance.command(cls=FleetCommand)
@click.argument("host", shell_complete=complete.targets)
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def show(app: App, host: str, format_: str, output: Path | None) -> None:
    """Show all that is known about the compliance of HOST."""
    from fleetctl.spec.suggest import did_you_mean  # noqa: PLC0415

    found = _standing(app, host=host)
    mine = sorted(type_ for type_, _ in found.resources)
    if not mine:
        known = {name for _, name in _standing(app).resources}
        raise NotFoundError(
            f"nothing is known about the compliance of '{host}'", hint=did_you_mean(host, sorted(known))
        )
    if format_ == "table" and output is None:
        for type_ in mine:
            summary_ = found.resources[type_, host]
            when = summary_["ExecutionSummary"]["ExecutionTime"][:16].replace("T", " ")
            bad = summary_["NonCompliantSummary"]["NonCompliantCount"]
            click.echo(f"{type_}: {summary_['Status']}, {bad} not compliant, as of {when} UTC")
        click.echo()
    _show_items([item for type_ in mine for item in found.items[type_, host]], format_, output)


@compliance.command(cls=FleetCommand)
@click.argument("host", shell_complete=complete.targets)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--type", "type_", required=True, metavar="Custom:NAME", help="The type of compliance.")
@click.option(
    "--upload-type",
    type=click.Choice(["COMPLETE", "PARTIAL"], case_sensitive=False),
    default="COMPLETE",
    show_default=True,
    help="COMPLETE replaces all items of the host and type; PARTIAL leaves those that are not named.",
)
@pass_app
def put(app: App, host: str, file: Path, type_: str, upload_type: str) -> None:
    """Take compliance items of HOST from FILE, or from stdin (-): a JSON list of Id, Title, Severity, Status, Details."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from fleetctl.compliance.put import Given, put_report, read_items  # noqa: PLC0415
    from fleetctl.compliance.report import keep, report_json  # noqa: PLC0415
    from fleetctl.spec.yaml import decode_text, read_text  # noqa: PLC0415
    from fleetctl.store.runs import new_run_id  # noqa: PLC0415

    if not _TYPE.fullmatch(type_) or type_ == "Custom:policy":
        raise UsageError(
            f"'{type_}' is no type for items of your own",
            hint="it is Custom: and a name, such as Custom:Scanner",
        )
    (name,) = _one_host(app, host)
    stdin = str(file) == "-"
    text = decode_text(sys.stdin.buffer.read(), file="stdin") if stdin else read_text(file)
    items = read_items(text, file="stdin" if stdin else str(file))
    given = Given(host=name, type=type_, items=items, partial=upload_type.upper() == "PARTIAL")
    before = _standing(app, type_=type_, host=name)
    report = put_report(given, before, run_id=new_run_id(datetime.now(UTC)))
    if report is None:
        app.note(f"{name}: the same {type_} items as before; nothing was written")
        return
    path = keep(report_json(report), app.fleet().reports_folder("compliance"))
    app.note(f"{name}: {len(report.items)} {type_} items; report: {path}")


def _one_host(app: App, host: str) -> tuple[str]:
    names = [found.name for found in app.fleet().select(host)]
    if len(names) != 1:
        raise UsageError(f"'{host}' names {len(names)} hosts", hint="compliance items belong to one host")
    return (names[0],)


def _standing(
    app: App, *, type_: str | None = None, host: str | None = None, known: bool = False
) -> Standing:
    """Return the newest word on each host.

    Args:
        app: the shared flags.
        type_: only of this type of compliance.
        host: only on this one.
        known: leave out hosts that the inventory, and policies that the project does not know any more, and say so.
    """
    fleet = app.fleet()
    found = fleet.compliance_standing(type_=type_, host=host)
    for path in found.damaged:
        app.note(f"warning: {path} is damaged and was left out")
    if known and found.resources:
        hosts = fleet.inventory.hosts
        gone = {name for _, name in found.resources if name not in hosts}
        if gone:
            from fleetctl.hosts import fold  # noqa: PLC0415

            app.note(f"left out, the inventory does not know them: {fold(sorted(gone))}")
        found.resources = {key: told for key, told in found.resources.items() if key[1] not in gone}
        found.items = {key: items for key, items in found.items.items() if key[1] not in gone}
        _leave_out_policies(app, found)
    return found


def _leave_out_policies(app: App, found: Standing) -> None:
    from fleetctl.compliance.history import leave_out_policies  # noqa: PLC0415

    names = app.fleet().policy_names()
    if names is not None and (gone := leave_out_policies(found, but=names)):
        app.note(f"left out, the project does not have these policies: {', '.join(sorted(gone))}")


def _wanted(item: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    return (
        given["type_"] in {None, item["ComplianceType"]}
        and (not given["severity"] or item["Severity"].lower() in {s.lower() for s in given["severity"]})
        and (not given["status"] or item["Status"].lower() in {s.lower() for s in given["status"]})
        and (not given["host"] or item["ResourceId"] in given["host"])
    )


def _show_items(items: list[Mapping[str, Any]], format_: str, output: Path | None) -> None:
    if format_ != "table":
        columns = ("ResourceId", "ComplianceType", "Id", "Title", "Status", "Severity", "Details")
        _write(items, columns, format_, output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.compliance.page import found_text  # noqa: PLC0415

    header = ("HOST", "TYPE", "STATUS", "SEVERITY", "ID", "FOUND")
    rows = [
        (
            i["ResourceId"],
            i["ComplianceType"],
            i["Status"],
            i["Severity"],
            i["Id"],
            found_text(i) or i["Title"],
        )
        for i in items
    ]
    print_table(header, rows, output=output)


def _write(rows: list[Any], columns: tuple[str, ...], format_: str, output: Path | None) -> None:
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    write(Telling(data=rows, rows=rows, columns=columns), format_, output)
