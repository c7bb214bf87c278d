"""`fleetctl run`: Run Command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, work_options, yes_option
from fleetctl.cli.reboot import RebootOptions, reboot_options
from fleetctl.cli.result import Shown, leave, line_printer, show_result, shown_options
from fleetctl.cli.waves import WAVES_EPILOG, WaveOptions, asker, describe_waves, wave_options
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.rollout import Rollout
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.run.prepare import Prepared

__all__ = ["run"]

_BEHIND = "write the command behind --, as in: fleetctl run web -- ls -l /srv"

EPILOG = """\
TARGETS is a comma list, read left to right: names and globs (web-01, web-0*), ranges (web-[01-20]), groups, tags
(env=prod), zone=, os=, patch-group=, all, @failed:RUN; '&' in front keeps only what it also matches, '!' takes away.

One word behind -- is a line for the shell; several words are a program and its arguments, each quoted.

Examples:
  fleetctl run all -- uptime
  fleetctl run 'web,&env=prod,!web-03' -- 'df -h / | tail -1'
  fleetctl run web --become -- systemctl restart nginx
  fleetctl run web --max-concurrency 10% --max-errors 2 --script deploy.sh -- v1.2.3
  fleetctl run db --template --script motd.sh.j2 --dry-run
  fleetctl run all --document AWS-RunShellScript -p commands='uptime'
  fleetctl run @failed:last -- systemctl status app
  fleetctl run all --diff -- sysctl -a
  fleetctl run db --detach --timeout 7200 -- ./reindex
  fleetctl run web --reboot --waves 1,50%,100%

