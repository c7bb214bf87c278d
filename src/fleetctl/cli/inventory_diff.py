"""`fleetctl inventory diff`: what changed, and which run may have done it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options
from fleetctl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from fleetctl.inventory.choose import Snapshot
    from fleetctl.inventory.diff import Change, RunThen

__all__ = ["diff"]

EPILOG = """\
With two hosts it tells how the second differs from the first. With one it tells what changed between two dates, and the runs of
fleetctl on that host in between; where a package says when it was installed, the run that did it stands beside it.
DATE is 2026-11-20, 2026-11-20T14:00, a weekday, yesterday, or how long ago: 3d, 12h.

Examples:
  fleetctl inventory diff web-3 --from tuesday
  fleetctl inventory diff web-3 --from 2026-11-01 --to 2026-11-20 --type Application
  fleetctl inventory diff web-1 web-2 --type Application
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("host", shell_complete=complete.targets)
@click.argument("other", required=False, shell_complete=complete.targets)
@click.option(
    "--from", "begin", metavar="DATE", help="What was known then.  [default: the look before the last]"
)
@click.option("--to", "end", metavar="DATE", help="What was known then.  [default: now]")
@click.option("--type", "type_", multiple=True, metavar="TYPE", help="Only this type; may be repeated.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def diff(app: App, /, host: str, other: str | None, **given: Any) -> None:
    """Show what changed on HOST between two dates, or how OTHER differs from HOST."""
    from fleetctl.inventory.types import known_type  # noqa: PLC0415

    types = tuple(map(known_type, given["type_"]))
    if other is not None and (given["begin"] or given["end"]):
        raise UsageError("--from and --to are for one host")
    _one(app, host)
    if other is not None:
        _one(app, other)
        old, new = app.fleet().inventory_of(host), app.fleet().inventory_of(other)
        _show(
            app,
            _changes(old, new, (host, other), types),
            [],
            given,
            words=(f"only on {host}", f"only on {other}", "differs"),
        )
        return
    begin, end = _times(app, host, given)
    old, new = app.fleet().inventory_of(host, at=begin), app.fleet().inventory_of(host, at=end)
    runs = app.fleet().runs_on(host, begin=begin, end=end)
    app.note(f"from {begin.astimezone():%Y-%m-%d %H:%M:%S} to {end.astimezone():%Y-%m-%d %H:%M:%S}")
    _show(app, _changes(old, new, (host, host), types), runs, given, words=("removed", "added", "changed"))


def _one(app: App, host: str) -> None:
    hosts = app.fleet().inventory_of(host).hosts
    if hosts != [host]:
        raise UsageError(
            f"'{host}' names {len(hosts)} hosts; diff takes one or two",
            hint=f"name one: {', '.join(hosts[:5])}",
        )


def _times(app: App, host: str, given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return the two moments that are compared; where nothing is as old as the first, the first look stands in."""
    from fleetctl.inventory.when import parse_moment  # noqa: PLC0415

    now = datetime.now(UTC)
    looks = sorted({capture.captured for capture in app.fleet().inventory_history(host, None)})
    end = parse_moment(given["end"], name="--to", now=now, end_of_day=True) if given["end"] else now
    if given["begin"]:
        begin = parse_moment(given["begin"], name="--from", now=now)
    else:
        seen = [look for look in looks if look <= end]
        if len(seen) < 2:
            raise NotFoundError(
                f"there is only one look at {host}", hint=f"take another: fleetctl inventory collect {host}"
            )
        begin = seen[-2]
    if begin > end:
        raise UsageError("--from is later than --to")
    if looks and begin < looks[0]:
        app.note(
            f"nothing is known of {host} before {looks[0].astimezone():%Y-%m-%d %H:%M:%S}: the first look stands in"
        )
        begin = min(looks[0], end)
    return begin, end


def _changes(old: Snapshot, new: Snapshot, hosts: tuple[str, str], types: Sequence[str]) -> list[Change]:
    from fleetctl.inventory.diff import changes  # noqa: PLC0415

    found: list[Change] = []
    for type_ in types or sorted(set(old.of(hosts[0])) & set(new.of(hosts[1]))):
        before, after = old.items(hosts[0], type_), new.items(hosts[1], type_)
        if before is None or after is None:
            raise NotFoundError(
                f"{type_} was not collected of both", hint="see what there is: fleetctl inventory list"
            )
        if before is not after:
            found += changes(type_, before, after)
    return found


def _show(
    app: App,
    changes: Sequence[Change],
    runs: Sequence[RunThen],
    given: Mapping[str, Any],
    *,
    words: tuple[str, ...],
) -> None:
    kinds = dict(zip(("removed", "added", "changed"), words, strict=True))
    if given["format_"] != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        rows = [_row(change, runs) for change in changes]
        columns = ("Change", "TypeName", "Name", "Field", "Old", "New", "CommandId")
        flat = [{**row, **field} for row in rows for field in row["Fields"] or [{}]]
        data = {"Changes": rows, "Runs": [_run(run) for run in runs]}
        write(Telling(data=data, rows=flat, columns=columns), given["format_"], given["output"])
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    if changes:
        print_table(
            ("CHANGE", "TYPE", "ITEM", "WHAT", "RUN"),
            [(kinds[c.kind], c.type, c.name, _what(c), c.made_by(runs)) for c in changes],
            output=given["output"],
        )
    else:
        app.note("no difference")
    if runs and given["output"] is None:
        click.echo()
        header = ("RUN", "FROM", "BY", "DOCUMENT", "WHAT")
        print_table(
            header,
            [(r.run_id, f"{r.begun.astimezone():%Y-%m-%d %H:%M:%S}", r.by, r.document, r.what) for r in runs],
        )


def _what(change: Change) -> str:
    from fleetctl.inventory.purl import full_version  # noqa: PLC0415

    if change.kind != "changed":
        return full_version(change.item) if change.type == "Application" else ""
    hidden = {"PackageId", "InstalledTime"} if change.type == "Application" else set()
    shown = {field: values for field, values in change.fields.items() if field not in hidden} or change.fields
    return ", ".join(
        f"{field}: {old or '(none)'} -> {new or '(none)'}" for field, (old, new) in shown.items()
    )


def _row(change: Change, runs: Sequence[RunThen]) -> dict[str, Any]:
    return {
        "Change": change.kind,
        "TypeName": change.type,
        "Name": change.name,
        "Fields": [{"Field": name, "Old": old, "New": new} for name, (old, new) in change.fields.items()],
        "Item": dict(change.item),
        "CommandId": change.made_by(runs),
    }


def _run(run: RunThen) -> dict[str, Any]:
    return {
        "CommandId": run.run_id,
        "DocumentName": run.document,
        "RequestedBy": run.by,
        "Comment": run.what,
        "ExecutionStartDateTime": run.begun.isoformat(timespec="milliseconds"),
        "ExecutionEndDateTime": run.ended.isoformat(timespec="milliseconds") if run.ended else None,
    }
