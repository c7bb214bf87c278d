"""`fleetctl hosts`: look at hosts, check inventories, convert them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import output_options, selection_options
from fleetctl.cli.trust import trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetctl.hosts import Inventory
    from fleetctl.model import Host

__all__ = ["hosts"]

EPILOG = """\
Examples:
  fleetctl hosts list                           every host
  fleetctl hosts list 'web,&env=prod,!web-03'   a selector: tags, groups, ranges, wildcards
  fleetctl hosts list role=db --format json     for machines
  fleetctl -i hosts.ini hosts list              any Ansible inventory, without a project
  fleetctl hosts show web-01                    all that is known of a host, and where it was said
  fleetctl hosts graph                          groups, and the hosts in them
  fleetctl hosts check                          everything that is wrong with the files, with its line
"""

IMPORT_EPILOG = """\
Examples:
  fleetctl hosts import hosts.ini --output inventories/hosts.yaml
  fleetctl hosts import ~/.ssh/config
"""


@click.group(cls=FleetGroup, epilog=EPILOG)
def hosts() -> None:
    """Look at hosts, check inventories, trust host keys."""


hosts.add_command(trust)


@hosts.command("list")
@click.argument("selector", default="all", shell_complete=complete.targets)
@selection_options
@output_options("table", "json", "jsonl", "yaml", "csv", "names")
@pass_app
def list_(
    app: App, selector: str, *, limit: int | None, exclude: str | None, format_: str, output: Path | None
) -> None:
    """List the hosts of SELECTOR (default: all), in inventory order."""
    inventory = app.inventory()
    _warn(app, inventory)
    chosen = app.fleet().select(selector, limit=limit, exclude=exclude) if inventory.hosts else ()
    if not chosen and selector == "all":
        app.note("the inventory has no hosts")
    if format_ == "table":
        _table(chosen, output)
    elif format_ == "names":
        from fleetctl.cli.output import destination  # noqa: PLC0415

        with destination(output) as file:
            file.writelines(f"{host.name}\n" for host in chosen)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.hosts.told import COLUMNS, tell  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        rows = [tell(host) for host in chosen]
        write(Telling(data=rows, rows=rows, columns=COLUMNS, title="hosts"), format_, output)


def _table(chosen: Sequence[Host], output: Path | None) -> None:
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    rows = [
        (
            host.name,
            _address(host),
            host.user or "-",
            host.transport,
            ",".join(host.groups) or "-",
            host.zone or "-",
            ",".join(f"{tag}={value}" for tag, value in host.tags.items()) or "-",
        )
        for host in chosen
    ]
    print_table(("HOST", "ADDRESS", "USER", "TRANSPORT", "GROUPS", "ZONE", "TAGS"), rows, output=output)


def _address(host: Host) -> str:
    if host.port is None:
        return host.address or "-"
    return f"[{host.target}]:{host.port}" if ":" in host.target else f"{host.target}:{host.port}"


@hosts.command()
@click.argument("host")
@output_options("table", "json", "yaml")
@pass_app
def show(app: App, host: str, format_: str, output: Path | None) -> None:
    """Show everything that the inventory says of HOST, groups and defaults merged in, and where."""
    from fleetctl.hosts.told import tell  # noqa: PLC0415

    inventory = app.inventory()
    _warn(app, inventory)
    found = inventory.host(host)
    if format_ != "table":
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        data = {**tell(found), "source": str(found.source) if found.source else None}
        write(Telling(data=data, rows=[data], columns=tuple(data), title=host), format_, output)
        return
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.cli.terminal import safe  # noqa: PLC0415

    with destination(output) as file:
        for key, value in _lines(found):
            file.write(f"{key:<14} {safe(value)}\n")


def _lines(host: Host) -> list[tuple[str, str]]:
    from fleetctl.hosts.told import tell  # noqa: PLC0415

    told = tell(host)
    become = host.become
    told["become"] = f"{become.method} to {become.user}" if become else None
    lines = []
    for key, value in told.items():
        if isinstance(value, dict):
            items = [f"{name}={item}" for name, item in value.items()]
            lines += [(key if not index else "", item) for index, item in enumerate(items)] or [(key, "-")]
        elif isinstance(value, list):
            lines.append((key, ", ".join(value) or "-"))
        else:
            lines.append((key, "-" if value is None else str(value)))
    return [*lines, ("source", str(host.source or "-"))]


@hosts.command()
@pass_app
def graph(app: App) -> None:
    """Draw the tree of groups with their hosts."""
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.hosts.graph import graph as draw  # noqa: PLC0415

    inventory = app.inventory()
    _warn(app, inventory)
    with destination(None) as file:
        file.write(draw(inventory))


@hosts.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@pass_app
def check(app: App, paths: tuple[str, ...]) -> None:
    """Check inventories: those of the project, or PATHs; say everything that is wrong, with its line."""
    if paths:
        from fleetctl.hosts import load  # noqa: PLC0415

        inventory = load(paths)
    else:
        inventory = app.inventory()
    _warn(app, inventory)
    counts = (
        (len(inventory.files), "file"),
        (len(inventory.hosts), "host"),
        (len(inventory.groups), "group"),
    )
    click.echo("ok: " + ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts))


@hosts.command("import", epilog=IMPORT_EPILOG)
@click.argument("source")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there."
)
@pass_app
def import_(app: App, source: str, output: Path | None) -> None:
    """Convert SOURCE, whatever `-i` takes, into fleetctl's own YAML."""
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.hosts import load  # noqa: PLC0415
    from fleetctl.hosts.convert import to_yaml  # noqa: PLC0415

    inventory = load([source])
    _warn(app, inventory)
    with destination(output) as file:
        file.write(to_yaml(inventory, source=source))
    if output is not None:
        app.note(f"{len(inventory.hosts)} hosts and {len(inventory.groups)} groups written to {output}")


def _warn(app: App, inventory: Inventory) -> None:
    for warning in inventory.warnings:
        app.note(f"warning: {warning}")
