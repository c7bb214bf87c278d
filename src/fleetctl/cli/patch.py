"""`fleetctl patch`: Patch Manager."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, LazyGroup, pass_app
from fleetctl.cli.options import WorkOptions, baseline_option, output_options, work_options, yes_option
from fleetctl.cli.patch_plan import refresh_option, tell_refresh
from fleetctl.cli.verdict import show_verdict

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.patch.scan import ScanTask

__all__ = ["carry_out_scan", "patch"]

_SEVERITIES = ("critical", "high", "medium", "low", "informational", "unspecified")

GROUP_EPILOG = """\
Examples:
  fleetctl patch scan all                              what every host lacks
  fleetctl patch scan web --format json -o scan.json   for machines
  fleetctl patch plan web -o web.plan                  exactly what would be installed
  fleetctl patch install web.plan --waves 1,10%,100%   exactly that, one host first
  fleetctl patch cve CVE-2024-3094                     which hosts are affected
  fleetctl patch cves --kev                            what is open and known to be exploited
  fleetctl patch baseline list                         what hosts are judged by
"""

SCAN_EPILOG = """\
Nothing is changed on the hosts: no file is written, and package lists are believed as they lie there. With --refresh they are brought up
to date first, as root: the one thing that a scan ever writes.

A security fix counts as missing when the vendor's security pocket has a newer version, also where a hold, a pin or a newer
build elsewhere hides it. Hosts that cannot be judged are listed with the reason and never called compliant.

Examples:
  fleetctl patch scan all
  fleetctl patch scan 'web,&env=prod' --become          also services that need a restart (needrestart wants root)
  fleetctl patch scan web --baseline web-next           what another patch baseline would say
  fleetctl patch scan all --refresh                     fetch the package lists first
  fleetctl patch scan all --max-metadata-age 2          do not believe package lists older than two days
  fleetctl patch scan all --format junit -o patch.xml   as a CI step
  fleetctl run @noncompliant:last -- uname -a           go on with the hosts that are not compliant

Exit codes: 0 all compliant; 3 a host could not be scanned; 4 hosts unreachable, none failed; 5 all scanned, some not
compliant; 130 interrupted. What comes first here wins, but for 5 and 0: an incomplete scan is told before its verdict.
"""


# Verbs with a file of their own.
VERBS: dict[str, tuple[str, str]] = {
    "plan": (
        "fleetctl.cli.patch_plan:plan",
        "Show exactly what would be installed; write it as a plan file.",
    ),
    "install": ("fleetctl.cli.patch_install:install", "Install a plan, reboot where needed, look again."),
    "cve": ("fleetctl.cli.patch_cve:cve", "Say which hosts are affected by a CVE, and by whose word."),
    "cves": ("fleetctl.cli.patch_cves:cves", "List the CVEs that are open, the most pressing first."),
    "baseline": ("fleetctl.cli.baseline:baseline", "Look at patch baselines, check them, explain verdicts."),
}


@click.group(cls=LazyGroup, verbs=VERBS, epilog=GROUP_EPILOG)
def patch() -> None:
    """Find out what hosts lack, install it, and report compliance."""


@patch.command(cls=FleetCommand, epilog=SCAN_EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.option("-b", "--become/--no-become", default=None, help="Look as root, or as the login user.")
@refresh_option
@baseline_option
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
@output_options("table", "json", "jsonl", "yaml", "csv", "junit", "html", "sarif")
@work_options
@yes_option
@pass_app
def scan(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """Look at the packages of TARGETS, and report what they lack by their patch baseline."""
    from datetime import timedelta  # noqa: PLC0415

    from fleetctl.cli.work import order_terms  # noqa: PLC0415

    days = given["max_metadata_age"]
    tell_refresh(app, given)
    fleet = app.fleet()
    begun = time.monotonic()
    scanned = fleet.patch_scan(
        work.hosts(fleet, targets),
        baseline=given["baseline"],
        become=given["become"],
        detail=given["detail"],
        refresh=given["refresh"],
        max_metadata_age=timedelta(days=days) if days is not None else None,
        comment=given["comment"],
        selector=targets,
        **order_terms(app, fleet, work=work, title=f"patch scan {targets}"),
    )
    show_verdict(app, scanned, given, seconds=time.monotonic() - begun)


def carry_out_scan(
    app: App,
    fleet: Fleet,
    task: ScanTask,
    hosts: Sequence[Host],
    *,
    work: WorkOptions,
    selector: str,
    comment: str = "",
) -> RunResult:
    """Look at hosts, and show how it goes."""
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

    return fan_out(
        app,
        fleet,
        task,
        hosts,
        work=work,
        title=f"patch scan {selector}",
        name=DOCUMENT,
        parameters={"Operation": "Scan", **({"Refresh": True} if task.refresh else {})},
        comment=comment,
        selector=selector,
    )
