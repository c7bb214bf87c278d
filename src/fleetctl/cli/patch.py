"""`fleetctl patch`: Patch Manager."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, FleetGroup, pass_app
from fleetctl.cli.options import WorkOptions, output_options, work_options, yes_option

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.patch.scan import ScanTask

__all__ = ["patch"]

_SEVERITIES = ("critical", "high", "medium", "low", "informational", "unspecified")

GROUP_EPILOG = """\
Examples:
  fleetctl patch scan all                              what every host lacks
  fleetctl patch scan web --format json -o scan.json   for machines
"""

SCAN_EPILOG = """\
Nothing is changed on the hosts: no package list is refreshed, no file is written. Debian and Ubuntu (apt) are known today.

A security fix counts as missing when the vendor's security pocket has a newer version, also where a hold, a pin or a newer
build elsewhere hides it. Hosts that cannot be judged are listed with the reason and never called compliant.

Examples:
  fleetctl patch scan all
  fleetctl patch scan 'web,&env=prod' --become          also services that need a restart (needrestart wants root)
  fleetctl patch scan all --max-metadata-age 2          do not believe package lists older than two days
  fleetctl patch scan all --format junit -o patch.xml   as a CI step
  fleetctl run @noncompliant:last -- uname -a           go on with the hosts that are not compliant

