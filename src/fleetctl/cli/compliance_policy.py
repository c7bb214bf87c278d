"""`fleetctl compliance policy`: look at policies, and check their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import output_options

__all__ = ["policy"]

EPILOG = """\
Examples:
  fleetctl compliance policy list
  fleetctl compliance policy show ssh-hardening
  fleetctl compliance policy check policies/*.yaml
"""


@click.group(cls=FleetGroup, epilog=EPILOG)
def policy() -> None:
    """Look at policies, and check their files."""


@policy.command("list")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, format_: str, output: Path | None) -> None:
    """List the project's policies."""
    from fleetctl.compliance.policy_load import find_policies  # noqa: PLC0415

    found = find_policies((), app.fleet().project.root)
    rows: list[dict[str, Any]] = [
        {
            "Name": item.name,
            "Checks": len(item.checks),
            "Waivers": len(item.waivers),
            "Hosts": item.hosts or "",
            "OperatingSystems": list(item.systems),
            "Description": item.description,
            "Source": item.source,
        }
        for item in found
    ]
    if format_ != "table":
        _write(rows, rows, format_, output)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    shown = [
        (
            row["Name"],
            str(row["Checks"]),
            str(row["Waivers"]),
            row["Hosts"] or "any",
            ", ".join(row["OperatingSystems"]) or "any",
            row["Description"],
        )
        for row in rows
    ]
    print_table(("NAME", "CHECKS", "WAIVERS", "HOSTS", "SYSTEMS", "WHAT IT IS FOR"), shown, output=output)


@policy.command()
@click.argument("name")
@output_options("table", "json", "yaml")
@pass_app
def show(app: App, name: str, format_: str, output: Path | None) -> None:
    """Show the checks of policy NAME, or of a file, and its waivers."""
    from fleetctl.compliance.policy_load import find_policies  # noqa: PLC0415

    (found,) = find_policies((name,), app.fleet().project.root)
    checks = [
        {
            "Id": check.id,
            "Title": check.title,
            "Severity": check.severity.value,
            "Resource": check.resource.name,
            "Why": check.why,
            "Remedy": check.remedy,
            "References": dict(check.refs),
        }
        for check in found.checks
    ]
    waivers = [
        {
            "Checks": list(waiver.checks),
            "Hosts": waiver.hosts,
            "Owner": waiver.owner,
            "Reason": waiver.reason,
            "Expires": waiver.expires.isoformat(),
        }
        for waiver in found.waivers
    ]
    if format_ != "table":
        data = {"Name": found.name, "Description": found.description, "Checks": checks, "Waivers": waivers}
        _write(data, checks, format_, output)
        return
    _show_tables(checks, waivers, output)


@policy.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@pass_app
def check_(app: App, files: tuple[str, ...]) -> None:
    """Check files: everything wrong with all of them, at once; a waiver that has expired is said."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from fleetctl.compliance.policy_load import load_policy  # noqa: PLC0415
    from fleetctl.errors import FleetError, Problem, ProblemsError  # noqa: PLC0415

    problems: list[Problem] = []
    today = datetime.now(UTC).date()
    for name in files:
        try:
            found = load_policy(Path(name))
        except ProblemsError as exc:
            problems += exc.problems
            continue
        except FleetError as exc:
            problems.append(Problem(exc.message, exc.where, exc.hint))
            continue
        for waiver in found.waivers:
            if waiver.expires < today:
                app.note(f"warning: {waiver.where}: the waiver of {waiver.owner} expired on {waiver.expires}")
        app.note(f"{name}: ok, {len(found.checks)} check{'s' if len(found.checks) != 1 else ''}")
    if problems:
        raise ProblemsError(problems)


def _show_tables(checks: list[dict[str, Any]], waivers: list[dict[str, Any]], output: Path | None) -> None:
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    rows = [
        (
            c["Id"],
            c["Severity"],
            c["Resource"],
            " ".join(f"{k}:{v}" for k, v in c["References"].items()),
            c["Title"],
        )
        for c in checks
    ]
    print_table(("CHECK", "SEVERITY", "RESOURCE", "REFERENCES", "TITLE"), rows, output=output)
    if waivers and output is None:
        click.echo()
        told = [(", ".join(w["Checks"]), w["Hosts"], w["Owner"], w["Expires"], w["Reason"]) for w in waivers]
        print_table(("WAIVED", "HOSTS", "OWNER", "EXPIRES", "REASON"), told)


def _write(data: Any, rows: list[dict[str, Any]], format_: str, output: Path | None) -> None:
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    columns = tuple(rows[0]) if rows else ("Name",)
    write(Telling(data=data, rows=rows, columns=columns), format_, output)
