"""`fleetctl doctor`: what is wrong, here and on hosts, and what to do about it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, output_options, work_options
from fleetctl.errors import FleetError
from fleetctl.transport.protocol import TransportOptions

if TYPE_CHECKING:
    from fleetctl.doctor.model import Finding, State
    from fleetctl.engine.budget import Limits
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.run.command import BecomeRule

__all__ = ["doctor"]

EPILOG = """\
Without TARGETS only this machine and the project are looked at. Nothing is changed anywhere.
Exit codes: 0 all well (warnings included), 2 a fault here, 3 a check failed on a host, 4 hosts unreachable.

Examples:
  fleetctl doctor
  fleetctl doctor all
  fleetctl doctor 'web,!web-03' --become
  fleetctl doctor all --format json
"""

_COLOURS = {"ok": "green", "info": "cyan", "warn": "yellow", "fail": "red"}


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", required=False, shell_complete=complete.targets)
@click.option(
    "-b",
    "--become/--no-become",
    default=None,
    help="Also try to become another user, root if not said otherwise.  [default: where the inventory says so]",
)
@click.option("--become-user", metavar="NAME", help="Try to become this user.")
@output_options("table", "json", "jsonl", "yaml", "csv", "junit")
@work_options
@pass_app
def doctor(app: App, /, targets: str | None, work: WorkOptions, **given: Any) -> None:
    """Look for what keeps fleetctl from working: project, keys, agent, known_hosts, and every host of TARGETS."""
    from fleetctl.doctor.model import exit_code  # noqa: PLC0415
    from fleetctl.run.command import BecomeRule  # noqa: PLC0415

    findings = _examine(app, targets, work, BecomeRule(wanted=given["become"], user=given["become_user"]))
    format_, output = given["format_"], given["output"]
    if format_ == "table" and output is None:
        _show(app, findings, hint=targets is None)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.doctor.telling import tell  # noqa: PLC0415

        write(tell(findings), "json" if format_ == "table" else format_, output)
    if code := exit_code(findings):
        raise SystemExit(code)


def _examine(app: App, targets: str | None, work: WorkOptions, rule: BecomeRule) -> list[Finding]:
    from fleetctl.doctor.machine import examine_machine  # noqa: PLC0415
    from fleetctl.doctor.model import from_error  # noqa: PLC0415
    from fleetctl.doctor.project import examine_inventory, examine_project  # noqa: PLC0415

    try:
        fleet = app.fleet()
    except FleetError as exc:
        # Without settings nothing can be said about hosts, but the machine can still be looked at.
        return [*from_error("project", exc), *examine_machine(max_concurrency=200)]
    limits = work.limits(fleet)
    findings = list(examine_project(fleet.project))
    inventory, found = examine_inventory(app.inventory)
    findings += found
    known = tuple(inventory.hosts.values()) if inventory is not None else ()
    chosen = work.hosts(fleet, targets) if targets is not None and inventory is not None else ()
    most = limits.max_concurrency
    findings += examine_machine(max_concurrency=most.of(len(known), least=1) if most.percent else most.number)
    options = work.transport_options(fleet) if inventory is not None else TransportOptions()
    return findings + asyncio.run(
        _examine_ssh(app, fleet, options=options, limits=limits, chosen=chosen, known=known, rule=rule)
    )


async def _examine_ssh(
    app: App,
    fleet: Fleet,
    *,
    options: TransportOptions,
    limits: Limits,
    chosen: Sequence[Host],
    known: Sequence[Host],
    rule: BecomeRule,
) -> list[Finding]:
    from fleetctl.doctor.examine import examine_hosts  # noqa: PLC0415
    from fleetctl.doctor.ssh import examine_ssh  # noqa: PLC0415
    from fleetctl.transport.credentials import ChainCredentials  # noqa: PLC0415

    # Whether a passphrase is at hand is a question to the environment and the keyring, not to the person who asks.
    silent = ChainCredentials(command=fleet.project.settings.password_command)
    findings = await examine_ssh(replace(options, credentials=silent), chosen or known)
    if chosen:
        findings += await examine_hosts(
            chosen, options=options, limits=limits, become=rule.of, progress=_progress(app, len(chosen))
        )
    return findings


def _progress(app: App, total: int) -> Callable[[int], None]:
    if app.quiet or not sys.stderr.isatty():
        return lambda _: None

    def show(done: int) -> None:
        click.echo(f"\r{done}/{total} hosts" if done < total else "\r\033[K", nl=False, err=True)

    return show


def _show(app: App, findings: Sequence[Finding], *, hint: bool) -> None:
    """Write what is wrong last: nearest to the eye; hosts that are alike together, healthy ones in one line."""
    from fleetctl.doctor.model import State  # noqa: PLC0415
    from fleetctl.doctor.telling import group_alike, healthy  # noqa: PLC0415
    from fleetctl.hosts import fold  # noqa: PLC0415
    from fleetctl.hosts.alike import for_all, who  # noqa: PLC0415

    local = [finding for finding in findings if not finding.host]
    of_hosts = [finding for finding in findings if finding.host]
    for finding in local:
        _line(finding.state, finding.check, finding.subject, finding.message, finding.remedy)
    for checks, names in healthy(of_hosts).items():
        count = f" ({len(names)})" if len(names) > 1 else ""
        _line(State.OK, "hosts", f"{fold(names)}{count}", ", ".join(checks), "")
    for group in group_alike(of_hosts):
        finding, subjects = group.finding, group.subjects
        if finding.state is not State.OK or app.verbose:
            _line(
                finding.state,
                finding.check,
                who(subjects),
                finding.message,
                for_all(finding.remedy, subjects),
            )
    sys.stdout.flush()
    counts = Counter(finding.state for finding in findings)
    said = ", ".join(f"{counts[state]} {state.value}" for state in reversed(State) if counts[state])
    app.note(said + ("; to look at hosts too: fleetctl doctor TARGETS" if hint else ""))


def _line(state: State, check: str, subject: str, message: str, remedy: str) -> None:
    from fleetctl.cli.terminal import safe  # noqa: PLC0415

    label = click.style(f"{state.value:<4}", fg=_COLOURS[state.value], bold=state.value == "fail")
    text = f"{subject}: {message}" if subject else message
    click.echo(f"{label}  {check:<14}  {safe(text)}")
    for line in remedy.splitlines():
        click.echo(f"{'':<22}{click.style('do', fg='cyan')}: {safe(line)}")
