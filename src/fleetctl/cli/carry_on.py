"""`fleetctl runs resume|attach|retry|cancel`: carry on with a run that somebody, or something, cut short."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.ending import as_they_come, end
from fleetctl.cli.options import WorkOptions, work_options, yes_option
from fleetctl.cli.result import Shown, line_printer, show_result, shown_options
from fleetctl.errors import BlockedError, NotFoundError, UsageError

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.store.runs import RunFolder

__all__ = ["attach", "cancel", "resume", "retry"]

# Seconds in which a controller that was asked to cancel should have ended.
_PATIENCE = 90.0

_env = click.option(
    "-e",
    "--env",
    multiple=True,
    metavar="K=V",
    help="The value of a secret, or of a variable that came from the environment; may be repeated.",
)

RESUME_EPILOG = """\
RUN is a run's id, any unambiguous part of it, or 'last'.

What ended stays as it is. Hosts that were not begun are begun. Detached jobs are attached to. A host that was at work when the
controller was killed, and was not detached, is Unknown, and is never begun again without --retry-unknown; but what only looks (inventory
collect, compliance check, patch scan) looks again. Scans, installations and checks are then judged as a whole: exit code 5 is theirs.

Examples:
  fleetctl runs resume last
  fleetctl runs resume 7f3a9c --retry-unknown
  fleetctl runs resume last --yes                  go on after a red gate
  TOKEN=... fleetctl runs resume last              secrets are not kept: give them again
"""

ATTACH_EPILOG = """\
Nothing is begun. Where another controller is at work, what it does is shown.

Examples:
  fleetctl runs attach last
  fleetctl runs attach 7f3a9c --format json
"""

RETRY_EPILOG = """\
Makes a new run of the same order, linked to the old one, on those of its hosts that the flags name; --failed and --unreachable
if there are none.

Examples:
  fleetctl runs retry last
  fleetctl runs retry last --unreachable
  fleetctl runs retry 7f3a9c --failed --max-concurrency 1
"""

CANCEL_EPILOG = """\
Asks the controller that is at work to end what runs. Where there is none, ends on the hosts what it left there: detached jobs, and
commands that outlived their connection. Hosts that were not begun are Cancelled.

Examples:
  fleetctl runs cancel last
  fleetctl runs cancel 7f3a9c --yes

The exit code is 0 where nothing is left that may still run, else 3.
"""


@click.command(cls=FleetCommand, epilog=RESUME_EPILOG)
@click.argument("run", shell_complete=complete.runs)
@click.option("--retry-unknown", is_flag=True, help="Also begin again where nobody saw the end.")
@_env
@shown_options
@work_options
@yes_option
@pass_app
def resume(app: App, /, run: str, work: WorkOptions, **given: Any) -> None:
    """Carry on with RUN after its controller was killed, stopped, or a gate was red."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.engine.replay import replay  # noqa: PLC0415

    fleet, folder = _found(app, run)
    story = replay(folder)
    left = any(share.never_started or _unknown(share) for share in story.shares.values())
    if story.ended and not left and not fleet.lacks_verdict(folder):
        raise NotFoundError(
            f"run {folder.run_id} has ended: nothing is left to resume",
            hint=f"run it again where it failed: fleetctl runs retry {folder.run_id}",
        )
    if story.paused and story.paused.get("reason") == "gate":
        app.note(str(story.paused.get("message", "a gate was red")))
        confirm("Go on all the same?", yes=given["yes"], act="a gate was red")
    if given["retry_unknown"]:
        confirm("Begin again where nobody saw the end?", yes=given["yes"], act="this repeats commands")
    _proceed(app, fleet, folder, work=work, verb="resume", given=given)


@click.command(cls=FleetCommand, epilog=ATTACH_EPILOG)
@click.argument("run", shell_complete=complete.runs)
@_env
@shown_options
@work_options
@pass_app
def attach(app: App, /, run: str, work: WorkOptions, **given: Any) -> None:
    """Follow the detached jobs of RUN to their end, and collect their output."""
    from fleetctl.engine.replay import replay  # noqa: PLC0415
    from fleetctl.store.lock import owner_of  # noqa: PLC0415

    fleet, folder = _found(app, run)
    if owner := owner_of(folder.path):
        app.note(f"another controller is at work: {owner}")
        _watch(app, folder, given)
    story = replay(folder)
    if story.stands in {"run-ended", "run-paused"} and not any(map(_unknown, story.shares.values())):
        app.note(f"run {folder.run_id} has nothing that runs; this is how it stands")
        _leave_shown(_tell(app, folder, given))
    _proceed(app, fleet, folder, work=work, verb="attach", given=given)


