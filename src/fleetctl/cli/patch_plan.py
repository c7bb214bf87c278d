"""`fleetctl patch plan`: exactly what would be installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, baseline_option, output_options, work_options, yes_option
from fleetctl.cli.patch_plan_table import show_plan
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.patch.plan import Plan
    from fleetctl.patch.planning import Choice

__all__ = [
    "choice_of",
    "choice_options",
    "leave_with_plan",
    "make_plan",
    "plan",
    "refresh_option",
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
  fleetctl patch plan web --patches approved.yaml          patches: [{id: openssl.x86_64, title: 'openssl.x86_64:1:3.0.7-28*'}]
  fleetctl patch plan all --cve CVE-2026-12345 --format json
  fleetctl patch plan all --refresh --format html -o plan.html    for people: totals, hosts, CVEs closed and left

Exit codes: 0 nothing to install; 3 a host could not be planned, or its plan could not be installed as it stands; 4 hosts unreachable; 6 there is something to install.
"""


def choice_options(function: F) -> F:
    """Add the flags that say which patches are planned: `security_only`, `cve`, `package`, `exclude_package`, `patches`."""
    options: tuple[Callable[[F], F], ...] = (
        click.option("--security-only", is_flag=True, help="Only security fixes."),
        click.option(
            "--cve", multiple=True, metavar="ID", help="Only what closes this CVE; may be repeated."
        ),
        click.option(
            "--package", multiple=True, metavar="GLOB", help="Only these packages; may be repeated."
        ),
        click.option(
            "--exclude-package",
            multiple=True,
            metavar="GLOB",
            help="Never these packages, also not as dependencies; may be repeated.",
        ),
        click.option(
            "--patches",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Exactly the patches of this list, whatever the baseline says (SSM: InstallOverrideList).",
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
    from fleetctl.feeds.model import cve_id  # noqa: PLC0415
    from fleetctl.patch.patch_list import read_patch_list  # noqa: PLC0415
    from fleetctl.patch.planning import Choice  # noqa: PLC0415

    if given["patches"] is not None:
        if given["security_only"] or given["cve"] or given["package"] or given["exclude_package"]:
            raise UsageError("--patches names exactly what is installed", hint="leave the other choices out")
        return Choice(only=read_patch_list(given["patches"]))
    cves = {cve: cve_id(cve) for cve in given["cve"]}
    if wrong := [cve for cve, known in cves.items() if known is None]:
        raise UsageError(f"--cve: '{wrong[0]}' is no CVE id", hint="write it as CVE-2024-3094")
    return Choice(
        security_only=given["security_only"],
        cves=tuple(known for known in cves.values() if known),
        packages=given["package"],
        exclude=given["exclude_package"],
    )


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@choice_options
@refresh_option
@baseline_option
@click.option(
    "-b",
    "--become/--no-become",
    default=None,
    help="Look as root, or as the login user. What would change is asked as root, unless --no-become.",
)
@output_options("table", "json", "yaml", "csv", "html")
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
    from fleetctl.patch.plan_rows import stuck  # noqa: PLC0415

    format_, output = given["format_"], given["output"]
    if format_ != "table" or output is not None:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.patch.plan_telling import tell_plan  # noqa: PLC0415

        write(tell_plan(made), "json" if format_ == "table" else format_, output)
    if format_ == "table":
        show_plan(made)
    code = 3 if any(map(stuck, made.hosts)) else 0
    if run is not None:
        code = exit_code(run.outcomes, interrupted=run.interrupted) or code
        show_problems(run.report["Invocations"])
        if not app.quiet:
            show_summary(run.report, seconds=seconds)
    if output is not None and format_ in {"table", "json"} and made.work:
        app.note(f"install it with: fleetctl patch install {output}")
    raise SystemExit(code or (6 if made.work else 0))


def make_plan(
    app: App, fleet: Fleet, targets: str, *, work: WorkOptions, given: Mapping[str, Any]
) -> tuple[Plan, RunResult]:
    """Look at hosts and plan them; the plan is kept in the run's folder too."""
    from fleetctl.cli.work import order_terms  # noqa: PLC0415

    tell_refresh(app, given)
    planned = fleet.patch_plan(
        work.hosts(fleet, targets),
        baseline=given["baseline"],
        choice=choice_of(given),
        become=given.get("become"),
        refresh=given["refresh"],
        selector=targets,
        **order_terms(app, fleet, work=work, title=f"patch plan {targets}"),
    )
    return planned.plan, planned.run
