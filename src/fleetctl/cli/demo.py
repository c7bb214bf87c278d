"""`fleetctl demo`: the main job on embedded hosts, without root and without any host of yours."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from io import TextIOBase
from pathlib import Path
from shlex import quote
from shutil import which
from tempfile import mkdtemp
from typing import Any, TextIO

import click

from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.errors import UsageError
from fleetctl.model import Reason

__all__ = ["demo"]

COMMAND = "uname -sr; cat release"
SCANNED = "web-1"

_LINES = 10
"""Lines that the demo shows of a scan: a machine may lack hundreds of patches."""

_STAY = 3600.0
"""Seconds that hosts stay up with `--stay`, at the most."""

EPILOG = """\
Starts five SSH hosts on 127.0.0.1, in a process of its own that ends with the demo. One key, made for this, logs in; commands
run as you, and nothing on this machine is changed outside the demo's folder.

Examples:
  fleetctl demo
  fleetctl demo --keep fleet-demo
  fleetctl demo --stay               then, in another terminal, run commands on its hosts
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Make the project there, in a new or empty folder.  [default: a new folder for temporary files]",
)
@click.option("--stay", is_flag=True, help="Leave the hosts up until Ctrl-C, for an hour at the most.")
@pass_app
def demo(app: App, keep: Path | None, stay: bool) -> None:  # noqa: FBT001 - the flag itself
    """Show the main job on embedded hosts: a command on all of them, and the patch scan of this machine."""
    from fleetctl.demo.hosts import running  # noqa: PLC0415
    from fleetctl.demo.project import KEY, new_folder, plan, write_project  # noqa: PLC0415

    folder = new_folder(keep or _temporary())
    key = folder / KEY
    try:
        with running(plan(folder), key=key, life=_STAY) as hosts:
            write_project(folder, hosts)
            _introduce(folder)
            good = _command(app, folder)
            good = _scan(app, folder) and good
            _reports(folder)
            if stay:
                _stay(folder)
    finally:
        key.unlink(missing_ok=True)  # the hosts it opens are gone
    if not stay:
        _next(folder)
    if not good:
        click.echo("the demo did not go as it should: see above", err=True)
        raise SystemExit(3)


def _temporary() -> Path:
    try:
        return Path(mkdtemp(prefix="fleetctl-demo-"))
    except OSError as exc:
        raise UsageError(
            f"there is no folder for temporary files: {exc.strerror or exc}",
            hint="name a place: fleetctl demo --keep FOLDER",
        ) from exc


def _introduce(folder: Path) -> None:
    click.echo(
        f"Five SSH hosts on 127.0.0.1, each with a port and a host key of its own; project in {folder}"
    )
    click.echo("  web-[1-3]  web-3 runs an older release than the others")
    click.echo("  db-1       takes a second for everything")
    click.echo("  cache-1    is down: its port refuses connections\n")


def _command(app: App, folder: Path) -> bool:
    """Run a command on all hosts, and return whether exactly the one that is down did not answer."""
    from fleetctl.cli.run import run  # noqa: PLC0415
    from fleetctl.demo.project import DOWN  # noqa: PLC0415

    _do(app, folder, run, ["all", "--group-output", "--", COMMAND], typed=f"run all -- '{COMMAND}'")
    click.echo(
        "Equal output is shown once; a host that cannot be reached is told apart from one that failed.\n"
    )
    seen = {item["InstanceId"]: item["Status"] for item in _last(folder)["Invocations"]}
    return seen == {name: "Undeliverable" if name == DOWN else "Success" for name in seen}


