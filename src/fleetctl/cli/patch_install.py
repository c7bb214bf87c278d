"""`fleetctl patch install`: install a plan, reboot where needed, look again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, baseline_option, output_options, work_options, yes_option
from fleetctl.cli.patch_plan import choice_options, make_plan, show_plan
from fleetctl.cli.verdict import show_verdict
from fleetctl.cli.waves import WAVES_EPILOG, WaveOptions, asker, wave_options
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.patch.install import InstallTask
    from fleetctl.patch.plan import Plan

__all__ = ["install"]

EPILOG = """\
PLAN|TARGETS is a plan file of 'fleetctl patch plan -o FILE', or hosts: then the plan is made now, shown, and asked for. Exactly its
versions are installed; a host whose state has moved since is refused, a version that is gone from the mirror is told, never replaced.

Every host works as a detached job: it survives the loss of the connection and of this machine ('fleetctl runs resume' goes on). Held
packages stay as they are, local configuration files are kept and told. After it, and after a reboot, the host is looked at again: that
decides.

Examples:
  fleetctl patch install web.plan
  fleetctl patch install web --security-only --yes
  fleetctl patch install web.plan --waves 1,10%,100% --gate 'systemctl is-active nginx' --bake 10m
  fleetctl patch install db.plan --reboot never --pre './drain' --post './undrain'

Exit codes: 0 installed and compliant; 3 a host failed; 4 hosts unreachable; 5 installed, and still not compliant; 7 a gate was red.

"""


@click.command(cls=FleetCommand, epilog=EPILOG + WAVES_EPILOG)
@click.argument("plan_or_targets", metavar="PLAN|TARGETS", shell_complete=complete.targets)
@choice_options
@baseline_option
@click.option(
    "--reboot",
    type=click.Choice(["if-needed", "never", "always"]),
    default="if-needed",
    show_default=True,
    help="When to reboot a host; it is proved by its boot id, and waited for.",
)
@click.option(
    "--reboot-timeout",
    type=click.FloatRange(1, 86_400),
    default=600,
    metavar="SECONDS",
    help="Until a host is back.  [default: 600]",
)
@click.option(
    "--pre",
    default="",
    metavar="COMMAND",
    help="On each host before the installation; if it fails, nothing is installed.",
)
@click.option("--post", default="", metavar="COMMAND", help="On each host after it, before a reboot.")
@click.option(
    "--lock-timeout",
    type=click.IntRange(0, 86_400),
    default=600,
    metavar="SECONDS",
    help="Wait for who holds the package manager's lock.  [default: 600]",
)
@click.option("-b", "--become/--no-become", default=None, help="For looking; installing is done as root.")
@click.option("--comment", default="", metavar="TEXT", help="Free text for the record.")
@output_options("table", "json", "jsonl", "yaml", "csv", "junit")
@wave_options
@work_options
@yes_option
@pass_app
def install(app: App, /, plan_or_targets: str, work: WorkOptions, waves: WaveOptions, **given: Any) -> None:
    """Install exactly what a plan says, reboot where needed, and look again."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415
    from fleetctl.patch.work import install_work  # noqa: PLC0415

    fleet = app.fleet()
    fleet.reports_folder("compliance")  # before anything is changed: a report that cannot be kept is no use
    rollout = waves.rollout()
    plan = _plan(app, fleet, plan_or_targets, work=work, given=given)
    hosts = _hosts(fleet, plan, work)
    if not hosts:
        app.note("nothing to install: every host has what its baseline asks for, or cannot have it")
        return
    confirm(f"Install this on {len(hosts)} host{'s' if len(hosts) != 1 else ''}?", yes=given["yes"])
    task = _task(fleet, plan.only(host.name for host in hosts), given)
    limits = work.limits(fleet)
    begun = time.monotonic()
    result = fan_out(
        app,
        fleet,
        task,
        hosts,
        work=work,
        title=f"patch install {plan_or_targets}",
        name=DOCUMENT,
        limits=limits,
        parameters={"Operation": "Install", "PlanId": plan.plan_id, "RebootOption": given["reboot"]},
        comment=given["comment"],
        selector=plan.selector,
        record=install_work(task),
        detached=True,
        rollout=rollout,
        ask=asker(app),
    )
    scanned = fleet.conclude_scan(result)
    show_verdict(app, scanned, given, seconds=time.monotonic() - begun)


def _plan(
    app: App, fleet: Fleet, plan_or_targets: str, *, work: WorkOptions, given: Mapping[str, Any]
) -> Plan:
    path = Path(plan_or_targets)
    if path.is_file():
        from fleetctl.patch.plan import read_plan  # noqa: PLC0415

        if given["security_only"] or given["cve"] or given["package"] or given["exclude_package"]:
            raise UsageError("a plan is installed as it is", hint="make another with: fleetctl patch plan")
        plan = read_plan(path)
    else:
        from fleetctl.cli.show import show_problems  # noqa: PLC0415

        plan, run = make_plan(app, fleet, plan_or_targets, work=work, given=given)
        show_problems(run.report["Invocations"])
    if not given["yes"]:
        show_plan(plan)
    return plan


def _hosts(fleet: Fleet, plan: Plan, work: WorkOptions) -> tuple[Host, ...]:
    """Return the hosts that have something to install, as the inventory and the flags say they are reached."""
    from fleetctl.errors import NotFoundError  # noqa: PLC0415

    names = [share.host for share in plan.work]
    known = fleet.inventory.hosts
    if missing := [name for name in names if name not in known]:
        raise NotFoundError(
            f"{len(missing)} hosts of the plan are not in the inventory: {', '.join(missing[:5])}",
            hint="name the inventory that the plan was made with: -i PATH",
        )
    if not names:
        return ()
    wanted = set(names)
    return tuple(host for host in work.hosts(fleet, "all") if host.name in wanted)


def _task(fleet: Fleet, plan: Plan, given: Mapping[str, Any]) -> InstallTask:
    from fleetctl.engine.boot import RebootRule  # noqa: PLC0415
    from fleetctl.patch.install import InstallTask  # noqa: PLC0415

    return InstallTask(
        plan=plan,
        scan=fleet.scan_task(baseline=given["baseline"], become=given["become"]),
        reboot=given["reboot"],
        rule=RebootRule(timeout=given["reboot_timeout"]),
        pre=given["pre"],
        post=given["post"],
        lock_seconds=given["lock_timeout"],
    )
