"""`fleetctl patch cve`: which hosts a vulnerability is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import (
    WorkOptions,
    baseline_option,
    output_options,
    work_options,
    yes_option,
)

if TYPE_CHECKING:
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host

__all__ = ["cve", "warn_of_feeds"]

EPILOG = """\
No host is touched: the answer comes from the last scan or inventory of each host, whichever is newer, the advisories of the host's
own package lists, and the feeds that are kept (fleetctl feeds). Each verdict has its source and date; where sources contradict one
another both are shown, and the worse one counts. UNKNOWN is said where no source tells, never NOT_AFFECTED.

Examples:
  fleetctl patch cve CVE-2024-3094                      over all hosts
  fleetctl patch cve CVE-2024-3094 'web,&env=prod'
  fleetctl patch cve CVE-2024-3094 web --scan           look at the hosts first
  fleetctl patch cve CVE-2024-3094 --format json
  fleetctl patch install web --cve CVE-2024-3094        mend it, where advisories name it

Exit codes: 0 nobody is affected; 5 a host is affected; 3 none is known to be, and of some it cannot be told; 2 no such host.
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("cve", metavar="CVE")
@click.argument("targets", default="all", shell_complete=complete.targets)
@click.option("--scan", is_flag=True, help="Look at the hosts first, instead of at what they told last.")
@click.option("-b", "--become/--no-become", default=None, help="With --scan: as root, or as the login user.")
@baseline_option
@output_options("table", "json", "jsonl", "yaml", "csv", "junit")
@work_options
@yes_option
@pass_app
def cve(app: App, /, cve: str, targets: str, work: WorkOptions, **given: Any) -> None:
    """Say which of TARGETS are affected by CVE, fixed or not affected, of which it cannot be told, and why."""
    wanted = _cve(cve)
    fleet = app.fleet()
    hosts = work.hosts(fleet, targets)
    if given["scan"]:
        _scan(app, fleet, hosts, work=work, given=given, selector=targets)
    answer = fleet.cve(wanted, hosts, baseline=given["baseline"])
    if given["format_"] == "table":
        _show_cve(answer.report, given)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.patch.cve_telling import tell_cve  # noqa: PLC0415

        write(tell_cve(answer.report), given["format_"], given["output"])
    _end_of_cve(app, answer.report)
    if answer.exit_code:
        raise SystemExit(answer.exit_code)


def _cve(text: str) -> str:
    from fleetctl.errors import UsageError  # noqa: PLC0415
    from fleetctl.feeds.model import cve_id  # noqa: PLC0415

    found = cve_id(text)
    if found is None:
        raise UsageError(
            f"'{text}' is no CVE id",
            hint="write it as CVE-2024-3094; list what is open with: fleetctl patch cves TARGETS",
        )
    return found


def _scan(
    app: App,
    fleet: Fleet,
    hosts: tuple[Host, ...],
    *,
    work: WorkOptions,
    given: Mapping[str, Any],
    selector: str,
) -> None:
    """Look at hosts now; those that cannot be looked at are judged by what they told before."""
    from fleetctl.cli.patch import carry_out_scan  # noqa: PLC0415
    from fleetctl.cli.show import show_problems  # noqa: PLC0415

    task = fleet.scan_task(baseline=given["baseline"], become=given["become"])
    run = carry_out_scan(app, fleet, task, hosts, work=work, selector=selector)
    show_problems(run.report["Invocations"])
    if run.interrupted:
        raise SystemExit(130)


