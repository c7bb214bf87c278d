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
@click.option("--last", type=click.IntRange(min=1), default=90, show_default=True, help="Reports to look at.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def summary(app: App, last: int, format_: str, output: Path | None) -> None:
    """Show totals per type from the newest word on each host, and the trend over the kept reports."""
    found = _standing(app, last=last)
    rows = [_totals(found, type_) for type_ in sorted(found.reports)]
    if format_ != "table":
        columns = (
            "ComplianceType",
            "Hosts",
            "Compliant",
            "NonCompliant",
            "Unknown",
            "Findings",
            "CapturedTime",
        )
        _write(rows, columns, format_, output)
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
    print_table(header, shown, output=output)


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
@click.option("--last", type=click.IntRange(min=1), default=90, show_default=True, help="Reports to look at.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, /, format_: str, output: Path | None, **given: Any) -> None:
    """List compliance items by the newest word on each host."""
    found = _standing(app, last=given["last"])
    items = [item for key in sorted(found.items) for item in found.items[key] if _wanted(item, given)]
    _show_items(items, format_, output)


@compliance.command(cls=FleetCommand)
@click.argument("host", shell_complete=complete.targets)
@click.option("--last", type=click.IntRange(min=1), default=90, show_default=True, help="Reports to look at.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def show(app: App, host: str, last: int, format_: str, output: Path | None) -> None:
    """Show all that is known about the compliance of HOST."""
    from fleetctl.spec.suggest import did_you_mean  # noqa: PLC0415

    found = _standing(app, last=last)
    mine = sorted(type_ for type_, name in found.resources if name == host)
    if not mine:
        known = {name for _, name in found.resources}
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
    report = put_report(given, _standing(app, last=None), run_id=new_run_id(datetime.now(UTC)))
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


def _standing(app: App, *, last: int | None) -> Standing:
    from fleetctl.compliance.history import kept_reports, standing  # noqa: PLC0415

    damaged: list[Path] = []
    found = standing(kept_reports(app.fleet().reports_folder("compliance"), last=last, damaged=damaged))
    for path in damaged:
        app.note(f"warning: {path} is damaged and was left out")
    return found


def _totals(found: Standing, type_: str) -> dict[str, Any]:
    hosts = [host for (kind, _), host in found.resources.items() if kind == type_]
    seen = [host["Status"] for host in hosts]
    reports = found.reports[type_]
    return {
        "ComplianceType": type_,
        "Hosts": len(hosts),
        "Compliant": seen.count("COMPLIANT"),
        "NonCompliant": seen.count("NON_COMPLIANT"),
        "Unknown": seen.count("UNKNOWN"),
        "Findings": sum(host["NonCompliantSummary"]["NonCompliantCount"] for host in hosts),
        "CapturedTime": reports[-1]["CapturedTime"],
        "Trend": [
            {
                "CommandId": report["CommandId"],
                "CapturedTime": report["CapturedTime"],
                "Compliant": report["Summary"]["CompliantSummary"]["CompliantCount"],
                "NonCompliant": report["Summary"]["NonCompliantSummary"]["NonCompliantCount"],
                "Unscanned": report["Summary"]["UnscannedSummary"]["UnscannedCount"],
            }
            for report in reports
        ],
    }


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
