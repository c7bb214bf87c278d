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
    "patch-list": ("fleetctl.patch.patch_list_form:schema", "lists for 'patch plan|install --patches'"),
    "run-report": (
        "fleetctl.engine.report:run_schema",
        "report.json; 'run|copy|runs show|runs report|inventory collect --format json'",
    ),
    "run-list": ("fleetctl.report.shapes_runs:run_list", "'runs list --format json'"),
    "run-evidence": ("fleetctl.report.shapes_runs:run_evidence", "'runs verify --format json'"),
    "shipment-list": ("fleetctl.report.shapes_runs:shipment_list", "'runs ship --format json'"),
    "leftover-list": ("fleetctl.report.shapes_runs:leftover_list", "'runs gc --format json'"),
    "pruning-list": ("fleetctl.report.shapes_runs:pruning_list", "'runs prune --format json'"),
    "audit-list": ("fleetctl.report.shapes_runs:audit_list", "'audit list --format json'"),
    "audit-evidence": ("fleetctl.report.shapes_runs:audit_evidence", "'audit verify --format json'"),
    "audit-export": ("fleetctl.report.shapes_runs:audit_export", "'audit export'"),
    "host-list": ("fleetctl.report.shapes_hosts:host_list", "'hosts list --format json'"),
    "host": ("fleetctl.report.shapes_hosts:host", "'hosts show --format json'"),
    "host-key-list": ("fleetctl.report.shapes_hosts:host_key_list", "'hosts trust --format json'"),
    "doctor-report": ("fleetctl.report.shapes_hosts:doctor_report", "'doctor --format json'"),
    "document-list": ("fleetctl.report.shapes_hosts:document_list", "'document list --format json'"),
    "document-description": (
        "fleetctl.report.shapes_hosts:document_description",
        "'document describe --format json'",
    ),
    "baseline-list": (
        "fleetctl.report.shapes_verdicts:baseline_list",
        "'patch baseline list --format json'",
    ),
    "baseline-description": (
        "fleetctl.report.shapes_verdicts:baseline",
        "'patch baseline show --format json'",
    ),
    "patch-explanation": (
        "fleetctl.report.shapes_verdicts:patch_explanation",
        "'patch baseline explain --format json'",
    ),
    "patch-plan": (
        "fleetctl.report.shapes_verdicts:patch_plan",
        "plan files, and 'patch plan --format json'",
    ),
    "inventory-report": (
        "fleetctl.inventory.report:schema",
        "'inventory list|show|query|export --format json'",
    ),
    "inventory-history": (
        "fleetctl.report.shapes_verdicts:inventory_history",
        "'inventory history --format json'",
    ),
    "inventory-deletion": (
        "fleetctl.report.shapes_verdicts:inventory_deletion",
        "'inventory delete --format json'",
    ),
    "inventory-diff": ("fleetctl.report.shapes_verdicts:inventory_diff", "'inventory diff --format json'"),
    "feed-list": ("fleetctl.report.shapes_hosts:feed_list", "'feeds list|show --format json'"),
    "cve-report": ("fleetctl.patch.cve_schema:cve_schema", "'patch cve --format json'"),
    "cves-report": ("fleetctl.patch.cve_schema:cves_schema", "'patch cves --format json'"),
    "compliance-report": (
        "fleetctl.compliance.report:schema",
        "reports/compliance/*.json; 'patch scan|patch install|compliance check|compliance report --format json'",
    ),
    "compliance-items": (
        "fleetctl.compliance.schema:items_schema",
        "'compliance list|show --format json'",
    ),
    "compliance-summary": (
        "fleetctl.compliance.schema:summary_schema",
        "'compliance summary --format json'",
    ),
    "policy-list": (
        "fleetctl.report.shapes_verdicts:policy_list",
        "'compliance policy list --format json'",
    ),
    "policy-summary": (
        "fleetctl.report.shapes_verdicts:policy_summary",
        "'compliance policy show --format json'",
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
            click.echo(f"{known:<22} {what}")
        return
    if name not in SCHEMAS:
        raise NotFoundError(f"there is no schema '{name}'", hint=did_you_mean(name, SCHEMAS))
    module, _, function = SCHEMAS[name][0].partition(":")
    with destination(output, machine=True) as file:
        json.dump(getattr(import_module(module), function)(), file, indent=2)
        file.write("\n")
