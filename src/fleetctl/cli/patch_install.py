"""`fleetctl patch install`: install a plan, reboot where needed, look again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, baseline_option, output_options, work_options, yes_option
from fleetctl.cli.patch_plan import choice_options, leave_with_plan, make_plan, refresh_option
from fleetctl.cli.patch_plan_table import show_plan
from fleetctl.cli.verdict import show_verdict
from fleetctl.cli.waves import WAVES_EPILOG, WaveOptions, asker, wave_options
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.compliance.model import ComplianceReport
    from fleetctl.engine.order import RunResult
    from fleetctl.engine.rollout import Rollout
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.patch.install import InstallTask
    from fleetctl.patch.plan import HostPlan, Plan

__all__ = ["install"]

EPILOG = """\
PLAN|TARGETS is a plan file of 'fleetctl patch plan -o FILE', or hosts: then the plan is made now, shown, and asked for. Exactly its
versions are installed; a host whose state has moved since is refused, a version that is gone from the mirror is told, never replaced.

Every host works as a detached job: it survives the loss of the connection and of this machine ('fleetctl runs resume' goes on). Held
packages stay as they are, local configuration files are kept and told. After it, and after a reboot, the host is looked at again: that
decides: the report names all hosts of the plan, also those that had nothing to install. A host that only waits for a reboot gets it.

Examples:
  fleetctl patch install web.plan
  fleetctl patch install web --security-only --yes
  fleetctl patch install web --dry-run
  fleetctl patch install web.plan --waves 1,10%,100% --gate 'systemctl is-active nginx' --bake 10m
  fleetctl patch install db.plan --reboot never --pre './drain' --post './undrain'

Exit codes: 0 installed and compliant; 3 a host failed; 4 hosts unreachable; 5 still not compliant, whether anything could be
installed or not; 6 --dry-run found something to install; 7 a gate was red.

"""


@click.command(cls=FleetCommand, epilog=EPILOG + WAVES_EPILOG)
@click.argument("plan_or_targets", metavar="PLAN|TARGETS", shell_complete=complete.targets)
@choice_options
@refresh_option
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
@click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing: as 'patch plan' does.")
@click.option("--comment", default="", metavar="TEXT", help="Free text for the record.")
@output_options("table", "json", "jsonl", "yaml", "csv", "junit", "html")
@wave_options
@work_options
@yes_option
@pass_app
def install(app: App, /, plan_or_targets: str, work: WorkOptions, waves: WaveOptions, **given: Any) -> None:
    """Install exactly what a plan says, reboot where needed, and look again."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.cli.show import show_problems  # noqa: PLC0415

    fleet = app.fleet()
    fleet.reports_folder("compliance")  # before anything is changed: a report that cannot be kept is no use
    rollout = waves.rollout()
    begun = time.monotonic()
    plan, planned = _plan(app, fleet, plan_or_targets, work=work, given=given)
    if planned is not None and planned.interrupted:
        show_problems(planned.report["Invocations"])
        raise SystemExit(130)
    hosts = _hosts(fleet, plan, work)
    if given["dry_run"]:
        shown = plan.only(host.name for host in hosts)
        leave_with_plan(app, shown, planned, given, seconds=time.monotonic() - begun)
    busy = {share.host for share in plan.hosts if _has_work(share, given["reboot"])}
    todo = tuple(host for host in hosts if host.name in busy)
    idle = tuple(host for host in hosts if host.name not in busy)
    if todo:
        if planned is not None:
            show_problems(planned.report["Invocations"])
        if not given["yes"]:
            show_plan(plan)
        confirm(_question(plan, todo), yes=given["yes"])
    looked = _look(app, fleet, idle, planned, work=work, given=given)
    if todo:
        title = f"patch install {plan_or_targets}"
        result = _carry_out(app, fleet, todo, plan, work=work, given=given, rollout=rollout, title=title)
        scanned = fleet.conclude_scan(result, looked=_without(looked, todo))
    elif looked is not None:
        scanned = fleet.conclude_scan(looked)
        app.note(f"nothing to install{_why_nothing(scanned.verdict)}")
    else:
        raise UsageError("no host of the plan is left", hint="see what it holds with: --dry-run")
    show_verdict(app, scanned, given, seconds=time.monotonic() - begun)


def _why_nothing(verdict: ComplianceReport) -> str:
    if verdict.non_compliant:
        return ": what is missing is kept back, or cannot be had; the plan says why: fleetctl patch plan"
    if verdict.unscanned:
        return " on the hosts that could be looked at"
    return ": hosts have what their baselines ask for"


def _without(looked: RunResult | None, hosts: tuple[Host, ...]) -> list[RunResult]:
    if looked is None:
        return []
    names = {host.name for host in hosts}
    return [replace(looked, outcomes=tuple(o for o in looked.outcomes if o.host not in names))]


