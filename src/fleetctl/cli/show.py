"""Show a run's output to people: grouped by what is the same, or host by host; and the summary at its end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fleetctl.cli.terminal import is_terminal, safe
from fleetctl.hosts import fold
from fleetctl.report.protocol import StoredText
from fleetctl.run.grouping import OutputGroup, diff, group_by_output
from fleetctl.store.runs import RunFolder

__all__ = ["show_diff", "show_grouped", "show_host", "show_problems", "show_summary"]

_COLOURS = {
    "Success": "green",
    "Failed": "red",
    "TimedOut": "red",
    "Undeliverable": "magenta",
    "Unknown": "yellow",
    "Terminated": "yellow",
    "Cancelled": "yellow",
    "Skipped": "cyan",
}


def show_grouped(folder: RunFolder, invocations: Sequence[Mapping[str, Any]]) -> None:
    """Write each different output once, under the folded names of its hosts, the largest group last: nearest to the eye."""
    for group in reversed(group_by_output(invocations)):
        _header(group)
        host = group.hosts[0]
        _copy(folder.output_files(host, "stdout"))
        _copy(folder.output_files(host, "stderr"), err_style=True)


def show_diff(folder: RunFolder, invocations: Sequence[Mapping[str, Any]]) -> None:
    """Write the most common output, and how the others differ from it."""
    groups = [group for group in group_by_output(invocations) if group.invocation["Status"] == "Success"]
    if not groups:
        click.echo("no host succeeded: nothing to compare")
        return
    common, *others = groups
    _header(common)
    _copy(folder.output_files(common.hosts[0], "stdout"))
    same, differing = len(common.hosts), sum(len(group.hosts) for group in others)
    click.echo(
        f"{same} host{'s' if same != 1 else ''} identical, {differing} differ{'s' if differing == 1 else ''}"
    )
    for group in others:
        _header(group)
        for line in diff(folder, common, group):
            click.secho(safe(line), fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))


def show_host(folder: RunFolder, invocation: Mapping[str, Any], *, prefix: bool = True) -> None:
    """Write one host's output, each line behind its name."""
    name = invocation["InstanceId"] if prefix else ""
    for stream in ("stdout", "stderr"):
        _copy(folder.output_files(invocation["InstanceId"], stream), prefix=name, err=stream == "stderr")


def show_problems(invocations: Sequence[Mapping[str, Any]]) -> None:
    """Write to stderr what went wrong, hosts with the same trouble together, each with its remedy."""
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for item in invocations:
        if item["Status"] == "Success":
            continue
        name, message = item["InstanceId"], item.get("Message", "")
        key = (
            item["Status"],
            item.get("Reason", ""),
            message.replace(name, "{host}"),
            item.get("Hint", "").replace(name, "{host}"),
        )
        alike.setdefault(key, []).append(name)
    for (status, reason, message, hint), names in alike.items():
        shown = fold(names) if len(names) > 1 else names[0]
        label = click.style(f"{status}[{reason}]" if reason else status, fg=_COLOURS.get(status), bold=True)
        count = f" ({len(names)} hosts)" if len(names) > 1 else ""
        click.echo(f"{label} {shown}{count}: {safe(message.replace('{host}', names[0]))}", err=True)
        for line in hint.replace("{host}", names[0] if len(names) == 1 else "HOST").splitlines():
            click.echo(f"  {click.style('hint', fg='cyan')}: {safe(line)}", err=True)


def show_summary(report: Mapping[str, Any], *, seconds: float) -> None:
    """Write the last line of a run to stderr: what became of how many hosts, and where to look."""
    counts = Counter({name: count for name, count in report["Counts"].items() if count})
    total = report["TargetCount"]
    parts = [click.style(f"{count} {name}", fg=_COLOURS.get(name)) for name, count in counts.most_common()]
    hosts = f"{total} host{'s' if total != 1 else ''}"
    click.echo(f"{hosts}: {', '.join(parts)} in {seconds:.1f} s  (run {report['CommandId']})", err=True)


def _header(group: OutputGroup) -> None:
    status, code = group.invocation["Status"], group.invocation["ResponseCode"]
    count = f" ({len(group.hosts)})" if len(group.hosts) > 1 else ""
    what = f"{status}, exit {code}" if code > 0 else status
    signal = group.invocation.get("Signal")
    what = f"{status}, signal {signal}" if signal else what
    title = click.style(f"{fold(group.hosts)}{count}", bold=True)
    note = click.style(what, fg=_COLOURS.get(status)) + (", no output" if group.empty else "")
    click.echo(f"--- {title}  {note}")


def _copy(paths: Sequence[Path], *, prefix: str = "", err: bool = False, err_style: bool = False) -> None:
    """Copy stored output to stdout or stderr: as it is into a pipe, made safe on a terminal."""
    stream = sys.stderr if err else sys.stdout
    if not prefix and not is_terminal() and not err:
        _copy_bytes(paths)
        return
    rest = ""
    for chunk in StoredText(tuple(paths)).chunks():
        *lines, rest = (rest + chunk).split("\n")
        _lines(lines, prefix, stream, err_style=err_style)
        if len(rest) > 1 << 20:  # a line without end
            _lines([rest], prefix, stream, err_style=err_style)
            rest = ""
    if rest:
        _lines([rest], prefix, stream, err_style=err_style)


def _lines(lines: list[str], prefix: str, stream: Any, *, err_style: bool) -> None:
    if not lines:
        return
    start = f"{prefix}: " if prefix else ""
    terminal = stream.isatty()
    text = "".join(f"{start}{safe(line) if terminal else line}\n" for line in lines)
    if err_style and terminal:
        text = click.style(text, fg="yellow")
    stream.write(text)


def _copy_bytes(paths: Sequence[Path]) -> None:
    sys.stdout.flush()
    last = b"\n"
    for path in paths:
        if path.exists():
            with path.open("rb") as file:
                while chunk := file.read(1 << 18):
                    sys.stdout.buffer.write(chunk)
                    last = chunk[-1:]
    if last != b"\n":
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
