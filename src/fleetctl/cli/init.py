"""`fleetctl init`: make a project."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from fleetctl.cli.app import App, FleetCommand, pass_app

__all__ = ["init"]

EPILOG = """\
Files that exist are never overwritten.

Examples:
  fleetctl init                 here
  fleetctl init fleet           in a new folder
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@pass_app
def init(app: App, folder: Path) -> None:
    """Make a commented project in FOLDER, by default here: settings, an inventory, an SSM document."""
    from fleetctl.store.create import create_project  # noqa: PLC0415

    created = create_project(folder)
    for name in created.made:
        click.echo(f"made  {folder / name}")
    for name in created.kept:
        click.echo(f"kept  {folder / name}  (it was there before)")
    there = "" if folder.resolve() == Path.cwd() else f"cd {quote(str(folder))} && "
    app.note("next:")
    app.note(f"  {there}fleetctl run all -- uptime      # runs on this machine")
    app.note("  put your hosts into inventories/hosts.yaml, then: fleetctl doctor all")
