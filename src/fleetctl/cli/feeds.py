"""`fleetctl feeds`: what others know about CVEs, from files that the user brings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import output_options, yes_option

if TYPE_CHECKING:
    from datetime import datetime

    from fleetctl.feeds.importing import Imported
    from fleetctl.feeds.model import Feed

__all__ = ["feeds"]

EPILOG = """\
fleetctl fetches nothing by itself: bring the files, and all answers come from what is kept below the state folder, offline.

Examples:
  fleetctl feeds import debian.json known_exploited_vulnerabilities.json epss_scores-current.csv.gz
  fleetctl feeds import all.zip                      OSV's export of a distribution
  fleetctl feeds list                                what is kept, and how old it is
  fleetctl feeds show osv:Debian                     what it covers, and where it can be had
  fleetctl feeds rm osv:Debian
  fleetctl patch cve CVE-2024-3094                   which hosts are affected
"""

_COLUMNS = ("Feed", "Kind", "Scope", "Date", "DatedBy", "AgeDays", "Stale", "Entries", "Source", "Imported")


@click.group(cls=FleetGroup, epilog=EPILOG)
def feeds() -> None:
    """Keep what is known about CVEs, from files you bring."""


@feeds.command("import")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, allow_dash=False)
)
@click.option("--date", metavar="DATE", help="Of what date the files are, where they do not say so.")
@pass_app
def import_(app: App, files: tuple[Path, ...], date: str | None) -> None:
    """Read FILEs and keep them: OSV, Debian's tracker, Alpine's secdb, Arch's tracker, CISA KEV, EPSS.

    The kind is told by the content. A file takes the place of what was kept of that feed, as a whole; a single OSV advisory is
    added. A file that is damaged changes nothing, and those before it stay imported.
    """
    dated = _date(date) if date else None
    for path in files:
        _tell(app, path, app.fleet().import_feed(path, dated=dated))


@feeds.command("list")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, format_: str, output: Path | None) -> None:
    """List what is kept, and warn of what is older than seven days."""
    rows = [_row(feed) for feed in app.fleet().feeds()]
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        write(Telling(data=rows, rows=rows, columns=_COLUMNS, title="fleetctl feeds"), format_, output)
    elif rows:
        from fleetctl.cli.table import print_table  # noqa: PLC0415

        cells = [
            (row["Feed"], _dated(row), f"{row['AgeDays']} days", str(row["Entries"]), row["Source"])
            for row in rows
        ]
        print_table(("FEED", "DATE", "AGE", "ENTRIES", "SOURCE"), cells, output=output)
    if not rows:
        app.note("no feed is kept; begin with: fleetctl feeds import FILE...")
    for row in rows:
        if row["Stale"]:
            app.note(
                f"warning: {row['Feed']} is {row['AgeDays']} days old: fetch and import it again ({_url(row)})"
            )


@feeds.command()
@click.argument("feed", metavar="FEED")
@output_options("text", "json", "yaml", default="text")
@pass_app
def show(app: App, feed: str, format_: str, output: Path | None) -> None:
    """Show what FEED (osv:Debian, or a kind such as kev) covers, how old it is, and where it can be had."""
    from fleetctl.cli.output import destination, write  # noqa: PLC0415
    from fleetctl.cli.terminal import safe  # noqa: PLC0415
    from fleetctl.feeds.ask import asking  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    found = _named(app, feed)
    with asking(app.fleet().project.state_folder()) as asked:
        covers = asked.ecosystems()
    rows = [
        {**_row(one), "Url": _url(_row(one)), "Covers": [name for of, name in covers if of.id == one.id]}
        for one in found
    ]
    if format_ != "text":
        write(Telling(data=rows, rows=rows, columns=()), format_, output)
        return
    with destination(output) as file:
        for row in rows:
            told = {
                "feed": row["Feed"],
                "date": f"{_dated(row)} ({row['AgeDays']} days ago)",
                "entries": row["Entries"],
                "file": f"{row['Source']}, imported {row['Imported'][:10]}",
                "covers": ", ".join(row["Covers"]) or "CVEs of any system",
                "fetch it from": row["Url"],
            }
            file.writelines(safe(f"{name + ':':<15}{text}") + "\n" for name, text in told.items())


@feeds.command()
@click.argument("feed", metavar="FEED")
@yes_option
@pass_app
def rm(app: App, feed: str, yes: bool) -> None:  # noqa: ARG001, FBT001 - taken everywhere; a feed can be imported again
    """Forget FEED (osv:Debian), or all of a kind (osv)."""
    from fleetctl.feeds.database import FILE  # noqa: PLC0415
    from fleetctl.feeds.keep import remove  # noqa: PLC0415

    path = app.fleet().project.state_folder() / FILE
    for one in _named(app, feed):
        for gone in remove(path, one.kind, one.scope):
            app.note(f"{gone.title}: {_entries(gone.entries)} of {gone.dated:%Y-%m-%d} forgotten")


def _named(app: App, name: str) -> list[Feed]:
    """Return the feed of that name, or all of that kind."""
    from fleetctl.errors import NotFoundError  # noqa: PLC0415
    from fleetctl.spec.suggest import did_you_mean  # noqa: PLC0415

    kept = app.fleet().feeds()
    wanted = name.lower()
    found = [feed for feed in kept if wanted in {feed.title.lower(), feed.kind}]
    if not found:
        known = [feed.title for feed in kept]
        hint = did_you_mean(name, known) if known else "see how: fleetctl feeds --help"
        raise NotFoundError(f"no feed '{name}' is kept", hint=hint)
    return found


def _row(feed: Feed) -> dict[str, Any]:
    from fleetctl.feeds.telling import feed_json  # noqa: PLC0415

    return feed_json(feed, _now())


def _now() -> datetime:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.now(UTC)


def _dated(row: dict[str, Any]) -> str:
    by = {"file": " (of the file)", "user": " (as given)"}.get(row["DatedBy"], "")
    return f"{row['Date'][:10]}{by}"


def _url(row: dict[str, Any]) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    from fleetctl.errors import PluginError  # noqa: PLC0415
    from fleetctl.feeds.importing import GROUP  # noqa: PLC0415
    from fleetctl.spec.plugins import load  # noqa: PLC0415

    try:
        url = str(load(GROUP, row["Kind"]).url)
    except PluginError:  # kept by a kind that is no longer installed
        return "unknown"
    return url.replace("{scope}", quote(row["Scope"]))


def _date(text: str) -> datetime:
    from fleetctl.errors import UsageError  # noqa: PLC0415
    from fleetctl.feeds.model import day  # noqa: PLC0415

    found = day(text)
    if found is None:
        raise UsageError(f"--date: '{text}' is no date", hint="write it as 2026-11-24")
    if found > _now():
        raise UsageError(f"--date: {text} is in the future")
    return found


def _tell(app: App, path: Path, done: Imported) -> None:
    kept = done.kept
    listed: Sequence[str] = [
        f"{feed.title}, {_entries(feed.entries)} of {feed.dated:%Y-%m-%d}" for feed in kept.feeds
    ]
    app.note(f"{path}: {done.kind.title}: " + ("; ".join(listed) or f"{_entries(kept.withdrawn)} withdrawn"))
    if kept.unused:
        app.note(
            f"  {_entries(kept.unused)} of no use here: without a CVE, withdrawn, or about other systems"
        )
    if kept.other:
        app.note(f"  left as they were, since the file tells only part of them: {', '.join(kept.other)}")
    for feed in kept.feeds:
        if feed.stale(_now()):
            app.note(
                f"warning: {feed.title} is {feed.age(_now()).days} days old: fetch it again ({done.kind.url})"
            )


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"
