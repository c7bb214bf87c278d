"""`fleetctl inventory`: what is on the hosts, now and before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, LazyGroup, pass_app
from fleetctl.cli.options import output_options, yes_option
from fleetctl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from fleetctl.store.items import Capture, Deletion

__all__ = ["inventory"]

EPILOG = """\
HOST is a host, a selector, or 'all' hosts of which anything is kept, also those that left the inventory files.

Examples:
  fleetctl inventory collect all
  fleetctl inventory list
  fleetctl inventory show web-1 --type Application
  fleetctl inventory query 'Application.Name=openssl and Application.Version<3.0.14'
  fleetctl inventory diff web-3 --from tuesday
  fleetctl inventory history web-3 --type Application
  fleetctl inventory export web-3 --format cyclonedx -o web-3.cdx.json
  fleetctl inventory delete old-1 --yes
"""

VERBS: dict[str, tuple[str, str]] = {
    "collect": ("fleetctl.cli.inventory_collect:collect", "Ask hosts what is on them, and keep it."),
    "query": ("fleetctl.cli.inventory_query:query", "Find hosts and items: which have openssl below 3.0.14?"),
    "diff": ("fleetctl.cli.inventory_diff:diff", "Show what changed on a host, or how two hosts differ."),
    "export": ("fleetctl.cli.inventory_export:export", "Write CSV, JSON, or a CycloneDX or SPDX SBOM."),
}


@click.group(cls=LazyGroup, verbs=VERBS, epilog=EPILOG)
def inventory() -> None:
    """Know what is on the hosts: packages, services, network, and how that changed."""


@inventory.command("list")
@click.argument("host", default="all", shell_complete=complete.targets)
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, host: str, format_: str, output: Path | None) -> None:
    """List hosts, the types that are kept of them, and how old that is."""
    snapshot = app.fleet().inventory_of(host)
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.inventory.report import entities, tell_entities  # noqa: PLC0415

        write(tell_entities({"Entities": entities(snapshot.captures)}), format_, output)
        return
    if not snapshot.hosts:
        app.note("nothing is kept yet; begin with: fleetctl inventory collect all")
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    now = datetime.now(UTC)
    rows = []
    for name in snapshot.hosts:
        captures = snapshot.of(name).values()
        newest = max(capture.captured for capture in captures)
        told = ", ".join(_type_cell(capture, newest, now) for capture in captures)
        rows.append((name, _age(newest, now), told))
    print_table(("HOST", "SEEN", "TYPES"), rows, output=output)


def _type_cell(capture: Capture, newest: datetime, now: datetime) -> str:
    old = f", {_age(capture.captured, now)}" if (newest - capture.captured).total_seconds() > 60 else ""
    return f"{capture.type} ({capture.count}{old})"


def _age(moment: datetime, now: datetime) -> str:
    minutes = max(0, int((now - moment).total_seconds())) // 60
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


@inventory.command()
@click.argument("host", shell_complete=complete.targets)
@click.option("--type", "type_", multiple=True, metavar="TYPE", help="Only this type; may be repeated.")
@click.option("--at", metavar="DATE", help="As it was then: 2026-11-20, tuesday, 3d (ago).  [default: now]")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def show(app: App, /, host: str, type_: tuple[str, ...], at: str | None, **given: Any) -> None:
    """Show what is known of HOST."""
    from fleetctl.inventory.report import entities, tell_entities  # noqa: PLC0415
    from fleetctl.inventory.types import known_type  # noqa: PLC0415
    from fleetctl.inventory.when import parse_moment  # noqa: PLC0415

    format_, output = given["format_"], given["output"]
    wanted = tuple(map(known_type, type_))
    moment = parse_moment(at, name="--at", now=datetime.now(UTC), end_of_day=True) if at else None
    snapshot = app.fleet().inventory_of(host, at=moment)
    captures = [capture for capture in snapshot.captures if not wanted or capture.type in wanted]
    if not captures:
        listed = ", ".join(dict.fromkeys(capture.type for capture in snapshot.captures)) or "nothing"
        raise NotFoundError(
            f"{host} has no {' or '.join(wanted) or 'inventory'} there", hint=f"it has: {listed}"
        )
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415

        contents = {capture.hash: snapshot.content(capture.hash) for capture in captures}
        write(tell_entities({"Entities": entities(captures, contents)}), format_, output)
        return
    for number, capture in enumerate(captures):
        if number and output is None:
            click.echo()
        if number and output is not None:
            raise UsageError("--output takes one table", hint="name one type with --type, or: --format json")
        _show_type(capture, snapshot.content(capture.hash), output, many=len(snapshot.hosts) > 1)


def _show_type(
    capture: Capture, items: Sequence[Mapping[str, str]], output: Path | None, *, many: bool
) -> None:
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.inventory.types import form_of  # noqa: PLC0415

    host = f"{capture.host}: " if many else ""
    above = (
        f"{host}{capture.type} ({capture.count}), seen {capture.captured.astimezone():%Y-%m-%d %H:%M:%S}",
    )
    form = form_of(capture.type, items)
    fields = [field for field in form.fields if any(field in item for item in items)]
    if len(items) == 1 and not form.key:
        print_table(
            ("FIELD", "VALUE"),
            [(field, items[0].get(field, "")) for field in fields],
            output=output,
            above=above,
        )
        return
    rows = [tuple(item.get(field, "") or "-" for field in fields) for item in items]
    print_table(tuple(map(str.upper, fields)), rows, output=output, above=above)


@inventory.command()
@click.argument("host", shell_complete=complete.targets)
@click.option("--type", "type_", metavar="TYPE", help="Only this type.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def history(app: App, host: str, type_: str | None, format_: str, output: Path | None) -> None:
    """List every look at HOST, and which of them found something new."""
    from fleetctl.inventory.types import known_type  # noqa: PLC0415

    captures = app.fleet().inventory_history(host, known_type(type_) if type_ else None)
    rows = list(_history(captures))
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        columns = ("InstanceId", "TypeName", "CaptureTime", "Count", "Changed", "ContentHash", "CommandId")
        write(Telling(data=rows, rows=rows, columns=columns), format_, output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    print_table(
        ("SEEN", "TYPE", "ITEMS", "CHANGED", "CONTENT", "RUN"),
        [
            (
                f"{datetime.fromisoformat(row['CaptureTime']).astimezone():%Y-%m-%d %H:%M:%S}",
                row["TypeName"],
                str(row["Count"]),
                {True: "yes", False: "no", None: "first look"}[row["Changed"]],
                row["ContentHash"][:12],
                row["CommandId"],
            )
            for row in rows
        ],
        output=output,
    )


def _history(captures: Sequence[Capture]) -> list[dict[str, Any]]:
    before: dict[str, str] = {}
    rows = []
    for capture in captures:
        known = before.get(capture.type)
        rows.append(
            {
                "InstanceId": capture.host,
                "TypeName": capture.type,
                "CaptureTime": capture.captured.isoformat(timespec="milliseconds"),
                "Count": capture.count,
                "Changed": None if known is None else known != capture.hash,
                "ContentHash": capture.hash,
                "CommandId": capture.run,
            }
        )
        before[capture.type] = capture.hash
    return rows


@inventory.command()
@click.argument("host", required=False, shell_complete=complete.targets)
@click.option("--type", "type_", metavar="TYPE", help="Only this type; without HOST, of all hosts.")
@click.option("--before", metavar="DATE", help="Only what was seen before: 2026-01-01, 90d (ago).")
@click.option("--dry-run", is_flag=True, help="Only say how much it would be.")
@output_options("table", "json", "jsonl", "yaml", "csv")
@yes_option
@pass_app
def delete(app: App, /, host: str | None, type_: str | None, before: str | None, **given: Any) -> None:
    """Forget what is kept of HOST, or a type of all hosts; the hosts themselves are not touched."""
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.inventory.types import known_type  # noqa: PLC0415
    from fleetctl.inventory.when import parse_moment  # noqa: PLC0415

    if host is None and type_ is None and before is None:
        raise UsageError(
            "name a HOST, a --type, or a date with --before", hint="everything: fleetctl inventory delete all"
        )
    fleet = app.fleet()
    chosen: dict[str, Any] = {
        "hosts": fleet.inventory_of(host).hosts if host is not None else (),
        "type_": known_type(type_) if type_ else None,
        "before": parse_moment(before, name="--before", now=datetime.now(UTC)) if before else None,
    }
    found = fleet.inventory_store.delete(**chosen, dry_run=True)
    count = sum(one.captures for one in found.values())
    if not given["dry_run"] and found:
        confirm(f"Delete {count} captures?", yes=given["yes"], act="this deletes what was kept")
        found = fleet.inventory_store.delete(**chosen)
        count = sum(one.captures for one in found.values())
        app.note(f"deleted {count} captures")
    else:
        app.note(f"{count} captures would be deleted")
    _show_deletion(found, given, deleted=not given["dry_run"])


def _show_deletion(found: Mapping[str, Deletion], given: Mapping[str, Any], *, deleted: bool) -> None:
    """Tell what went, or would go, by type (SSM: DeletionSummary)."""
    rows = [
        {
            "TypeName": name,
            "InstanceCount": one.hosts,
            "TotalCount": one.captures,
            "RemainingCount": 0 if deleted else one.captures,
        }
        for name, one in found.items()
    ]
    if given["format_"] != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        columns = ("TypeName", "InstanceCount", "TotalCount", "RemainingCount")
        write(Telling(data=rows, rows=rows, columns=columns), given["format_"], given["output"])
    elif rows:
        from fleetctl.cli.table import print_table  # noqa: PLC0415

        cells = [(name, str(one.hosts), str(one.captures)) for name, one in found.items()]
        print_table(("TYPE", "HOSTS", "CAPTURES"), cells, output=given["output"])
