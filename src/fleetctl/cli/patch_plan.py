"""`fleetctl patch plan`: exactly what would be installed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, baseline_option, output_options, work_options, yes_option
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.patch.plan import HostPlan, Plan
    from fleetctl.patch.planning import Choice

__all__ = [
    "choice_of",
    "choice_options",
    "leave_with_plan",
    "make_plan",
    "plan",
    "refresh_option",
    "show_plan",
    "tell_refresh",
]

F = TypeVar("F", bound=Callable[..., Any])

EPILOG = """\
Nothing is changed on the hosts but, with --refresh, their package lists. With --output the plan is written as a file that 'fleetctl patch install' takes: it installs exactly
these versions, on later waves and later days too, and refuses a host whose state has moved since.

Examples:
  fleetctl patch plan web
  fleetctl patch plan web -o web.plan
  fleetctl patch plan all --security-only --exclude-package 'linux-image-*'
  fleetctl patch plan web --baseline web-next
  fleetctl patch plan all --cve CVE-2026-12345 --format json

Exit codes: 0 nothing to install; 3 a host could not be planned; 4 hosts unreachable; 6 there is something to install.
"""


def choice_options(function: F) -> F:
    """Add the flags that say which patches are planned: `security_only`, `cve`, `package`, `exclude_package`."""
    options: tuple[Callable[[F], F], ...] = (
        click.option("--security-only", is_flag=True, help="Only security fixes."),
        click.option(
            "--cve", multiple=True, metavar="ID", help="Only what closes this CVE; may be repeated."
        ),
        click.option(
            "--package", multiple=True, metavar="GLOB", help="Only these packages; may be repeated."
        ),
        click.option(
            "--exclude-package", multiple=True, metavar="GLOB", help="Never these packages; may be repeated."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def refresh_option(function: F) -> F:
    """Add `--refresh`."""
    return click.option(
        "--refresh",
        is_flag=True,
        help="Bring the hosts' package lists up to date first, as root: the only thing that is written there.",
    )(function)


def tell_refresh(app: App, given: Mapping[str, Any]) -> None:
    """Say that `--refresh` writes.

    Raises:
        UsageError: root is not to be had.
    """
    if given["refresh"] and given.get("become") is False:
        raise UsageError("--refresh wants root on the hosts", hint="leave --no-become out")
    if given["refresh"]:
        app.note("refreshing package lists: the one thing that is written on the hosts")


def choice_of(given: Mapping[str, Any]) -> Choice:
    """Read the flags of `choice_options`."""
    from fleetctl.patch.planning import Choice  # noqa: PLC0415

    return Choice(
        security_only=given["security_only"],
        cves=tuple(cve.upper() for cve in given["cve"]),
        packages=given["package"],
        exclude=given["exclude_package"],
    )


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@choice_options
@refresh_option
@baseline_option
@click.option("-b", "--become/--no-become", default=None, help="Look as root, or as the login user.")
@output_options("table", "json", "yaml", "csv")
@work_options
@yes_option
@pass_app
def plan(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """Show exactly what Patch Manager would install on TARGETS, and what it would leave."""
    begun = time.monotonic()
    made, run = make_plan(app, app.fleet(), targets, work=work, given=given)
    leave_with_plan(app, made, run, given, seconds=time.monotonic() - begun)


def leave_with_plan(
    app: App, made: Plan, run: RunResult | None, given: Mapping[str, Any], *, seconds: float
) -> NoReturn:
    """Show a plan as the flags say, and end with its exit code.

    Args:
        app: the shared flags.
        made: the plan.
        run: that made it; None: it was read from a file.
        given: `format_` and `output`.
        seconds: how long it took.
    """
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415
    from fleetctl.engine.report import exit_code  # noqa: PLC0415

    format_, output = given["format_"], given["output"]
    if format_ != "table" or output is not None:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.patch.plan_telling import tell_plan  # noqa: PLC0415

        write(tell_plan(made), "json" if format_ == "table" else format_, output)
    if format_ == "table":
        show_plan(made)
    code = 0
    if run is not None:
        code = exit_code(run.outcomes, interrupted=run.interrupted)
        show_problems(run.report["Invocations"])
        if not app.quiet:
            show_summary(run.report, seconds=seconds)
    if output is not None and made.work:
        app.note(f"install it with: fleetctl patch install {output}")
    raise SystemExit(code or (6 if made.work else 0))


def make_plan(
    app: App, fleet: Fleet, targets: str, *, work: WorkOptions, given: Mapping[str, Any]
) -> tuple[Plan, RunResult]:
    """Look at hosts and plan them; the plan is kept in the run's folder too."""
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.patch.planning import PlanTask, plan_of  # noqa: PLC0415
    from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

    tell_refresh(app, given)
    scan = fleet.scan_task(baseline=given["baseline"], become=given.get("become"), refresh=given["refresh"])
    task = PlanTask(scan=scan, choice=choice_of(given))
    run = fan_out(
        app,
        fleet,
        task,
        work.hosts(fleet, targets),
        work=work,
        title=f"patch plan {targets}",
        name=DOCUMENT,
        parameters={"Operation": "Plan", **({"Refresh": True} if scan.refresh else {})},
        selector=targets,
    )
    return plan_of(run, selector=targets), run


def show_plan(plan: Plan) -> None:
    """Write what would change, alike hosts together, and what would not and why."""
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415

    changes = grouped([(row, share.host) for share in plan.hosts for row in _change_rows(share)])
    if changes:
        print_table(
            ("CHANGE", "PACKAGE", "FROM", "TO", "CLOSES", "HOSTS"), [(*row, names) for row, names in changes]
        )
    left = grouped([(row, share.host) for share in plan.hosts for row in _left_rows(share)])
    if left:
        click.echo()
        print_table(("LEFT OUT", "VERSION", "WHY", "HOSTS"), [(*row, names) for row, names in left])
    hosts = grouped([(_host_row(share), share.host) for share in plan.hosts])
    if hosts:
        click.echo()
        print_table(
            ("HOSTS", "PATCHES", "DOWNLOAD", "DISK", "REBOOT", "SERVICES", "BASELINE", "TROUBLE"),
            [(names, *row) for row, names in hosts],
        )
    sys.stdout.flush()


def _change_rows(share: HostPlan) -> list[tuple[str, ...]]:
    closes = {(patch.name, patch.arch): " ".join((*patch.cves, *patch.advisories)) for patch in share.patches}
    rows: list[tuple[str, ...]] = []
    for change in share.changes:
        if change.kind == "configure":
            continue
        name = f"{change.name}.{change.arch}" if change.arch else change.name
        why = closes.get((change.name, change.arch), "comes along")
        rows.append((change.kind, name, change.before or "-", change.after or "-", why or "-"))
    return rows


def _left_rows(share: HostPlan) -> list[tuple[str, ...]]:
    return [(item.name, item.version or "-", item.why) for item in share.left_out]


def _host_row(share: HostPlan) -> tuple[str, ...]:
    reboot = "pending" if share.reboot_pending else "expected" if share.reboot_expected else "if it asks"
    return (
        str(len(share.patches)),
        _bytes(share.download),
        _bytes(share.disk),
        reboot if share.patches or share.reboot_pending else "no",
        str(len(share.services)),
        share.baseline,
        "; ".join(trouble.message for trouble in share.troubles) or "-",
    )


def _bytes(number: int | None) -> str:
    if number is None:
        return "?"
    from fleetctl.spec.size import tell_size  # noqa: PLC0415

    return tell_size(number) if number >= 0 else f"-{tell_size(-number)}"
