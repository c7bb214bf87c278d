"""`fleetctl patch cves`: which vulnerabilities to mend first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options, selection_options

__all__ = ["cves"]

EPILOG = """\
First what CISA's catalog lists as exploited, then by EPSS (how likely it is exploited within 30 days), severity, and number of hosts.
UPDATES is on how many of the hosts the repositories have an update that mends it. What the vendor calls unimportant is left
out unless it is exploited; --all shows it.

Examples:
  fleetctl patch cves                                   all that is open, over all hosts
  fleetctl patch cves web --kev                         only what is known to be exploited
  fleetctl patch cves --epss 0.1 --top 20               at least 10% likely to be exploited, the first 20
  fleetctl patch cves --fixable --format csv -o open.csv

Exit codes: 0 nothing is open; 5 a CVE is listed; 3 none is, and of some hosts it cannot be told; 2 no such host, or no such feed.
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", default="all", shell_complete=complete.targets)
@click.option("--kev", is_flag=True, help="Only CVEs that CISA's catalog lists as exploited.")
@click.option(
    "--epss",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Only CVEs at least this likely to be exploited within 30 days, from 0 to 1.",
)
@click.option("--fixable", is_flag=True, help="Only CVEs for which a host has an update.")
@click.option("--all", "unimportant", is_flag=True, help="Also what the vendor calls unimportant.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the first N.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@selection_options
@pass_app
def cves(app: App, /, targets: str, **given: Any) -> None:
    """List the CVEs that are open on TARGETS, the most pressing first."""
    from fleetctl.patch.cves import Filter  # noqa: PLC0415

    fleet = app.fleet()
    hosts = fleet.select(targets, limit=given["limit"], exclude=given["exclude"])
    wanted = Filter(
        exploited=given["kev"],
        epss=given["epss"],
        fixable=given["fixable"],
        unimportant=given["unimportant"],
    )
    answer = fleet.open_cves(hosts, wanted=wanted, top=given["top"])
    if given["format_"] == "table":
        _show_cves(answer.report, given)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.patch.cves_telling import tell_cves  # noqa: PLC0415

        write(tell_cves(answer.report), given["format_"], given["output"])
    _end_of_cves(app, answer.report)
    if answer.exit_code:
        raise SystemExit(answer.exit_code)


def _show_cves(report: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.hosts import fold  # noqa: PLC0415

    rows = []
    for one in report["Cves"]:
        listed = one["KnownExploited"]
        updates = f"{one['UpdateCount']} of {one['HostCount']}"
        rows.append((
            one["Cve"],
            (f"due {listed['DueDate']}" if listed["DueDate"] else "yes") if listed else "-",
            "-" if one["Epss"] is None else f"{one['Epss']:.1%}",
            one["Severity"] or "-",
            updates if one["FixExists"] or one["UpdateCount"] else "no fix",
            " ".join(one["Packages"]),
            f"{fold(one['Hosts'])} ({one['HostCount']})" if one["HostCount"] > 1 else one["Hosts"][0],
        ))  # fmt: skip
    if rows or given["output"]:
        header = ("CVE", "EXPLOITED", "EPSS", "SEVERITY", "UPDATES", "PACKAGES", "HOSTS")
        print_table(header, rows, output=given["output"])


def _end_of_cves(app: App, report: Mapping[str, Any]) -> None:
    from fleetctl.cli.patch_cve import warn_of_feeds  # noqa: PLC0415
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415

    for (reason,), hosts in grouped([((one["Reason"],), one["InstanceId"]) for one in report["Unknown"]]):
        app.note(f"not known: {hosts}: {reason}")
    warn_of_feeds(app, report)
    summary = report["Summary"]
    shown = len(report["Cves"])
    told = f"{summary['CveCount']} open CVEs on {summary['HostCount']} hosts"
    told += f", {shown} shown" if shown < summary["CveCount"] else ""
    left = summary["UnimportantCount"]
    app.note(
        told + (f"; {left} that vendors call unimportant are left out (--all shows them)" if left else "")
    )