"""


class _RunCommand(FleetCommand):
    """Refuses a command that stands neither behind `--` nor last and in one word: its options would be taken for ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and look at how the command was written."""
        apart, last = "--" in args, args[-1:]
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as exc:
            if not apart:
                raise UsageError(f"no such option: {exc.option_name}", hint=_BEHIND) from exc
            raise
        command = ctx.params.get("command") or ()
        if not apart and command and list(command) != last:
            raise UsageError("the command does not stand behind --", hint=_BEHIND)
        return rest


@click.command(cls=_RunCommand, epilog=EPILOG + WAVES_EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.argument("command", nargs=-1)
@click.option(
    "--script",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run this script; - reads it from stdin.",
)
@click.option(
    "--document", metavar="NAME|FILE", shell_complete=complete.documents, help="Run an SSM Command document."
)
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="K=V",
    help="A parameter of the document; may be repeated.",
)
@click.option(
    "--stdin",
    "stdin",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Feed this file to the command's stdin.",
)
@click.option("-e", "--env", multiple=True, metavar="K=V", help="Export this; may be repeated.")
@click.option("--cwd", metavar="FOLDER", help="Enter this folder first.")
@click.option(
    "--shell", metavar="PROGRAM", help="What reads the command: sh, bash, python3, ...  [default: sh, or #!]"
)
@click.option(
    "-b", "--become/--no-become", default=None, help="Become another user, root if not said otherwise."
)
@click.option("--become-user", metavar="NAME", help="Become this user.")
@click.option("--template", is_flag=True, help="The command is a Jinja2 template over each host's vars.")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME",
    help="The value of this environment variable is a secret.",
)
@click.option(
    "--comment", default="", metavar="TEXT", help="Free text for the record, 100 characters at the most."
)
@click.option("--dry-run", is_flag=True, help="Show hosts and what would be sent; touch no host.")
@click.option(
    "--detach",
    is_flag=True,
    help="Run as jobs that outlive the connection, sshd and this controller; followed to their end.",
)
@click.option("--no-wait", is_flag=True, help="With --detach: leave as soon as the jobs run.")
@shown_options
@reboot_options
@wave_options
@work_options
@yes_option
@pass_app
def run(
    app: App, /, targets: str, work: WorkOptions, waves: WaveOptions, reboot: RebootOptions, **given: Any
) -> None:
    """Run a command, a script or an SSM document on TARGETS.

    The complete output of every host is kept; see `fleetctl runs`.
    """
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.redact import Redactor  # noqa: PLC0415

    fleet = app.fleet()
    shown = Shown.of(given)
    rollout = waves.rollout()
    if given["no_wait"] and (rollout or not given["detach"]):
        raise UsageError("--no-wait goes with --detach, and not with --waves", hint="leave --no-wait out")
    prepared = _prepared(app, fleet, given, reboot=reboot)
    if rollout:
        rollout.refuse_secrets(Redactor(prepared.secrets).text)
    prepared, limits = prepared.within(work.limits(fleet), given=work.timeout is not None)
    hosts = work.hosts(fleet, targets)
    hosts = rollout.order(hosts) if rollout else hosts
    prepared.check(hosts)
    if given["dry_run"]:
        _dry_run(prepared, hosts, shown, rollout=rollout)
        return
    _confirm(fleet, hosts, given["yes"])
    begun = time.monotonic()
    result = fan_out(
        app,
        fleet,
        prepared.task,
        hosts,
        work=work,
        title=Redactor(prepared.secrets).text(prepared.title),
        observers=[line_printer(fleet.runs)] if shown.as_they_come else [],
        draw=not shown.as_they_come,
        name=prepared.name,
        limits=limits,
        parameters=prepared.parameters,
        comment=given["comment"],
        selector=targets,
        secrets=prepared.secrets,
        record=prepared.work,
        detached=given["detach"],
        wait=not given["no_wait"],
        rollout=rollout,
        ask=asker(app),
    )
    show_result(app, result, shown, seconds=time.monotonic() - begun, save=given["save"])
    leave(result)


def _prepared(app: App, fleet: Fleet, given: Mapping[str, Any], *, reboot: RebootOptions) -> Prepared:
    from fleetctl.run.prepare import prepare  # noqa: PLC0415

    prepared = prepare(
        project=fleet.project,
        words=given["command"],
        script=given["script"],
        document=given["document"],
        params=given["params"],
        stdin=given["stdin"],
        env=given["env"],
        cwd=given["cwd"],
        shell=given["shell"],
        become=given["become"],
        become_user=given["become_user"],
        template=given["template"],
        secrets=given["secrets"],
        reboot=reboot.rule(document=given["document"] is not None),
    )
    if len(given["comment"]) > 100:
        raise UsageError("--comment is longer than 100 characters")
    for warning in prepared.warnings:
        app.note(f"warning: {warning}")
    return prepared


def _confirm(fleet: Fleet, hosts: tuple[Host, ...], yes: bool) -> None:  # noqa: FBT001 - the flag itself
    above = fleet.project.settings.run.confirm_above
    if above is not None and len(hosts) > above:
        from fleetctl.cli.prompts import confirm  # noqa: PLC0415

        confirm(f"Run this on {len(hosts)} hosts?", yes=yes)


def _dry_run(prepared: Prepared, hosts: tuple[Host, ...], shown: Shown, *, rollout: Rollout | None) -> None:
    if shown.format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Case, Telling  # noqa: PLC0415

        rows = [{"InstanceId": host.name, "WouldSend": prepared.describe(host)} for host in hosts]
        cases = [Case(name=host.name, suite="fleetctl.dry-run", skipped="dry run") for host in hosts]
        telling = Telling(
            data=rows, rows=rows, columns=tuple(rows[0]), cases=cases, title="fleetctl run --dry-run"
        )
        write(telling, shown.format_, shown.output)
        return
    from fleetctl.cli.terminal import safe  # noqa: PLC0415
    from fleetctl.hosts import fold  # noqa: PLC0415

    click.echo(
        f"dry run: nothing was sent to {len(hosts)} host{'s' if len(hosts) != 1 else ''}: {fold([h.name for h in hosts])}"
    )
    for line in describe_waves(rollout, hosts) if rollout else ():
        click.echo(safe(line))
    alike: dict[str, list[str]] = {}
    for host in hosts:
        alike.setdefault(prepared.describe(host), []).append(host.name)
    for text, names in alike.items():
        click.echo(f"--- {fold(names)}" + (f" ({len(names)})" if len(names) > 1 else ""))
        click.echo(safe(text.rstrip("\n")))
