"""`fleetctl compliance check`: hold hosts to policies."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, output_options, work_options, yes_option
from fleetctl.cli.verdict import grouped, show_end

if TYPE_CHECKING:
    from fleetctl.compliance.policy_report import Checked

__all__ = ["check", "show_checked"]

EPILOG = """\
Nothing is changed on the hosts, and all checks of all policies are one round trip. A check that cannot be judged (a file that only
root may read) is UNKNOWN and never compliant; a finding with a waiver is WAIVED until the waiver expires.

Examples:
  fleetctl compliance check all --become                          look as root: sshd and shadow want it
  fleetctl compliance check web --policy ssh-hardening            one policy of the project
  fleetctl compliance check web-1 --policy ./draft.yaml           one that is a file
  fleetctl compliance check all --format html -o compliance.html  for a manager
  fleetctl compliance check all --format sarif -o fleet.sarif     for code scanning

Exit codes: 0 all compliant; 3 a host failed, or a check could not be judged; 4 hosts unreachable, none failed; 5 all judged, some
not compliant; 130 interrupted.
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME|FILE",
    help="Only this one; may be repeated.  [default: all of the project]",
)
@click.option("-b", "--become/--no-become", default=None, help="Look as root, or as the login user.")
@click.option("--comment", default="", metavar="TEXT", help="Free text for the record.")
@output_options("table", "json", "jsonl", "yaml", "csv", "junit", "html", "sarif")
@work_options
@yes_option
@pass_app
def check(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """Hold TARGETS to policies, and report what is not as it should be."""
    from fleetctl.cli.output import check_writable  # noqa: PLC0415
    from fleetctl.cli.work import order_terms  # noqa: PLC0415

    check_writable(given["output"])
    fleet = app.fleet()
    begun = time.monotonic()
    checked = fleet.check_policies(
        work.hosts(fleet, targets),
        policies=given["policies"],
        become=given["become"],
        warn=lambda text: app.note(f"warning: {text}"),
        comment=given["comment"],
        selector=targets,
        **order_terms(app, fleet, work=work, title=f"compliance check {targets}"),
    )
    show_checked(app, checked, given, seconds=time.monotonic() - begun)


def show_checked(app: App, checked: Checked, given: Mapping[str, Any], *, seconds: float) -> None:
    """Show a verdict, as `format_` and `output` say, and end with its exit code where that is not 0."""
    if given["format_"] == "table" and given["output"] is None:
        _show_tables(checked.report)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.compliance.history import trend  # noqa: PLC0415
        from fleetctl.compliance.telling import tell_report  # noqa: PLC0415

        format_ = "json" if given["format_"] == "table" else given["format_"]
        history = trend(checked.path.parent, checked.report) if format_ == "html" else ()
        title = f"fleetctl compliance check {checked.run.run_id}"
        write(tell_report(checked.report, title=title, history=history), format_, given["output"])
    show_end(app, checked.run, checked.report, path=checked.path, seconds=seconds)
    if checked.exit_code:
        raise SystemExit(checked.exit_code)


def _show_tables(report: Mapping[str, Any]) -> None:
    """Write hosts with equal numbers together, then each finding with the hosts that have it."""
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    hosts = grouped([(_host_row(host), host["ResourceId"]) for host in report["ResourceSummaries"]])
    if hosts:
        header = ("HOSTS", "STATUS", "NOT COMPLIANT", "UNKNOWN", "WAIVED", "SYSTEM")
        print_table(header, [(names, *row) for row, names in hosts])
    bad = [item for item in report["ComplianceItems"] if item["Status"] != "COMPLIANT"]
    findings = grouped([(_item_row(item), item["ResourceId"]) for item in bad])
    if findings:
        click.echo()
        columns = ("STATUS", "SEVERITY", "CHECK", "HOSTS", "FOUND", "REMEDY")
        print_table(columns, [(*row[:3], names, *row[3:]) for row, names in findings])
    sys.stdout.flush()


def _host_row(host: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        host["Status"],
        str(host["NonCompliantSummary"]["NonCompliantCount"]),
        str(host.get("UnknownCount", 0)),
        str(host.get("WaivedCount", 0)),
        host.get("Platform", {}).get("PlatformName", ""),
    )


def _item_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    details = item["Details"]
    waiver = details.get("Waiver")
    said = (
        f"until {waiver['Expires']}, {waiver['Owner']}: {waiver['Reason']}"
        if waiver
        else details.get("Remedy", "")
    )
    return (item["Status"], item["Severity"], item["Id"], details.get("Finding", ""), said)
