"""`fleetctl inventory export`: the inventory for other tools, and software bills of materials."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options
from fleetctl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from fleetctl.inventory.choose import Snapshot

__all__ = ["export"]

EPILOG = """\
cyclonedx (1.6) and spdx (2.3) are bills of materials in JSON, with a package URL for each package. CSV holds one type.

Examples:
  fleetctl inventory export all --format csv --type Application -o applications.csv
  fleetctl inventory export web-3 --format cyclonedx -o web-3.cdx.json
  fleetctl inventory export web --format spdx -o web.spdx.json
  fleetctl inventory export all > inventory.json
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("host", default="all", shell_complete=complete.targets)
@click.option(
    "--type", "type_", multiple=True, metavar="TYPE", help="Only this type; csv: Application by default."
)
@output_options("json", "jsonl", "yaml", "csv", "cyclonedx", "spdx", default="json")
@pass_app
def export(app: App, /, host: str, type_: tuple[str, ...], format_: str, output: Path | None) -> None:
    """Write what is kept of HOST."""
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.inventory.report import entities, tell_entities  # noqa: PLC0415
    from fleetctl.inventory.types import known_type  # noqa: PLC0415

    types = tuple(map(known_type, type_))
    snapshot = app.fleet().inventory_of(host)
    if format_ in {"cyclonedx", "spdx"}:
        if types not in {(), ("Application",)}:
            raise UsageError(f"--format {format_} holds applications, nothing else", hint="leave --type out")
        _bill(snapshot, format_, output)
        return
    if format_ == "csv":
        types = types or ("Application",)
        if len(types) > 1:
            raise UsageError("--format csv holds one type", hint="write one file for each --type")
    captures = [capture for capture in snapshot.captures if not types or capture.type in types]
    contents = {capture.hash: snapshot.content(capture.hash) for capture in captures}
    write(tell_entities({"Entities": entities(captures, contents)}, types=types), format_, output)


def _bill(snapshot: Snapshot, format_: str, output: Path | None) -> None:
    import json  # noqa: PLC0415

    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.inventory.sbom import SbomHost, cyclonedx, spdx  # noqa: PLC0415

    named = [name for name in snapshot.hosts if "Application" in snapshot.of(name)]
    if not named:
        raise NotFoundError(
            "no applications are kept of these hosts", hint="collect them: fleetctl inventory collect all"
        )
    hosts = [
        SbomHost(
            name=name,
            machine=next(iter(snapshot.items(name, "InstanceInformation") or ()), {}),
            applications=snapshot.items(name, "Application") or (),
        )
        for name in named
    ]
    seed = " ".join([format_, *(f"{name}={snapshot.of(name)['Application'].hash}" for name in named)])
    make: Any = cyclonedx if format_ == "cyclonedx" else spdx
    with destination(output, machine=True) as file:
        json.dump(make(hosts, now=datetime.now(UTC), seed=seed), file, ensure_ascii=False, indent=1)
        file.write("\n")