def _scan(app: App, folder: Path) -> bool:
    """Scan this machine for missing patches through one of the hosts; what is found is not the demo's success or failure."""
    from fleetctl.cli.patch import patch  # noqa: PLC0415

    if which("apt-get") is None:
        click.echo(
            "Here the patch scan of this machine would follow; it knows apt today, and there is none here.\n"
        )
        return True
    with redirect_stdout(_Shortened(sys.stdout)):
        _do(app, folder, patch, ["scan", SCANNED], typed=f"patch scan {SCANNED}")
    (told,) = _last(folder)["Invocations"]
    if told["Status"] == "Success":
        click.echo(f"{SCANNED} is this machine: that is what it lacks.\n")
        return True
    click.echo(f"{SCANNED} is this machine. A host that cannot be judged is never called compliant.\n")
    return told.get("Reason") in {Reason.REMOTE, Reason.PRECONDITION}


class _Shortened(TextIOBase):
    """Stands in for stdout, and lets the first `_LINES` lines through.

    Args:
        stdout: where they go.
    """

    def __init__(self, stdout: TextIO) -> None:
        super().__init__()
        self._stdout = stdout
        self._lines = 0
        self._left_out = 0

    def isatty(self) -> bool:
        """Tell what stdout itself is, so that lines are cut at the terminal's edge."""
        return self._stdout.isatty()

    def write(self, text: str) -> int:
        """Write what is among the first lines.

        Raises:
            TypeError: bytes: click finds out in this way that text is wanted.
        """
        if not isinstance(text, str):
            raise TypeError("text is wanted")
        for line in text.splitlines(keepends=True):
            if self._lines < _LINES:
                self._stdout.write(line)
            else:
                self._left_out += line.endswith("\n")
            self._lines += line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        """Let what was written be seen, and how much was not."""
        if self._left_out:
            self._stdout.write(f"... and {self._left_out} more: the report has all of it\n")
            self._left_out = 0
        self._stdout.flush()


def _do(app: App, folder: Path, command: click.Command, words: Sequence[str], *, typed: str) -> None:
    """Do what a person would type, in the demo's project.

    Its exit code says what became of hosts, which the run's report says better; only an interrupt ends the demo.
    """
    click.secho(f"$ fleetctl {typed}", bold=True)
    sys.stdout.flush()
    # The state folder is named, so that FLEETCTL_STATE does not lead the demo's runs elsewhere.
    own = App(project=str(folder), state=str(folder / ".fleetctl"), quiet=app.quiet, debug=app.debug)
    try:
        command.main(list(words), prog_name="fleetctl", standalone_mode=False, obj=own)
    except SystemExit as exc:
        if exc.code == 130:
            raise
    sys.stdout.flush()


def _last(folder: Path) -> Mapping[str, Any]:
    from fleetctl.store.runs import Runs  # noqa: PLC0415

    return Runs(folder / ".fleetctl" / "runs").find("last").report()


def _reports(folder: Path) -> None:
    click.echo("Reports, as JSON:")
    state = folder / ".fleetctl"
    for path in sorted([*state.glob("runs/*/report.json"), *state.glob("reports/*/*.json")]):
        click.echo(f"  {path}")
    click.echo()


def _stay(folder: Path) -> None:
    click.echo("The hosts stay up until Ctrl-C, for an hour at the most. In another terminal:")
    for line in ("run web -- uptime", "run all --diff -- cat release", "doctor all"):
        click.echo(f"  {_program()} --project {quote(str(folder))} {line}")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        time.sleep(_STAY)


def _program() -> str:
    """Return what to type to get fleetctl: `make demo` puts it into an environment that no PATH knows."""
    own = Path(sys.argv[0])
    if which("fleetctl") is None and own.name == "fleetctl" and own.is_file():
        return quote(str(own.absolute()))
    return "fleetctl"


def _next(folder: Path) -> None:
    click.echo("Next:")
    program = _program()
    click.echo(f"  {program} --project {quote(str(folder))} runs output last")
    click.echo(f"  {program} init fleet && cd fleet      # a project for your own hosts")
    click.echo(f"  {program} doctor all                  # when something does not work")
    click.echo(f"The demo's project stays in {folder}; remove it when you like.")
