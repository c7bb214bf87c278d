"""`fleetctl document`: look at SSM Command documents, and check them before they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import output_options

if TYPE_CHECKING:
    from fleetctl.document.model import Document, Parameter

__all__ = ["document"]

EPILOG = """\
NAME is a file, a document of the project (documents/*.yaml, *.json), or a built-in.

Examples:
  fleetctl document list
  fleetctl document show AWS-RunShellScript
  fleetctl document describe AWS-RunShellScript
  fleetctl document check documents/*.yaml
  fleetctl run web --document restart-service -p service=nginx
"""


@click.group(cls=FleetGroup, epilog=EPILOG)
def document() -> None:
    """Look at SSM documents, and check them."""


@document.command("list")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, format_: str, output: Path | None) -> None:
    """List the project's documents and the built-ins."""
    from fleetctl.document.find import listed  # noqa: PLC0415

    rows = [_summary(item) for item in listed(app.fleet().project.root)]
    if format_ != "table":
        _write(rows, rows, ("Name", "Owner", "SchemaVersion", "Description", "Problem"), format_, output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    print_table(
        ("NAME", "FROM", "SCHEMA", "WHAT IT DOES"),
        [
            (row["Name"], row["Owner"], row["SchemaVersion"], row["Description"] or row["Problem"])
            for row in rows
        ],
        output=output,
    )


@document.command()
@click.argument("name", shell_complete=complete.documents)
@pass_app
def show(app: App, name: str) -> None:
    """Print NAME as it is written."""
    from fleetctl.cli.terminal import safe  # noqa: PLC0415
    from fleetctl.document.find import read_source  # noqa: PLC0415

    text = read_source(name, app.fleet().project.root)
    click.echo("\n".join(safe(line) for line in text.rstrip("\n").split("\n")))


@document.command()
@click.argument("name", shell_complete=complete.documents)
@output_options("table", "json", "yaml")
@pass_app
def describe(app: App, name: str, format_: str, output: Path | None) -> None:
    """Show the parameters that NAME takes, and its steps."""
    from fleetctl.document.find import find  # noqa: PLC0415

    found = find(name, app.fleet().project.root)
    if format_ != "table":
        facts = _facts(found)
        _write(facts, facts["Parameters"], (), format_, output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    if output is None:
        click.echo(f"{found.name}: {found.description}" if found.description else found.name)
        click.echo(f"schema {found.schema_version}, {found.source}")
    if found.parameters:
        rows = [
            (
                item.name,
                item.type,
                "required" if item.required else _text(item.default),
                _rules(item),
                item.description,
            )
            for item in found.parameters.values()
        ]
        print_table(("PARAMETER", "TYPE", "DEFAULT", "ALLOWED", "WHAT IT IS"), rows, output=output)
    if output is None:
        steps = [(step.name, step.action, str(step.timeout), _flow(step)) for step in found.steps]
        print_table(("STEP", "ACTION", "SECONDS", "HOW"), steps)


@document.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@pass_app
def check(app: App, files: tuple[str, ...]) -> None:
    """Check documents: everything wrong with all of them, and what is probably not meant."""
    from fleetctl.document.find import find  # noqa: PLC0415
    from fleetctl.errors import DocumentProblemsError, FleetError, Problem, ProblemsError  # noqa: PLC0415

    problems: list[Problem] = []
    for name in files:
        try:
            found = find(name, app.fleet().project.root)
        except ProblemsError as exc:
            problems += exc.problems
        except FleetError as exc:
            problems.append(Problem(exc.message, exc.where, exc.hint))
        else:
            for warning in found.warnings:
                app.note(f"warning: {warning}" + (f"\n  hint: {warning.hint}" if warning.hint else ""))
            steps = f"{len(found.steps)} step{'s' if len(found.steps) != 1 else ''}"
            app.note(f"{name}: ok, schema {found.schema_version}, {steps}")
    if problems:
        raise DocumentProblemsError(problems)


def _summary(item: Any) -> dict[str, Any]:
    from fleetctl.document.find import find  # noqa: PLC0415
    from fleetctl.errors import FleetError  # noqa: PLC0415

    row = {"Name": item.name, "Owner": item.origin, "SchemaVersion": "", "Description": "", "Problem": ""}
    try:
        found = find(str(item.path) if item.path else item.name)
    except FleetError as exc:
        return {**row, "Problem": f"does not load: {exc.message}"}
    return {**row, "SchemaVersion": found.schema_version, "Description": " ".join(found.description.split())}


def _facts(found: Document) -> dict[str, Any]:
    """Return a document with SSM's field names (DescribeDocument)."""
    return {
        "Name": found.name,
        "Source": found.source,
        "SchemaVersion": found.schema_version,
        "Description": found.description,
        "Hash": found.digest,
        "HashType": "Sha256",
        "DocumentType": "Command",
        "Parameters": [
            {
                "Name": item.name,
                "Type": item.type,
                "Description": item.description,
                "DefaultValue": item.default,
                "Required": item.required,
                "AllowedValues": list(item.allowed_values),
                "AllowedPattern": item.allowed_pattern.pattern if item.allowed_pattern else None,
            }
            for item in found.parameters.values()
        ],
        "Steps": [
            {"Name": step.name, "Action": step.action, "TimeoutSeconds": step.timeout} for step in found.steps
        ],
    }


def _rules(item: Parameter) -> str:
    rules = [", ".join(_text(value) for value in item.allowed_values)]
    rules.append(item.allowed_pattern.pattern if item.allowed_pattern else "")
    for least, most, what in (
        (item.min_items, item.max_items, "items"),
        (item.min_chars, item.max_chars, "characters"),
    ):
        if least is not None or most is not None:
            rules.append(f"{least or 0} to {'any' if most is None else most} {what}")
    return "; ".join(filter(None, rules))


def _flow(step: Any) -> str:
    parts = []
    if step.precondition is not None:
        condition = step.precondition
        parts.append(
            f"only on {condition.platform}"
            if condition.platform
            else f"if {condition.left} = {condition.right}"
        )
    parts += [f"on failure {step.on_failure}"] if step.on_failure else []
    parts += [f"on success {step.on_success}"] if step.on_success else []
    parts += ["always, at the end"] if step.finally_step else []
    return "; ".join(parts)


def _text(value: Any) -> str:
    from fleetctl.document.substitute import as_text  # noqa: PLC0415

    return as_text(value) or "''"


def _write(
    data: Any, rows: list[dict[str, Any]], columns: tuple[str, ...], format_: str, output: Path | None
) -> None:
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    write(Telling(data=data, rows=rows, columns=columns), format_, output)
