"""`fleetctl runs`: look back at what was run."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, LazyGroup, pass_app
from fleetctl.cli.options import output_options, yes_option
from fleetctl.errors import NotFoundError, UsageError

__all__ = ["runs"]

EPILOG = """\
RUN is a run's id, any unambiguous part of it, or 'last'.

Examples:
  fleetctl runs list
  fleetctl runs show last
  fleetctl runs output last web-03
  fleetctl runs report last --format junit --output report.xml
  fleetctl runs rm 7f3a9c --yes
  fleetctl run @failed:last -- journalctl -n 50
"""


# Verbs with a file of their own; those that only look are in this one.
VERBS: dict[str, tuple[str, str]] = {
    "resume": ("fleetctl.cli.carry_on:resume", "Carry on with a run that was killed, stopped or paused."),
    "attach": ("fleetctl.cli.carry_on:attach", "Follow detached jobs to their end, and collect them."),
    "retry": ("fleetctl.cli.carry_on:retry", "Run it again on hosts that failed or were unreachable."),
    "verify": ("fleetctl.cli.verify:verify", "Find out whether evidence was changed or lost."),
    "cancel": ("fleetctl.cli.carry_on:cancel", "Stop a run, here or elsewhere, and kill what runs."),
    "ship": ("fleetctl.cli.keep:ship", "Copy runs to their sinks, or finish that."),
    "gc": ("fleetctl.cli.leftovers:gc", "List what detached jobs left on hosts, and clear it away."),
    "prune": ("fleetctl.cli.keep:prune", "Remove old runs, with all they kept."),
}


@click.group(cls=LazyGroup, verbs=VERBS, epilog=EPILOG)
def runs() -> None:
    """Look back at runs: status, output, report."""


@runs.command("list")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The newest N runs."
)
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, limit: int, format_: str, output: Path | None) -> None:
    """List runs, the newest first."""
    from fleetctl.report.protocol import Telling  # noqa: PLC0415
    from fleetctl.run.history import summaries  # noqa: PLC0415

    rows = list(summaries(app.fleet().runs, limit=limit))
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415

        columns = (
            "CommandId",
            "DocumentName",
            "Status",
            "RequestedDateTime",
            "RequestedBy",
            "Selector",
            "TargetCount",
        )
        write(Telling(data=rows, rows=rows, columns=columns), format_, output)
        return
    if not rows:
        app.note("no runs yet")
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    print_table(
        ("RUN", "WHEN", "STATUS", "HOSTS", "TARGETS", "WHAT"),
        [
            (
                row["CommandId"],
                _local(row["RequestedDateTime"]),
                row["Status"],
                str(row["TargetCount"]),
                row["Selector"],
                _what(row),
            )
            for row in rows
        ],
        output=output,
    )


@runs.command()
@click.argument("run", shell_complete=complete.runs)
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def show(app: App, run: str, format_: str, output: Path | None) -> None:
    """Show what became of each host of RUN."""
    from fleetctl.run.history import report_of  # noqa: PLC0415

    report = report_of(app.fleet().runs.find(run))
    invocations = report["Invocations"]
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415
        from fleetctl.run.telling import COLUMNS  # noqa: PLC0415

        write(Telling(data=report, rows=invocations, columns=COLUMNS[:-2]), format_, output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    counts = Counter(item["Status"] for item in invocations)
    print_table(
        ("HOST", "STATUS", "CODE", "SECONDS", "WHY"),
        [
            (
                item["InstanceId"],
                item.get("StatusDetails", item["Status"]),
                str(item.get("ResponseCode", "")),
                f"{item['ElapsedSeconds']:.3f}" if "ElapsedSeconds" in item else "",
                " ".join(
                    filter(
                        None, (f"[{item['Reason']}]" if item.get("Reason") else "", item.get("Message", ""))
                    )
                ),
            )
            for item in invocations
        ],
        output=output,
        above=(
            f"run {report['CommandId']}: {report['Status']}, {_what(report)}",
            f"requested {_local(report['RequestedDateTime'])} for {report.get('Selector', '')}: "
            + ", ".join(f"{count} {status}" for status, count in counts.most_common()),
            *_paused(report),
        ),
    )


def _paused(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Say why a run waits between two waves, and how it goes on."""
    if not (message := report.get("Paused", {}).get("Message")):
        return ()
    return (message, f"go on with: fleetctl runs resume {report['CommandId']}")