def _show_cve(report: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415
    from fleetctl.patch.cve_telling import source_text  # noqa: PLC0415

    rows = []
    for host in report["Hosts"]:
        seen = f"{host['SeenBy']} of {host['Seen'][:10]}" if host["Seen"] else "-"
        for package in host["Packages"]:
            says = "; ".join(source_text(verdict) for verdict in package["Verdicts"])
            fixed = package["FixedVersion"] or "-"
            row = (package["Status"], package["Name"], package["InstalledVersion"], fixed)
            note = f"; {package['Note']}" if package["Note"] else ""
            rows.append(((*row, _update(package), seen, says + note), host["InstanceId"]))
        if not host["Packages"]:
            rows.append(((host["Status"], "-", "-", "-", "-", seen, host["Reason"]), host["InstanceId"]))
    order = ("AFFECTED", "UNKNOWN", "FIXED", "NOT_AFFECTED")
    rows.sort(key=lambda told: order.index(told[0][0]))
    header = ("HOSTS", "STATUS", "PACKAGE", "INSTALLED", "FIXED IN", "UPDATE", "SEEN BY", "SAYS")
    cells = [(hosts, *row) for row, hosts in grouped(rows)]
    print_table(header, cells, output=given["output"], above=[_headline(report), ""])


def _headline(report: Mapping[str, Any]) -> str:
    listed = report["KnownExploited"]
    told = [report["Cve"], report["Severity"] or "severity not known"]
    if listed:
        told.append(
            f"known exploited since {listed['DateAdded']}"
            + (f", due {listed['DueDate']}" if listed["DueDate"] else "")
        )
    if report["Epss"] is not None:
        told.append(f"EPSS {report['Epss']:.1%}")
    return "; ".join(told)


def _update(package: Mapping[str, Any]) -> str:
    update = package["Update"]
    if package["Status"] != "AFFECTED":
        return "-"
    if update is None:
        return "not known" if package["Note"].startswith("updates are not known") else "none to be had"
    told = [update["Version"]]
    if update["Fixes"] is False:
        return f"{update['Version']} does not mend it"
    if update["Fixes"] is None:
        told.append("may mend it")
    if "Held" in update:
        told.append(f"kept back: {update['Held']}")
    told.append("approved" if update["Approved"] else _why_not(update))
    return ", ".join(told)


def _why_not(update: Mapping[str, Any]) -> str:
    if update["Approved"] is None:
        return "no baseline"
    if "DueDate" in update:
        return f"waits until {update['DueDate'][:10]}"
    return "rejected" if update.get("Decision") == "EXPLICIT_REJECTED" else "not asked for by the baseline"


def _end_of_cve(app: App, report: Mapping[str, Any]) -> None:
    if any(package["SourcesDisagree"] for host in report["Hosts"] for package in host["Packages"]):
        app.note("sources contradict one another: the worse verdict counts")
    if old := [host["InstanceId"] for host in report["Hosts"] if _is_old(host["Seen"], report["Made"])]:
        from fleetctl.hosts import fold  # noqa: PLC0415

        app.note(f"warning: last seen more than 7 days ago: {fold(old)}: look again with --scan")
    warn_of_feeds(app, report)
    counts = report["Summary"]
    words = {
        "AffectedCount": "affected",
        "FixedCount": "fixed",
        "NotAffectedCount": "not affected",
        "UnknownCount": "not known",
    }
    app.note(f"{report['Cve']}: " + ", ".join(f"{counts[name]} {word}" for name, word in words.items()))


def _is_old(seen: str | None, now: str) -> bool:
    from datetime import datetime  # noqa: PLC0415

    from fleetctl.feeds.model import STALE  # noqa: PLC0415

    return seen is not None and datetime.fromisoformat(now) - datetime.fromisoformat(seen) > STALE


def warn_of_feeds(app: App, report: Mapping[str, Any]) -> None:
    """Tell the operator which feeds are old, or that there are none."""
    old = [f"{feed['Feed']} ({feed['AgeDays']} days)" for feed in report["Feeds"] if feed["Stale"]]
    if old:
        app.note(f"warning: old feeds, fetch and import them again: {', '.join(old)}")
    if not report["Feeds"]:
        app.note(
            "warning: no feed is kept: only what hosts' own package lists say is known; see: fleetctl feeds --help"
        )
