"""`fleetctl schema`: JSON Schemas of everything that people write and machines read."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import click

from fleetctl.cli.app import FleetCommand
from fleetctl.cli.output import destination
from fleetctl.errors import NotFoundError
from fleetctl.spec.suggest import did_you_mean

__all__ = ["SCHEMAS", "schema"]

# Name -> function that returns the schema, and what it describes.
SCHEMAS: dict[str, tuple[str, str]] = {
    "inventory": ("fleetctl.hosts.schema:schema", "inventories/*.yaml"),
    "settings": ("fleetctl.store.settings:settings_schema", "fleetctl.yaml"),
    "document": ("fleetctl.document.schema:schema", "documents/*.yaml"),
    "policy": ("fleetctl.compliance.policy_form:schema", "policies/*.yaml"),
    "baseline": ("fleetctl.patch.baseline_form:schema", "baselines/*.yaml"),
    "run-report": ("fleetctl.engine.report:run_schema", "report.json, and 'run --format json'"),
    "inventory-report": (
        "fleetctl.inventory.report:schema",
        "'inventory list|show|query|export --format json'",
    ),
    "compliance-report": (
        "fleetctl.compliance.report:schema",
        "reports/compliance/*.json, and 'patch scan --format json'",
    ),
}

EPILOG = """\
Examples:
  fleetctl schema                                       list the schemas
  fleetctl schema inventory > .schemas/inventory.json   for an editor

In an inventory, for editors with yaml-language-server:
  # yaml-language-server: $schema=../.schemas/inventory.json
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("name", required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there."
)
def schema(name: str | None, output: Path | None) -> None:
    """Print the JSON Schema of a file that people write or of a report; without NAME, list them."""
    if name is None:
        for known, (_, what) in SCHEMAS.items():
            click.echo(f"{known:<18} {what}")
        return
    if name not in SCHEMAS:
        raise NotFoundError(f"there is no schema '{name}'", hint=did_you_mean(name, SCHEMAS))
    module, _, function = SCHEMAS[name][0].partition(":")
    with destination(output, machine=True) as file:
        json.dump(getattr(import_module(module), function)(), file, indent=2)
        file.write("\n")