@runs.command("output")
@click.argument("run", shell_complete=complete.runs)
@click.argument("host", required=False)
@click.option("--stderr", "stderr", is_flag=True, help="What was printed to stderr, instead of stdout.")
@click.option("--step", help="Only this step of a document.")
@pass_app
def output_(app: App, run: str, host: str | None, stderr: bool, step: str | None) -> None:  # noqa: FBT001 - the flag itself
    """Print what HOST printed in RUN, byte for byte; without HOST, all output, equal output once."""
    folder = app.fleet().runs.find(run)
    if host is None:
        from fleetctl.cli.show import show_grouped, show_problems  # noqa: PLC0415
        from fleetctl.run.history import report_of  # noqa: PLC0415

        invocations = report_of(folder)["Invocations"]
        show_grouped(folder, invocations)
        sys.stdout.flush()
        show_problems(invocations)
        return
    known = [item["InstanceId"] for item in folder.run()["Hosts"]]
    if host not in known:
        from fleetctl.spec.suggest import did_you_mean  # noqa: PLC0415

        raise NotFoundError(f"run {folder.run_id} has no host '{host}'", hint=did_you_mean(host, known))
    stream = "stderr" if stderr else "stdout"
    if step is not None:
        steps = folder.steps(host)
        if step not in steps:
            listed = ", ".join(steps) or "none"
            raise NotFoundError(
                f"{host} has no output of a step '{step}'", hint=f"steps with output: {listed}"
            )
    paths = (folder.output(host, step) / stream,) if step else folder.output_files(host, stream)
    for path in paths:
        _copy_file(path)


@runs.command()
@click.argument("run", shell_complete=complete.runs)
@click.option(
    "--with-output/--no-output", "with_output", default=True, help="Whether it carries what hosts printed."
)
@output_options("json", "jsonl", "yaml", "csv", "junit", default="json")
@pass_app
def report(app: App, run: str, with_output: bool, format_: str, output: Path | None) -> None:  # noqa: FBT001 - the flag itself
    """Write the report of RUN in another format."""
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.run.history import report_of  # noqa: PLC0415
    from fleetctl.run.telling import tell_run  # noqa: PLC0415

    folder = app.fleet().runs.find(run)
    write(tell_run(report_of(folder), folder, output=with_output), format_, output)


@runs.command()
@click.argument("run", nargs=-1, required=True, shell_complete=complete.runs)
@yes_option
@pass_app
def rm(app: App, run: tuple[str, ...], yes: bool) -> None:  # noqa: FBT001 - the flag itself
    """Delete runs, with all they kept."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.run.history import summary  # noqa: PLC0415

    store = app.fleet().runs
    folders = {folder.run_id: folder for folder in (store.find(name) for name in run)}
    for folder in folders.values():
        if summary(folder)["Status"] == "InProgress":
            raise UsageError(
                f"run {folder.run_id} is still going on",
                hint=f"end it first: fleetctl runs cancel {folder.run_id}\n"
                f"or collect what is detached: fleetctl runs attach {folder.run_id}",
            )
    confirm(f"Delete {', '.join(folders)}, with all output?", yes=yes, act="this deletes what runs kept")
    for folder in folders.values():
        app.fleet().audit.note_removal(folder)
        store.remove(folder)
        app.note(f"deleted {folder.run_id}")


def _copy_file(path: Path) -> None:
    from fleetctl.cli.terminal import is_terminal, safe  # noqa: PLC0415
    from fleetctl.report.protocol import StoredText  # noqa: PLC0415

    if is_terminal():
        for chunk in StoredText((path,)).chunks():
            click.echo(safe(chunk, colour=not os.environ.get("NO_COLOR")), nl=False)
        return
    if path.exists():
        with path.open("rb") as file:
            while data := file.read(1 << 18):
                sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _what(row: Mapping[str, Any]) -> str:
    parameters = row.get("Parameters", {})
    commands = parameters.get("commands")
    named = (row["DocumentName"], parameters.get("Operation"))
    text = " ".join(commands if isinstance(commands, list) else [str(part) for part in named if part])
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _local(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone():%Y-%m-%d %H:%M:%S}"