@click.command(cls=FleetCommand, epilog=RETRY_EPILOG)
@click.argument("run", shell_complete=complete.runs)
@click.option("--failed", is_flag=True, help="Hosts that failed or took too long.")
@click.option("--unreachable", is_flag=True, help="Hosts that could not be reached.")
@click.option("--unknown", is_flag=True, help="Hosts whose end nobody saw: it may be done twice there.")
@click.option("--cancelled", is_flag=True, help="Hosts that were cancelled.")
@click.option("--terminated", is_flag=True, help="Hosts that were not begun because a budget was spent.")
@_env
@shown_options
@work_options
@yes_option
@pass_app
def retry(app: App, /, run: str, work: WorkOptions, **given: Any) -> None:
    """Run the same order again on hosts of RUN that did not do it."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.engine.header import limits_of  # noqa: PLC0415
    from fleetctl.run.carry_on import remember  # noqa: PLC0415
    from fleetctl.run.history import hosts_of_run  # noqa: PLC0415

    fleet, folder = _found(app, run)
    names = ("failed", "unreachable", "unknown", "cancelled", "terminated")
    kinds = [name for name in names if given[name]] or ["failed", "unreachable"]
    chosen = {host for kind in kinds for host in hosts_of_run(folder, kind)}
    if not chosen:
        raise NotFoundError(
            f"run {folder.run_id} has no host that is {' or '.join(kinds)}",
            hint=f"see what became of them: fleetctl runs show {folder.run_id}",
        )
    order = folder.run()
    remembered = remember(order, environment=_environment(given["env"]))
    if remembered.task is None:
        raise UsageError(
            f"what run {folder.run_id} did cannot be done again from what was kept",
            hint=f"write the command again, for: @{kinds[0]}:{folder.run_id}",
        )
    work = work.as_before(order.get("Reach", {}))
    hosts = tuple(host for host in work.hosts(fleet, "all") if host.name in chosen)
    if not hosts:
        raise NotFoundError("none of these hosts is in the inventory any more", hint="name it: -i PATH")
    if "unknown" in kinds:
        confirm(f"Do it again on {len(hosts)} hosts, of which some may have done it?", yes=given["yes"])
    shown, begun = Shown.of(given), time.monotonic()
    lines = as_they_come(order, shown)
    result = fan_out(
        app,
        fleet,
        remembered.task,
        hosts,
        work=work,
        title=f"retry of {folder.run_id}",
        observers=[line_printer(fleet.runs)] if lines else [],
        draw=not lines,
        name=order["DocumentName"],
        limits=replace(limits_of(order), **work.limit_changes()),
        parameters=order.get("Parameters", {}),
        comment=order.get("Comment", ""),
        selector=",".join(f"@{kind}:{folder.run_id}" for kind in kinds),
        secrets=remembered.secrets,
        record=remembered.work,
        detached=bool(order.get("Detached")),
        retry_of=folder.run_id,
    )
    end(app, fleet, result, given, shown=shown, seconds=time.monotonic() - begun)


@click.command(cls=FleetCommand, epilog=CANCEL_EPILOG)
@click.argument("run", shell_complete=complete.runs)
@shown_options
@work_options
@yes_option
@pass_app
def cancel(app: App, /, run: str, work: WorkOptions, **given: Any) -> None:
    """End what RUN has running, wherever its controller is."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.engine.replay import replay  # noqa: PLC0415
    from fleetctl.store.lock import ask_to_cancel, owner_of  # noqa: PLC0415
    from fleetctl.store.owner import user_name  # noqa: PLC0415

    fleet, folder = _found(app, run)
    owner = owner_of(folder.path)
    story = replay(folder)
    if owner is None and story.ended and not any(_unknown(share) for share in story.shares.values()):
        raise NotFoundError(f"run {folder.run_id} has ended: nothing is left to cancel")
    confirm(f"Cancel run {folder.run_id}?", yes=given["yes"], act="this ends what runs on hosts")
    if owner is None:
        _proceed(app, fleet, folder, work=work, verb="cancel", given=given)
        return
    ask_to_cancel(folder.path, by=user_name())
    app.note(f"asked the controller to cancel: {owner}")
    until = time.monotonic() + _PATIENCE
    while owner_of(folder.path) is not None:
        if time.monotonic() > until:
            raise BlockedError(
                f"the controller has not ended within {_PATIENCE:g} s: {owner}",
                hint=f"kill -KILL {owner.pid} on {owner.host}, then: fleetctl runs cancel {folder.run_id}",
            )
        time.sleep(0.2)
    _leave_cancelled(_tell(app, folder, given))


