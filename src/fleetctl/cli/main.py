"""The program `fleetctl`: its groups, loaded when named, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from fleetctl import __version__
from fleetctl.cli.app import App, LazyGroup
from fleetctl.cli.terminal import safe
from fleetctl.errors import FleetError, ProblemsError

__all__ = ["cli", "main"]

# Name -> where it is, and its line in `fleetctl --help`; nothing is imported before it is asked for.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("fleetctl.cli.init:init", "Make a commented project here."),
    "demo": ("fleetctl.cli.demo:demo", "See it work on embedded hosts, without root, in a minute."),
    "doctor": ("fleetctl.cli.doctor:doctor", "Find out why something does not work, and what to do."),
    "hosts": ("fleetctl.cli.hosts:hosts", "Look at hosts, check inventories, trust host keys."),
    "run": ("fleetctl.cli.run:run", "Run a command, script or SSM document on hosts."),
    "runs": ("fleetctl.cli.runs:runs", "Look back at runs: status, output, report."),
    "copy": ("fleetctl.cli.copy:copy", "Push files to hosts, pull files from hosts."),
    "patch": ("fleetctl.cli.patch:patch", "Find out what hosts lack, and report compliance."),
    "feeds": ("fleetctl.cli.feeds:feeds", "Keep what is known about CVEs, from files you bring."),
    "inventory": ("fleetctl.cli.inventory:inventory", "Know what is on the hosts, and how it changed."),
    "compliance": (
        "fleetctl.cli.compliance:compliance",
        "Hold hosts to policies; see who is compliant, and how it came to that.",
    ),
    "document": ("fleetctl.cli.document:document", "Look at SSM documents, and check them."),
    "audit": ("fleetctl.cli.audit:audit", "Who ran what, when and where; prove that nobody changed it."),
    "schema": ("fleetctl.cli.schema:schema", "Print the JSON Schema of a file or report."),
}

EPILOG = """\
Examples:
  fleetctl demo                                        see it work, without any host of yours
  fleetctl init                                        make a project in this folder
  fleetctl run 'web,&env=prod' -- uptime               all web hosts that are in production
  fleetctl patch scan all --format json                what every host lacks, for machines
  fleetctl -i hosts.ini run all -- 'df -h | tail -1'   any Ansible inventory, without a project

Exit codes: 0 all well, 1 a bug in fleetctl, 2 usage or configuration, 3 a host failed, 4 hosts unreachable and
none failed, 5 not compliant, 6 changes to make, 7 blocked by policy, 130 interrupted.
"""


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


class _ReaderGoneError(Exception):
    """Whoever read our output (head, less) has closed the pipe."""


class _Program(LazyGroup):
    """The program: its groups are imported when they are used."""

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out the command; a reader that has gone is told apart from what click makes of it, an exit code of 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            raise _ReaderGoneError from exc


@click.group(
    cls=_Program,
    verbs=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="fleetctl", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run commands, patch, and check any fleet over SSH: no agent, no server, no cloud.

    Words and behaviour follow AWS Systems Manager.
    """
    context.ensure_object(App)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the program and exit. Errors become messages and exit codes here, and nowhere else."""
    try:
        _main(args)
    except (_ReaderGoneError, BrokenPipeError):
        # Nothing is wrong: end as a program does that SIGPIPE ends.
        _drop_output()
        sys.exit(141)
    except OSError as exc:
        _drop_output()
        _line("error", "usage", f"the output cannot be written: {exc.strerror}")
        _hint("what ran has been kept: fleetctl runs list")
        sys.exit(2)


def _drop_output() -> None:
    """Let go of streams that take nothing more: else the interpreter complains of them on its way out."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _main(args: list[str] | None) -> NoReturn:
    app = App()
    code: Any = None
    try:
        if isinstance(sys.stdout, TextIOWrapper):
            # Names and messages may hold what the terminal's encoding lacks: shown escaped, not a failure.
            sys.stdout.reconfigure(errors="backslashreplace")
        code = cli.main(args, prog_name="fleetctl", standalone_mode=False, obj=app, color=_colour())
        sys.stdout.flush()
    except FleetError as exc:
        _show_error(exc)
        _trace(app)
        sys.exit(exc.exit_code)
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as exc:
        _show_usage_error(exc)
        sys.exit(2)
    except click.ClickException as exc:
        _line("error", "usage", exc.format_message())
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        with contextlib.suppress(OSError):
            click.echo("aborted", err=True)
        sys.exit(130)
    except (_ReaderGoneError, BrokenPipeError):
        raise
    except Exception as exc:  # noqa: BLE001 - the last net: a bug must not look like a host's failure
        _bug(app, exc)
    sys.exit(code if isinstance(code, int) else 0)


def _bug(app: App, exc: Exception) -> NoReturn:
    _trace(app)
    if isinstance(exc, OSError) and exc.errno in _NO_ROOM and exc.filename is None:
        raise exc  # files have errors of their own: this is a stream
    _line("error", "internal", f"{type(exc).__name__}: {exc}")
    _hint("this is a bug in fleetctl; run it again with --debug and report what it says")
    sys.exit(1)


def _show_error(exc: FleetError) -> None:
    """Write an error to stderr: its code, where, what, and what to do."""
    if isinstance(exc, ProblemsError):
        for problem in exc.problems:
            _line("error", exc.code, str(problem))
            if problem.hint:
                _hint(problem.hint)
        if len(exc.problems) > 1:
            click.echo(f"{len(exc.problems)} problems", err=True)
        return
    _line("error", exc.code, str(exc))
    if exc.hint:
        _hint(exc.hint)


def _show_usage_error(exc: click.UsageError) -> None:
    _line("error", "usage", exc.format_message())
    if exc.ctx is not None:
        click.echo(exc.ctx.get_usage(), err=True)
        _hint(f"see '{exc.ctx.command_path} --help'")


def _line(kind: str, code: str, text: str) -> None:
    label = click.style(f"{kind}[{code}]", fg="red", bold=True)
    click.echo(f"{label}: {safe(text)}", err=True, color=_colour())


def _hint(text: str) -> None:
    for line in text.splitlines():
        click.echo(f"  {click.style('hint', fg='cyan')}: {safe(line)}", err=True, color=_colour())


def _colour() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def _trace(app: App) -> None:
    if app.debug:
        import traceback  # noqa: PLC0415

        traceback.print_exc()
