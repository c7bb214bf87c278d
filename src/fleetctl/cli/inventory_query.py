"""`fleetctl inventory query`: which hosts have what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options

if TYPE_CHECKING:
    from fleetctl.inventory.match import Match

__all__ = ["query"]

EPILOG = """\
A condition is TYPE.FIELD and one of = != < <= > >= ^= (begins with) and a value, or TYPE.FIELD exists. Join them with and, or, not and
parentheses. Conditions on one type joined by 'and' are about one and the same item; 'has (...)' is about one of its own. 'not' alone
finds hosts that have no such item. Versions are compared as the host's own package manager does.

Examples:
  fleetctl inventory query 'Application.Name=openssl and Application.Version<3.0.14'
  fleetctl inventory query 'has (Application.Name=nginx) and has (Application.Name=apache2)'
  fleetctl inventory query 'not Application.Name=auditd' --format lines
  fleetctl inventory query 'Service.Status=failed' web --format json
  fleetctl run "$(fleetctl inventory query 'Application.Name=nginx' --format lines | paste -sd,)" -- nginx -t

Exit codes: 0 also where nothing is found; 2 the query cannot be read.
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("query")
@click.argument("host", default="all", shell_complete=complete.targets)
@output_options("table", "lines", "json", "jsonl", "yaml", "csv")
@pass_app
def query(app: App, /, query: str, host: str, format_: str, output: Path | None) -> None:
    """Find the hosts, and what on them, for which QUERY holds: of all that are kept, or of HOST."""
    from fleetctl.inventory.match import match  # noqa: PLC0415
    from fleetctl.inventory.query import parse_query  # noqa: PLC0415
    from fleetctl.inventory.report import tell_entities  # noqa: PLC0415

    asked = parse_query(query)
    snapshot = app.fleet().inventory_of(host)
    if not snapshot.hosts:
        app.note("nothing is kept yet; begin with: fleetctl inventory collect all")
    found: dict[str, Match] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    for name in snapshot.hosts:
        told = match(asked, lambda type_, name=name: snapshot.items(name, type_))  # type: ignore[misc]
        if told.holds:
            found[name] = told
        elif told.holds is None:
            unknown[name] = told.missing
    if format_ == "lines":
        from fleetctl.cli.output import destination  # noqa: PLC0415

        with destination(output, machine=True) as file:
            file.writelines(f"{name}\n" for name in found)
    elif format_ == "table":
        _show_table(found, output)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.inventory.report import entities  # noqa: PLC0415

        listed = []
        for name, told in found.items():
            captures = [capture for capture in snapshot.of(name).values() if capture.type in told.items]
            data = {capture.hash: told.items[capture.type] for capture in captures}
            listed += entities(captures, data) or [{"Id": name, "Data": {}}]
        missing = [{"Id": name, "Missing": list(types)} for name, types in unknown.items()]
        write(tell_entities({"Query": query, "Entities": listed, "Unknown": missing}), format_, output)
    _show_end(app, found, unknown, total=len(snapshot.hosts))


def _show_table(found: Mapping[str, Match], output: Path | None) -> None:
    """Write equal items once, with their hosts."""
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415
    from fleetctl.inventory.diff import name_of  # noqa: PLC0415

    rows = []
    for host, told in found.items():
        for type_, items in told.items.items():
            rows += [((type_, name_of(type_, item), _details(type_, item)), host) for item in items]
        if not told.items:
            rows.append((("-", "-", "-"), host))
    if rows:
        print_table(
            ("HOSTS", "TYPE", "ITEM", "DETAILS"),
            [(hosts, *row) for row, hosts in grouped(rows)],
            output=output,
        )


def _details(type_: str, item: Mapping[str, str]) -> str:
    from fleetctl.inventory.purl import full_version  # noqa: PLC0415
    from fleetctl.inventory.types import form_of  # noqa: PLC0415

    if type_ == "Application":
        return full_version(item)
    form = form_of(type_, [item])
    shown = [field for field in form.fields if field not in form.key and field in item]
    return ", ".join(f"{field}={item[field]}" for field in shown[:4])


def _show_end(
    app: App, found: Mapping[str, Any], unknown: Mapping[str, tuple[str, ...]], *, total: int
) -> None:
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415

    for (types,), hosts in grouped([((", ".join(types),), host) for host, types in unknown.items()]):
        app.note(f"not known: {hosts}: {types} was never collected there")
    app.note(f"{len(found)} of {total} hosts" + (f", {len(unknown)} not known" if unknown else ""))
