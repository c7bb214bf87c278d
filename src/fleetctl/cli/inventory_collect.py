"""`fleetctl inventory collect`: ask hosts what is on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import WorkOptions, output_options, work_options, yes_option
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.inventory.ask import Wanted

__all__ = ["collect", "show_collected"]

EPILOG = """\
Nothing is changed on the hosts, and one question brings everything. Command lines of processes may hold secrets of yours: the types
Process and File are only collected when asked for. Files are cut at SSM's limits: 500 files, 5000 folders.

Examples:
  fleetctl inventory collect all
  fleetctl inventory collect web --type Application --type Service
  fleetctl inventory collect web --process --file '/etc/*.conf' --file '/etc/nginx/*' --recursive
  fleetctl inventory collect all --custom RackInformation=rack.sh    a script that prints JSON, or Name=value lines
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("targets", shell_complete=complete.targets)
@click.option("--type", "type_", multiple=True, metavar="TYPE", help="Only this type; may be repeated.")
@click.option("--process", is_flag=True, help="Also the running processes.")
@click.option(
    "--file", "files", multiple=True, metavar="PATTERN", help="Also files: '/etc/*.conf'; may be repeated."
)
@click.option("--recursive", is_flag=True, help="Files also in all folders below.")
@click.option(
    "--custom",
    multiple=True,
    metavar="NAME=SCRIPT",
    help="Also what this file's script prints there; may be repeated.",
)
@click.option("-b", "--become/--no-become", default=None, help="Look as root, or as the login user.")
@click.option("--comment", default="", metavar="TEXT", help="Free text for the record.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@work_options
@yes_option
@pass_app
def collect(app: App, /, targets: str, work: WorkOptions, **given: Any) -> None:
    """Ask TARGETS what is on them, and keep it."""
    from fleetctl.cli.output import check_writable  # noqa: PLC0415
    from fleetctl.cli.work import order_terms  # noqa: PLC0415

    wanted = _wanted(given)
    check_writable(given["output"])
    fleet = app.fleet()
    begun = time.monotonic()
    result = fleet.collect_inventory(
        work.hosts(fleet, targets),
        wanted=wanted,
        become=given["become"],
        comment=given["comment"],
        selector=targets,
        **order_terms(app, fleet, work=work, title=f"inventory collect {targets}"),
    )
    show_collected(app, result, given, seconds=time.monotonic() - begun)


def _wanted(given: Mapping[str, Any]) -> Wanted:
    from fleetctl.inventory.ask import Wanted, file_pattern  # noqa: PLC0415
    from fleetctl.inventory.types import CUSTOM, DEFAULT, known_type  # noqa: PLC0415

    types = [known_type(name) for name in given["type_"]]
    if "File" in types and not given["files"]:
        raise UsageError("--type File: name the files, too", hint="--file '/etc/*.conf'")
    if given["recursive"] and not given["files"]:
        raise UsageError("--recursive: name the files, too", hint="--file '/etc/*.conf'")
    built_in = [name for name in types if not name.startswith(CUSTOM)] if types else list(DEFAULT)
    built_in += ["Process"] * given["process"] + ["File"] * bool(given["files"])
    return Wanted(
        types=tuple(dict.fromkeys(built_in)),
        files=tuple(map(file_pattern, given["files"])),
        recursive=given["recursive"],
        custom=dict(map(_script, given["custom"])),
        custom_files=not types or any(name.startswith(CUSTOM) for name in types),
    )


def _script(text: str) -> tuple[str, str]:
    from fleetctl.inventory.types import custom_name  # noqa: PLC0415

    name, equals, path = text.partition("=")
    full = custom_name(name)
    if not equals or not path:
        raise UsageError(f"--custom {text}: write NAME=SCRIPT", hint="--custom RackInformation=rack.sh")
    if full is None:
        raise UsageError(
            f"--custom: '{name}' is no name of a type",
            hint="it begins with a capital letter: RackInformation",
        )
    try:
        return full, Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise UsageError(f"--custom: {path} cannot be read: {why}") from exc


def show_collected(app: App, result: RunResult, given: Mapping[str, Any], *, seconds: float) -> None:
    """Show what was collected, as `format_` and `output` say, and end with the exit code of the run."""
    from fleetctl.cli.result import leave  # noqa: PLC0415
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415

    told = [outcome for outcome in result.outcomes if "Types" in outcome.data]
    rows = [
        {"InstanceId": outcome.host, "TypeName": name, **kept}
        for outcome in told
        for name, kept in outcome.data["Types"].items()
    ]
    if given["format_"] == "table":
        from fleetctl.cli.table import print_table  # noqa: PLC0415

        cells = [(_cells(outcome.data["Types"]), outcome.host) for outcome in told]
        if cells:
            lines = [(hosts, *row) for row, hosts in grouped(cells)]
            print_table(("HOSTS", "CHANGED", "TYPES"), lines, output=given["output"])
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        columns = ("InstanceId", "TypeName", "Count", "Changed", "ContentHash")
        write(Telling(data=result.report, rows=rows, columns=columns), given["format_"], given["output"])
    show_problems(result.report["Invocations"])
    if not app.quiet:
        warnings = [((text,), outcome.host) for outcome in told for text in outcome.data["Warnings"]]
        for (text,), hosts in grouped(warnings):
            app.note(f"warning: {hosts}: {text}")
        show_summary(result.report, seconds=seconds)
    leave(result)


def _cells(types: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    changed = [name for name, kept in types.items() if kept["Changed"]]
    return ", ".join(changed) or "nothing", ", ".join(
        f"{name} ({kept['Count']})" for name, kept in types.items()
    )