def _found(app: App, run: str) -> tuple[Fleet, RunFolder]:
    """Find a run, and open the fleet with the inventory that it was begun with, unless `-i` names another."""
    from fleetctl.fleet import Fleet  # noqa: PLC0415

    fleet = app.fleet()
    folder = fleet.runs.find(run)
    sources = folder.run().get("Reach", {}).get("Inventory")
    if sources and not fleet.sources:
        fleet = Fleet(fleet.project, sources=sources)
    return fleet, folder


def _unknown(share: Any) -> bool:
    return bool(share.unsure)


def _environment(given: tuple[str, ...]) -> Mapping[str, str]:
    values = dict(os.environ)
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--env: '{item}' gives no value", hint=f"write --env {name}=VALUE")
        values[name] = value
    return values


def _proceed(
    app: App, fleet: Fleet, folder: RunFolder, *, work: WorkOptions, verb: Any, given: Mapping[str, Any]
) -> None:
    from fleetctl.cli.waves import asker  # noqa: PLC0415
    from fleetctl.cli.work import carry_out  # noqa: PLC0415
    from fleetctl.run.carry_on import hosts_in_order  # noqa: PLC0415

    if work.limit or work.exclude:
        raise UsageError("--limit and --exclude do not go with a run whose hosts are chosen")
    run = folder.run()
    work = work.as_before(run.get("Reach", {}))
    again = bool(given.get("retry_unknown"))
    hosts = work.applied(hosts_in_order(folder, fleet.inventory.hosts, verb=verb, retry_unknown=again))
    shown, options = Shown.of(dict(given)), work.transport_options(fleet)
    changes, environment = work.limit_changes(), _environment(given.get("env", ()))
    begun, lines = time.monotonic(), as_they_come(run, shown)
    result: RunResult = carry_out(
        app,
        lambda observers, control: fleet.proceed(
            folder,
            hosts,
            verb=verb,
            transport=options,
            retry_unknown=again,
            environment=environment,
            changes=changes,
            observers=observers,
            control=control,
            ask=asker(app),
        ),
        title=f"{verb} {folder.run_id}",
        observers=[line_printer(fleet.runs)] if lines else [],
        draw=not lines,
        lasting=bool(run.get("Detached")),
    )
    seconds = time.monotonic() - begun
    if verb != "cancel":
        end(app, fleet, result, given, shown=shown, seconds=seconds)
    show_result(app, result, shown, seconds=seconds, save=given["save"])
    _leave_cancelled(result.report)


def _watch(app: App, folder: RunFolder, given: Mapping[str, Any]) -> NoReturn:
    """Show what another controller does, until it has ended."""
    from fleetctl.run.watch import watch  # noqa: PLC0415

    for outcome in watch(folder):
        app.note(f"{outcome.host} {outcome.status_details} {outcome.message}".rstrip())
    _leave_shown(_tell(app, folder, given))


def _tell(app: App, folder: RunFolder, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Show, and return, the report of a run on which nobody works now."""
    from fleetctl.cli.result import show_report  # noqa: PLC0415
    from fleetctl.run.history import report_of  # noqa: PLC0415

    report = report_of(folder)
    show_report(app, report, folder, Shown.of(dict(given)), save=given["save"])
    return report


def _leave_shown(report: Mapping[str, Any]) -> NoReturn:
    """End with the exit code that the run itself ended with, as far as its report tells."""
    from fleetctl.engine.report import exit_code  # noqa: PLC0415
    from fleetctl.model import Outcome, Status  # noqa: PLC0415

    outcomes = [
        Outcome(host=item["InstanceId"], status=Status(item["Status"])) for item in report["Invocations"]
    ]
    raise SystemExit(exit_code(outcomes, paused="Paused" in report))


def _leave_cancelled(report: Mapping[str, Any]) -> NoReturn:
    """Cancelling went well where nothing is left that may still run."""
    statuses = {item["Status"] for item in report["Invocations"]}
    raise SystemExit(3 if statuses & {"Unknown", "InProgress", "Pending"} else 0)