Exit codes: 0 all compliant; 3 a host could not be scanned; 4 hosts unreachable, none failed; 5 all scanned, some not
compliant; 130 interrupted. What comes first here wins, but for 5 and 0: an incomplete scan is told before its verdict.
"""


@click.group(cls=FleetGroup, epilog=GROUP_EPILOG)
def patch() -> None:
    """Find out what hosts lack, and report compliance."""


@patch.command(cls=FleetCommand, epilog=SCAN_EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.option("-b", "--become/--no-become", default=None, help="Look as root, or as the login user.")
@click.option(
    "--severity",
    multiple=True,
    type=click.Choice(_SEVERITIES, case_sensitive=False),
    help="Show only patches of this severity; may be repeated. The verdict counts all.",
)
@click.option("--detail", is_flag=True, help="List every package, also those that are as they should be.")
@click.option(
    "--max-metadata-age",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="A host with older package lists cannot be judged.  [default: it is judged, with a warning after 7 days]",
)
@click.option("--comment", default="", metavar="TEXT", help="Free text for the record.")
@output_options("table", "json", "jsonl", "yaml", "csv", "junit")
@work_options
@yes_option
@pass_app
def scan(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """Look at the packages of TARGETS, and report what they lack by their patch baseline."""
    fleet = app.fleet()
    fleet.reports_folder("compliance")  # before the scan: a report that cannot be kept is no use
    begun = time.monotonic()
    result = _carry_out(app, fleet, _task(given), work=work, targets=targets, comment=given["comment"])
    scanned = fleet.conclude_scan(result)
    shown = _of_severity(scanned.report, given["severity"])
    if given["format_"] == "table" and given["output"] is None:
        _show_tables(shown)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.patch.telling import tell_scan  # noqa: PLC0415

        write(tell_scan(shown), "json" if given["format_"] == "table" else given["format_"], given["output"])
    _show_end(app, result, scanned.report, path=scanned.path, seconds=time.monotonic() - begun)
    if scanned.exit_code:
        raise SystemExit(scanned.exit_code)


def _task(given: Mapping[str, Any]) -> ScanTask:
    from datetime import timedelta  # noqa: PLC0415

    from fleetctl.patch.scan import ScanTask  # noqa: PLC0415

    days = given["max_metadata_age"]
    return ScanTask(
        become=given["become"],
        detail=given["detail"],
        max_metadata_age=timedelta(days=days) if days is not None else None,
    )


def _carry_out(
    app: App, fleet: Fleet, task: ScanTask, *, work: WorkOptions, targets: str, comment: str
) -> RunResult:
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

    return fan_out(
        app,
        fleet,
        task,
        work.hosts(fleet, targets),
        work=work,
        title=f"patch scan {targets}",
        name=DOCUMENT,
        parameters={"Operation": "Scan"},
        comment=comment,
        selector=targets,
    )


def _of_severity(report: Mapping[str, Any], severities: Sequence[str]) -> Mapping[str, Any]:
    """Return the report with only the items of these severities; its counts stay as they are."""
    if not severities:
        return report
    wanted = {severity.upper() for severity in severities}
    return {**report, "ComplianceItems": [i for i in report["ComplianceItems"] if i["Severity"] in wanted]}


def _show_tables(report: Mapping[str, Any]) -> None:
    """Write hosts with equal numbers together, then each missing patch with the hosts that lack it."""
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    hosts = _grouped([(_host_row(host), host["ResourceId"]) for host in report["ResourceSummaries"]])
    if hosts:
        header = (
            "HOSTS",
            "STATUS",
            "MISSING",
            "FAILED",
            "REBOOT",
            "HELD",
            "OTHER UPDATES",
            "LISTS",
            "SYSTEM",
        )
        print_table(header, [(names, *row) for row, names in hosts])
    patches = _grouped([(_patch_row(item), item["ResourceId"]) for item in report["ComplianceItems"]])
    if patches:
        click.echo()
        columns = ("STATE", "PATCH", "SEVERITY", "INSTALLED", "WANTED", "HOSTS", "NOTE")
        print_table(columns, [(*row[:-1], names, row[-1]) for row, names in patches])
    sys.stdout.flush()


def _grouped(rows: Sequence[tuple[tuple[str, ...], str]]) -> list[tuple[tuple[str, ...], str]]:
    from fleetctl.hosts import fold  # noqa: PLC0415

    alike: dict[tuple[str, ...], list[str]] = {}
    for row, host in rows:
        alike.setdefault(row, []).append(host)
    return [
        (row, f"{fold(names)} ({len(names)})" if len(names) > 1 else names[0]) for row, names in alike.items()
    ]


def _host_row(host: Mapping[str, Any]) -> tuple[str, ...]:
    summary = host["PatchSummary"]
    reboot = {True: "needed", False: "no", None: "unknown"}[summary["RebootRequired"]]
    return (
        host["Status"],
        str(summary["MissingCount"]),
        str(summary["FailedCount"]),
        reboot,
        str(len(summary["HeldPackages"])),
        str(summary["OtherUpdateCount"]),
        _age(summary["MetadataAgeSeconds"]),
        host.get("Platform", {}).get("PlatformName", ""),
    )


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 3600:
        return f"{seconds // 60} min old"
    return f"{seconds // 3600} h old" if seconds < 48 * 3600 else f"{seconds // 86400} days old"


def _patch_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    details = item["Details"]
    return (
        details["PatchState"],
        item["Title"],
        item["Severity"],
        details.get("InstalledVersion", "-"),
        details.get("CandidateVersion", "-"),
        details.get("Note", ""),
    )


def _show_end(app: App, result: RunResult, report: Mapping[str, Any], *, path: Path, seconds: float) -> None:
    """Write to stderr what could not be judged and why, warnings, the count of verdicts, and where the report lies."""
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415

    show_problems(result.report["Invocations"])
    if app.quiet:
        return
    warnings = [(text,) for host in report["ResourceSummaries"] for text in host.get("Warnings", ())]
    names = [host["ResourceId"] for host in report["ResourceSummaries"] for _ in host.get("Warnings", ())]
    for (text,), hosts in _grouped(list(zip(warnings, names, strict=True))):
        click.echo(f"{click.style('warning', fg='yellow')}: {hosts}: {text}", err=True)
    summary = report["Summary"]
    counts = (
        f"{summary['CompliantSummary']['CompliantCount']} compliant",
        f"{summary['NonCompliantSummary']['NonCompliantCount']} not compliant",
        f"{summary['UnscannedSummary']['UnscannedCount']} not judged",
    )
    click.echo(f"compliance: {', '.join(counts)}; report: {path}", err=True)
    show_summary(result.report, seconds=seconds)