def _carry_out(
    app: App,
    fleet: Fleet,
    hosts: tuple[Host, ...],
    plan: Plan,
    *,
    work: WorkOptions,
    given: Mapping[str, Any],
    rollout: Rollout | None,
    title: str,
) -> RunResult:
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415
    from fleetctl.patch.work import install_work  # noqa: PLC0415

    task = _task(fleet, plan.only(host.name for host in hosts), given)
    return fan_out(
        app,
        fleet,
        task,
        hosts,
        work=work,
        title=title,
        name=DOCUMENT,
        parameters={"Operation": "Install", "PlanId": plan.plan_id, "RebootOption": given["reboot"]},
        comment=given["comment"],
        selector=plan.selector,
        record=install_work(task),
        detached=True,
        rollout=rollout,
        ask=asker(app),
    )


def _plan(
    app: App, fleet: Fleet, plan_or_targets: str, *, work: WorkOptions, given: Mapping[str, Any]
) -> tuple[Plan, RunResult | None]:
    """Return the plan, and the run that made it where it was made now."""
    path = Path(plan_or_targets)
    if path.is_file():
        from fleetctl.patch.plan_file import read_plan  # noqa: PLC0415

        if any(
            given[name]
            for name in ("security_only", "cve", "package", "exclude_package", "patches", "refresh")
        ):
            raise UsageError(
                "a plan file is installed as it is: what chooses patches goes with hosts",
                hint="make another with: fleetctl patch plan",
            )
        plan = read_plan(path)
        for host, why in plan.failed.items():
            app.note(f"warning: {host} is not in the plan, it could not be planned: {why}")
        return plan, None
    _no_lost_file(path, fleet)
    return make_plan(app, fleet, plan_or_targets, work=work, given=given)


def _no_lost_file(path: Path, fleet: Fleet) -> None:
    """Tell a mistyped plan file from a selector that matches nothing."""
    from fleetctl.errors import NotFoundError  # noqa: PLC0415
    from fleetctl.spec.suggest import near  # noqa: PLC0415

    if str(path) in fleet.inventory.hosts or not (path.suffix in {".plan", ".json"} or path.is_dir()):
        return
    plans = near(path.name, sorted(other.name for other in path.parent.glob("*.plan")))
    raise NotFoundError(
        f"there is no plan file {path}",
        hint=f"did you mean {' or '.join(str(path.with_name(name)) for name in plans)}?"
        if plans
        else "make one with: fleetctl patch plan TARGETS --output FILE",
    )


def _hosts(fleet: Fleet, plan: Plan, work: WorkOptions) -> tuple[Host, ...]:
    """Return the hosts of a plan, as the inventory and the flags say they are reached."""
    from fleetctl.errors import NotFoundError  # noqa: PLC0415

    names = {share.host for share in plan.hosts}
    known = fleet.inventory.hosts
    if missing := sorted(name for name in names if name not in known):
        raise NotFoundError(
            f"the inventory does not know {len(missing)} of the plan's hosts: {', '.join(missing[:5])}",
            hint="name the inventory that the plan was made with (-i PATH), or make a new plan",
        )
    chosen = replace(work, limit=None).hosts(fleet, "all") if names else ()
    return tuple(host for host in chosen if host.name in names)[: work.limit]


def _has_work(share: HostPlan, reboot: str) -> bool:
    """Tell whether a host is to be changed: SSM reboots also what waits for a reboot from before (RebootIfNeeded)."""
    return bool(share.patches or (share.reboot_pending and reboot != "never"))


def _question(plan: Plan, hosts: tuple[Host, ...]) -> str:
    names = {host.name for host in hosts}
    installing = sum(share.host in names for share in plan.work)
    waiting = len(hosts) - installing
    asked = [f"Install this on {installing} host{'s' if installing != 1 else ''}"] if installing else []
    if waiting:
        asked.append(f"reboot {waiting} that wait{'s' if waiting == 1 else ''} for it")
    question = " and ".join(asked)
    return f"{question[0].upper()}{question[1:]}?"


def _look(
    app: App,
    fleet: Fleet,
    idle: tuple[Host, ...],
    planned: RunResult | None,
    *,
    work: WorkOptions,
    given: Mapping[str, Any],
) -> RunResult | None:
    """Return a run that looked at the hosts that have nothing to install: the one that planned them, else one that does it now."""
    from fleetctl.cli.patch import carry_out_scan  # noqa: PLC0415
    from fleetctl.cli.show import show_problems  # noqa: PLC0415

    if planned is not None or not idle:
        return planned
    task = fleet.scan_task(baseline=given["baseline"], become=given["become"])
    run = carry_out_scan(app, fleet, task, idle, work=work, selector=",".join(host.name for host in idle))
    show_problems(run.report["Invocations"])
    return run


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
