"""`fleetctl run`: Run Command."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, work_options, yes_option
from fleetctl.cli.output import check_writable
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.events import Event
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.run.prepare import Prepared

__all__ = ["run"]

_BEHIND = "write the command behind --, as in: fleetctl run web -- ls -l /srv"

FORMATS = ("table", "json", "jsonl", "yaml", "csv", "junit")

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
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """How results are shown."""

    format_: str
    output: Path | None
    grouped: bool
    diff: bool

    @property
    def as_they_come(self) -> bool:
        """Whether each host's lines are printed when it has ended."""
        return self.format_ == "table" and not self.grouped and not self.diff and self.output is None


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


@click.command(cls=_RunCommand, epilog=EPILOG)
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
    "--group-output/--per-host",
    "grouped",
    default=None,
    help="Equal output once, or each line behind its host's name.",
)
@click.option("--diff", is_flag=True, help="Show how outputs differ from the most common one.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Copy each host's output to DIR/HOST.out and .err.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="Form of the result.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the result there.",
)
@work_options
@yes_option
@pass_app
def run(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """Run a command, a script or an SSM document on TARGETS.

    The complete output of every host is kept; see `fleetctl runs`.
    """
    from fleetctl.run.prepare import prepare  # noqa: PLC0415

    fleet = app.fleet()
    shown = _shown(given)
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
    )
    if len(given["comment"]) > 100:
        raise UsageError("--comment is longer than 100 characters")
    for warning in prepared.warnings:
        app.note(f"warning: {warning}")
    limits = work.limits(fleet)
    if work.timeout is None and prepared.seconds is not None:
        limits = replace(limits, timeout=max(limits.timeout, prepared.seconds))
    hosts = work.hosts(fleet, targets)
    prepared.check(hosts)
    if given["dry_run"]:
        _dry_run(prepared, hosts, shown)
        return
    _confirm(fleet, hosts, given["yes"])
    result, seconds = _carry_out(
        app,
        fleet,
        prepared,
        hosts,
        work=work,
        limits=limits,
        targets=targets,
        comment=given["comment"],
        shown=shown,
    )
    _show(app, result, shown, seconds=seconds)
    if given["save"]:
        _save(result, given["save"])
    _exit(result)


def _shown(given: dict[str, Any]) -> _Shown:
    grouped, format_ = given["grouped"], given["format_"]
    if given["diff"] and format_ != "table":
        raise UsageError(f"--diff and --format {format_} do not go together")
    if grouped is None:
        grouped = given["output"] is None and sys.stdout.isatty()
    check_writable(given["output"])
    if given["save"] is not None:
        check_writable(given["save"] / "HOST.out" if given["save"].is_dir() else given["save"])
    return _Shown(format_=format_, output=given["output"], grouped=grouped, diff=given["diff"])


def _confirm(fleet: Fleet, hosts: tuple[Host, ...], yes: bool) -> None:  # noqa: FBT001 - the flag itself
    above = fleet.project.settings.run.confirm_above
    if above is not None and len(hosts) > above:
        from fleetctl.cli.prompts import confirm  # noqa: PLC0415

        confirm(f"Run this on {len(hosts)} hosts?", yes=yes)


def _carry_out(
    app: App,
    fleet: Fleet,
    prepared: Prepared,
    hosts: tuple[Host, ...],
    *,
    work: WorkOptions,
    limits: Any,
    targets: str,
    comment: str,
    shown: _Shown,
) -> tuple[RunResult, float]:
    from fleetctl.cli.work import carry_out  # noqa: PLC0415
    from fleetctl.redact import Redactor  # noqa: PLC0415

    options = work.transport_options(fleet)
    observers = [_line_printer(fleet)] if shown.as_they_come else []
    begun = time.monotonic()
    result = carry_out(
        app,
        lambda observers, control: fleet.fan_out(
            prepared.task,
            hosts,
            name=prepared.name,
            limits=limits,
            transport=options,
            parameters=prepared.parameters,
            comment=comment,
            selector=targets,
            observers=observers,
            control=control,
            secrets=prepared.secrets,
        ),
        title=Redactor(prepared.secrets).text(prepared.title),
        observers=observers,
        draw=not shown.as_they_come,
    )
    return result, time.monotonic() - begun


def _line_printer(fleet: Fleet) -> Callable[[Event], None]:
    """Print each host's output when it has ended, every line behind the host's name."""
    from fleetctl.cli.show import show_host  # noqa: PLC0415
    from fleetctl.engine.events import HostEnded, RunStarted  # noqa: PLC0415
    from fleetctl.store.runs import RunFolder  # noqa: PLC0415

    folder: RunFolder | None = None

    def observe(event: Event) -> None:
        nonlocal folder
        if isinstance(event, RunStarted):
            folder = RunFolder(fleet.runs.path / event.run_id)
        elif isinstance(event, HostEnded) and folder is not None:
            outcome = event.outcome
            if outcome.stdout_bytes or outcome.stderr_bytes:
                show_host(folder, {"InstanceId": outcome.host})
                sys.stdout.flush()

    return observe


def _show(app: App, result: RunResult, shown: _Shown, *, seconds: float) -> None:
    from fleetctl.cli.output import destination, write  # noqa: PLC0415
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415

    if shown.format_ != "table":
        from fleetctl.run.telling import tell_run  # noqa: PLC0415

        write(tell_run(result.report, result.folder), shown.format_, shown.output)
    elif not shown.as_they_come:
        with destination(shown.output) as file, contextlib.redirect_stdout(file):
            _show_text(result, shown)
    sys.stdout.flush()
    show_problems(result.report["Invocations"])
    if not app.quiet:
        show_summary(result.report, seconds=seconds)


def _show_text(result: RunResult, shown: _Shown) -> None:
    from fleetctl.cli.show import show_diff, show_grouped, show_host  # noqa: PLC0415

    invocations = result.report["Invocations"]
    if shown.diff:
        show_diff(result.folder, invocations)
    elif shown.grouped:
        show_grouped(result.folder, invocations)
    else:
        for invocation in invocations:
            show_host(result.folder, invocation)


def _save(result: RunResult, folder: Path) -> None:
    from fleetctl.run.save import save_output  # noqa: PLC0415

    save_output(result.folder, [outcome.host for outcome in result.outcomes], folder)


def _dry_run(prepared: Prepared, hosts: tuple[Host, ...], shown: _Shown) -> None:
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
    alike: dict[str, list[str]] = {}
    for host in hosts:
        alike.setdefault(prepared.describe(host), []).append(host.name)
    for text, names in alike.items():
        click.echo(f"--- {fold(names)}" + (f" ({len(names)})" if len(names) > 1 else ""))
        click.echo(safe(text.rstrip("\n")))


def _exit(result: RunResult) -> None:
    from fleetctl.engine.report import exit_code  # noqa: PLC0415

    code = exit_code(result.outcomes, interrupted=result.interrupted)
    if code:
        raise SystemExit(code)
