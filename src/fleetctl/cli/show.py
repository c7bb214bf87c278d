"""Show a run's output to people: grouped by what is the same, or host by host; and the summary at its end."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from fleetctl.cli.terminal import safe
from fleetctl.hosts import fold
from fleetctl.hosts.alike import for_all, general, who
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

_LONG_LINE = 1 << 20


def show_grouped(folder: RunFolder, invocations: Sequence[Mapping[str, Any]]) -> None:
    """Write each different output once, under the folded names of its hosts, the largest group last: nearest to the eye."""
    for group in sorted(group_by_output(invocations), key=lambda group: len(group.hosts)):
        _header(group)
        host = group.hosts[0]
        _copy(folder.output_files(host, "stdout"))
        _copy(folder.output_files(host, "stderr"), fg="yellow")


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
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for item in invocations:
        if item["Status"] != "Success":
            texts = (item.get(key, "") for key in ("Status", "Reason", "Message", "Hint"))
            alike.setdefault(tuple(general(text, item["InstanceId"]) for text in texts), []).append(item)
    for items in alike.values():
        first, names = items[0], [item["InstanceId"] for item in items]
        status, reason = first["Status"], first.get("Reason")
        label = click.style(f"{status}[{reason}]" if reason else status, fg=_COLOURS.get(status), bold=True)
        click.echo(f"{label} {who(names)}: {safe(first.get('Message', ''))}", err=True)
        for line in for_all(first.get("Hint", ""), names).splitlines():
            click.echo(f"  {click.style('hint', fg='cyan')}: {safe(line)}", err=True)


def show_summary(report: Mapping[str, Any], *, seconds: float | None = None) -> None:
    """Write the last line of a run to stderr: what became of how many hosts, and where to look."""
    counts = Counter({name: count for name, count in report["Counts"].items() if count})
    total = report["TargetCount"]
    parts = [click.style(f"{count} {name}", fg=_COLOURS.get(name)) for name, count in counts.most_common()]
    hosts = f"{total} host{'s' if total != 1 else ''}"
    took = f" in {seconds:.1f} s" if seconds is not None else ""
    click.echo(f"{hosts}: {', '.join(parts)}{took}  (run {report['CommandId']})", err=True)
    for kind, status in (("cancelled", "Cancelled"), ("terminated", "Terminated")):
        if counts[status]:
            selector = f"@{kind}:{report['CommandId']}"
            click.echo(
                f"  {click.style('hint', fg='cyan')}: to go on with the hosts that are {status}, select {selector}",
                err=True,
            )


def _header(group: OutputGroup) -> None:
    status, code = group.invocation["Status"], group.invocation["ResponseCode"]
    count = f" ({len(group.hosts)})" if len(group.hosts) > 1 else ""
    what = f"{status}, exit {code}" if code > 0 else status
    signal = group.invocation.get("Signal")
    what = f"{status}, signal {signal}" if signal else what
    title = click.style(f"{fold(group.hosts)}{count}", bold=True)
    note = click.style(what, fg=_COLOURS.get(status)) + (", no output" if group.empty else "")
    click.echo(f"--- {title}  {note}")


def _copy(paths: Sequence[Path], *, prefix: str = "", err: bool = False, fg: str | None = None) -> None:
    """Copy stored output to stdout or stderr: byte for byte into a pipe, made safe on a terminal.

    Args:
        paths: files, one behind the other.
        prefix: stands in front of every line.
        err: to stderr.
        fg: colour on a terminal.
    """
    stream = sys.stderr if err else sys.stdout
    start = f"{prefix}: " if prefix else ""
    if stream.isatty():
        _copy_lines(paths, stream, start, fg=fg)
    else:
        _copy_bytes(paths, stream, start.encode("utf-8", "surrogateescape"))


def _copy_lines(paths: Sequence[Path], stream: TextIO, start: str, *, fg: str | None) -> None:
    colour = not os.environ.get("NO_COLOR")
    rest = ""

    def show(line: str) -> None:
        text = safe(line.removesuffix("\r"), colour=colour)
        stream.write(start + (click.style(text, fg=fg) if fg and colour else text) + "\n")

    for chunk in StoredText(tuple(paths)).chunks():
        *lines, rest = (rest + chunk).split("\n")
        for line in lines:
            show(line)
        if len(rest) > _LONG_LINE:
            show(rest)
            rest = ""
    if rest:
        show(rest)


def _copy_bytes(paths: Sequence[Path], stream: TextIO, start: bytes) -> None:
    stream.flush()
    out, whole_line = stream.buffer, True
    for path in paths:
        if not path.exists():
            continue
        with path.open("rb") as file:
            while chunk := file.read(1 << 18):
                head = start if whole_line else b""
                whole_line = chunk.endswith(b"\n")
                body = chunk[:-1] if whole_line else chunk
                out.write(head + (body.replace(b"\n", b"\n" + start) if start else body))
                if whole_line:
                    out.write(b"\n")
    if not whole_line:
        out.write(b"\n")
    out.flush()
