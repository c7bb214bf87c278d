"""`fleetctl copy`: push files to hosts, pull files from hosts."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import WorkOptions, output_options, work_options, yes_option
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetctl.engine.task import Task
    from fleetctl.model import Host
    from fleetctl.run.manifest import Manifest

__all__ = ["copy"]

_FORMATS = ("table", "json", "jsonl", "yaml", "csv", "junit")
_MODE = re.compile(r"[0-7]{3,4}")
_OWNER = re.compile(r"(?=.)([A-Za-z0-9_][A-Za-z0-9_.@+$-]*)?(:[A-Za-z0-9_][A-Za-z0-9_.@+$-]*)?")

EPILOG = """\
Only what differs travels; its SHA-256 is compared after, and a file is replaced whole or not at all.

Examples:
  fleetctl copy push web nginx.conf /etc/nginx/nginx.conf --become --mode 0644 --owner root:root
  fleetctl copy push web site/ /srv/site              the folder's content becomes /srv/site
  fleetctl copy push web a.conf b.conf /etc/app.d/    into a folder, which is made if it is not there
  fleetctl copy pull web /var/log/app logs            logs/web-1/app/..., logs/web-2/app/...
"""


def _become_options(function: Any) -> Any:
    function = click.option("--become-user", metavar="NAME", help="Become this user.")(function)
    return click.option(
        "-b", "--become/--no-become", default=None, help="Become another user, root if not said otherwise."
    )(function)


@click.group(cls=FleetGroup, epilog=EPILOG)
def copy() -> None:
    """Push files to hosts, pull files from hosts."""


@copy.command(epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SOURCE...")
@click.argument("destination", metavar="DEST")
@click.option(
    "--mode", metavar="OCTAL", help="Permission bits of the files.  [default: as here; kept where it exists]"
)
@click.option("--owner", metavar="USER[:GROUP]", help="Owner of the files; needs to be root there.")
@click.option("--dry-run", is_flag=True, help="Show hosts and files; touch no host.")
@_become_options
@output_options(*_FORMATS)
@work_options
@yes_option
@pass_app
def push(
    app: App,
    /,
    targets: str,
    sources: tuple[Path, ...],
    destination: str,
    *,
    work: WorkOptions,
    **given: Any,
) -> None:
    """Bring SOURCEs to DEST on TARGETS.

    A DEST that ends with / is a folder that takes them; else DEST is the name that the file or folder gets there. A file whose
    DEST is a folder already goes into it.
    """
    from fleetctl.run.command import BecomeRule  # noqa: PLC0415
    from fleetctl.run.copy import PushTask  # noqa: PLC0415
    from fleetctl.run.manifest import local_manifest  # noqa: PLC0415

    _check_place(destination, "DEST")
    if given["mode"] and not _MODE.fullmatch(given["mode"]):
        raise UsageError(f"--mode: '{given['mode']}' is not octal", hint="write it as 0644")
    if given["owner"] and not _OWNER.fullmatch(given["owner"]):
        raise UsageError(f"--owner: '{given['owner']}' is no owner", hint="write user, user:group or :group")
    manifest = local_manifest(sources, into=destination.endswith("/"))
    hosts = work.hosts(app.fleet(), targets)
    if given["dry_run"]:
        _dry_run(manifest, destination, hosts)
        return
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415

    what = f"{_files(len(manifest.items))} ({_size(manifest.size)})"
    confirm(f"Push {what} to {destination} on {_hosts(len(hosts))}?", yes=given["yes"])
    task = PushTask(
        manifest=manifest,
        destination=destination,
        mode=given["mode"],
        owner=given["owner"],
        become=BecomeRule(wanted=given["become"], user=given["become_user"]),
    )
    parameters = {"sources": [str(source) for source in sources], "destination": destination}
    parameters |= {name: given[name] for name in ("mode", "owner") if given[name]}
    _carry_out(
        app,
        task,
        hosts,
        work=work,
        name="copy push",
        parameters=parameters,
        targets=targets,
        title=f"push {what} to {destination}",
        given=given,
    )


@copy.command(epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DEST-DIR")
@click.option("--dry-run", is_flag=True, help="Show hosts and where files would go; touch no host.")
@_become_options
@output_options(*_FORMATS)
@work_options
@yes_option
@pass_app
def pull(app: App, /, targets: str, source: str, folder: Path, *, work: WorkOptions, **given: Any) -> None:
    """Fetch SOURCE, a file or folder, from TARGETS into DEST-DIR/HOST/.

    Links in a folder are left out, and said to be.
    """
    from fleetctl.run.command import BecomeRule  # noqa: PLC0415
    from fleetctl.run.copy import PullTask  # noqa: PLC0415

    _check_place(source, "SOURCE")
    hosts = work.hosts(app.fleet(), targets)
    if given["dry_run"]:
        from fleetctl.hosts import fold  # noqa: PLC0415

        names = fold([host.name for host in hosts])
        click.echo(f"dry run: would fetch {source} from {_hosts(len(hosts))}: {names}")
        click.echo(f"into {folder}/HOST/")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"{folder} cannot be made: {exc.strerror}") from exc
    task = PullTask(
        source=source,
        folder=folder,
        become=BecomeRule(wanted=given["become"], user=given["become_user"]),
    )
    _carry_out(
        app,
        task,
        hosts,
        work=work,
        name="copy pull",
        parameters={"source": source, "folder": str(folder)},
        targets=targets,
        title=f"pull {source}",
        given=given,
    )


def _check_place(place: str, name: str) -> None:
    if not place or "\n" in place or "\0" in place:
        raise UsageError(f"{name} cannot be {place!r}", hint="write a path on the hosts")


def _dry_run(manifest: Manifest, destination: str, hosts: tuple[Host, ...]) -> None:
    from fleetctl.cli.terminal import safe  # noqa: PLC0415
    from fleetctl.hosts import fold  # noqa: PLC0415

    names = fold([host.name for host in hosts])
    click.echo(f"dry run: nothing was sent to {_hosts(len(hosts))}: {names}")
    base = destination.rstrip("/") or "/"
    for item in manifest.items:
        target = base if manifest.kind == "file" else f"{base.rstrip('/')}/{item.name}"
        click.echo(safe(f"{item.source} -> {target}  ({item.size} bytes, mode {item.mode:04o})"))
    click.echo(f"{_files(len(manifest.items))}, {_size(manifest.size)} for each host, where they differ")


def _carry_out(
    app: App,
    task: Task,
    hosts: tuple[Host, ...],
    *,
    work: WorkOptions,
    name: str,
    parameters: Mapping[str, Any],
    targets: str,
    title: str,
    given: Mapping[str, Any],
) -> None:
    from fleetctl.cli.show import show_grouped, show_problems, show_summary  # noqa: PLC0415
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.engine.report import exit_code  # noqa: PLC0415

    fleet = app.fleet()
    begun = time.monotonic()
    result = fan_out(
        app, fleet, task, hosts, work=work, title=title, name=name, parameters=parameters, selector=targets
    )
    format_, output = given["format_"], given["output"]
    if format_ != "table" or output is not None:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.run.telling import tell_run  # noqa: PLC0415

        write(tell_run(result.report, result.folder), "json" if format_ == "table" else format_, output)
    else:
        show_grouped(result.folder, result.report["Invocations"])
    sys.stdout.flush()
    show_problems(result.report["Invocations"])
    if not app.quiet:
        show_summary(result.report, seconds=time.monotonic() - begun)
    if code := exit_code(result.outcomes, interrupted=result.interrupted):
        raise SystemExit(code)


def _hosts(count: int) -> str:
    return f"{count} host{'s' if count != 1 else ''}"


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _size(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
