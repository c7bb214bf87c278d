"""`fleetctl audit`: who ran what, when, on which hosts, with what result; and whether anybody has changed that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import output_options
from fleetctl.errors import DamagedError, UsageError

if TYPE_CHECKING:
    from fleetctl.run.evidence import Evidence
    from fleetctl.store.audited import AuditedRun

__all__ = ["audit"]

EPILOG = """\
Examples:
  fleetctl audit list --since 7d                         who ran what in the last week
  fleetctl audit list --user anna --status Failed        the newest first
  fleetctl audit verify                                  was anything changed, or lost?
  fleetctl audit checkpoint --key ~/.ssh/id_ed25519      vouch for everything up to now
  fleetctl audit verify --against /mnt/vault/42.txt      compare with a checkpoint kept elsewhere
  fleetctl audit export --output evidence.json           all of it, for an auditor
"""

COLUMNS = (
    "CommandId",
    "RequestedDateTime",
    "RequestedBy",
    "RequestedFrom",
    "DocumentName",
    "Selector",
    "TargetCount",
    "Status",
    "Counts",
    "EndedDateTime",
    "RemovedDateTime",
    "RemovedBy",
    "Comment",
)


@click.group(cls=FleetGroup, epilog=EPILOG)
def audit() -> None:
    """Who ran what, when and where; prove that nobody changed it."""


@audit.command("list")
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="The newest N only.")
@click.option("--user", "by", metavar="NAME", help="Only runs that NAME had a hand in.")
@click.option("--since", metavar="WHEN", help="Only runs since then: 7d, 12h, or 2026-11-23.")
@click.option(
    "--run", "part", metavar="RUN", shell_complete=complete.runs, help="Only runs with this in their id."
)
@click.option("--status", metavar="STATUS", help="Only runs that ended so: Success, Failed, Interrupted ...")
@output_options("table", "json", "jsonl", "csv")
@pass_app
def list_(
    app: App,
    *,
    limit: int | None,
    by: str | None,
    since: str | None,
    part: str | None,
    status: str | None,
    format_: str,
    output: Path | None,
) -> None:
    """List all runs that the audit log knows, also those that were removed, the newest first."""
    after = _since(since) if since else None
    chosen = [
        run
        for run in reversed(_runs(app))
        if (by is None or by in run.users)
        and (after is None or (run.at is not None and run.at >= after))
        and (part is None or part in run.run_id)
        and (status is None or run.status.casefold() == status.casefold())
    ][:limit]
    if format_ == "table":
        _table(app, chosen, output)
        return
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    rows = [run.to_json() for run in chosen]
    write(Telling(data=rows, rows=rows, columns=COLUMNS, title="audit"), format_, output)


@audit.command()
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A checkpoint that was kept elsewhere; may be repeated.",
)
@click.option(
    "--allowed-signers",
    "allowed",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may sign checkpoints, as in ssh-keygen(1); without it any key counts, and is named.",
)
@output_options("table", "json")
@pass_app
def verify(
    app: App, against: tuple[Path, ...], allowed: Path | None, format_: str, output: Path | None
) -> None:
    """Verify the audit log, every run that it knows, and all checkpoints; name everything that is wrong."""
    from fleetctl.run.evidence import verify_audit  # noqa: PLC0415

    if allowed is not None and not allowed.is_file():
        raise UsageError(
            f"--allowed-signers: there is no file {allowed}",
            hint="one key a line: anna@example.net ssh-ed25519 AAAA...",
        )
    fleet = app.fleet()
    evidence = verify_audit(fleet.audit, fleet.runs, against=against, allowed=allowed)
    if format_ == "table":
        _tell(evidence, output)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.report.protocol import Telling  # noqa: PLC0415

        write(Telling(data=evidence.to_json(), rows=(), columns=()), format_, output)
    if not evidence.sound:
        count = sum(flaw.kind != "torn" for flaw in evidence.flaws)
        raise DamagedError(
            f"the evidence does not verify: {count} {'fault' if count == 1 else 'faults'}",
            hint="keep the state folder as it is, and compare it with what is kept elsewhere",
        )


@audit.command()
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="SSH key to sign with; the .pub file for a key in an agent or on a token. Without it nothing is signed.",
)
@pass_app
def checkpoint(app: App, key: Path | None) -> None:
    """Write down what the audit log is now, and sign it; print the path of the text.

    It protects the log's end only where it is kept: mail it, commit it, put it where nobody who can write here can.
    """
    from fleetctl.store.checkpoint import make_checkpoint  # noqa: PLC0415

    made = make_checkpoint(app.fleet().audit, key=key)
    click.echo(made.path)
    what = f"{made.path.name} and {made.signature.name}" if key else made.path.name
    app.note(f"vouches for {made.sequence} records; now keep {what} on another machine")


@audit.command()
@output_options("json", "jsonl", "csv", default="json")
@pass_app
def export(app: App, format_: str, output: Path | None) -> None:
    """Write all evidence: the log to the byte, what it says of each run, checkpoints with their signatures.

    json holds all of it, jsonl the log's own lines, csv one line for each run.
    """
    from fleetctl.cli.output import destination, write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    log = app.fleet().audit
    if format_ == "jsonl":
        with destination(output, machine=True) as file:
            file.writelines(f"{line}\n" for line in log.lines())
        return
    rows = [run.to_json() for run in _runs(app)]
    data = _evidence(app, rows) if format_ == "json" else rows
    write(Telling(data=data, rows=rows, columns=COLUMNS, title="audit"), format_, output)


def _runs(app: App) -> list[AuditedRun]:
    """Return all runs that the log knows, the oldest first, with what their folders add."""
    from fleetctl.store.audited import audited_runs, look_around  # noqa: PLC0415
    from fleetctl.store.runs import RunFolder, file_name  # noqa: PLC0415

    fleet = app.fleet()
    runs = list(audited_runs(fleet.audit.records()).values())
    for run in runs:
        look_around(run, RunFolder(fleet.runs.path / file_name(run.run_id)))
    return runs


def _evidence(app: App, runs: list[dict[str, Any]]) -> dict[str, Any]:
    from fleetctl.run.evidence import verify_audit  # noqa: PLC0415
    from fleetctl.store.audit import BEGINNING  # noqa: PLC0415
    from fleetctl.store.checkpoint import NAMESPACE, checkpoints  # noqa: PLC0415

    fleet = app.fleet()
    found = verify_audit(fleet.audit, fleet.runs)
    for flaw in found.flaws:
        app.note(f"warning: {flaw.kind}: {flaw.message}")
    return {
        "SchemaVersion": "1.0",
        "Beginning": BEGINNING.decode(),
        "Namespace": NAMESPACE,
        "Verification": found.to_json(),
        "Runs": runs,
        "Checkpoints": [_whole(path) for path in checkpoints(fleet.audit)],
        "Lines": fleet.audit.lines(),
    }


def _whole(path: Path) -> dict[str, str]:
    signature = path.with_name(path.name + ".sig")
    told = {"Name": path.name, "Text": path.read_bytes().decode(errors="backslashreplace")}
    if signature.exists():
        told["Signature"] = signature.read_bytes().decode(errors="backslashreplace")
    return told


def _since(text: str) -> datetime:
    """Read `7d` as that long ago, and a date or time as that moment, in local time where it does not say."""
    from datetime import UTC, timedelta  # noqa: PLC0415

    from fleetctl.spec.duration import parse_duration  # noqa: PLC0415

    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text, name="--since"))
    except UsageError:
        raise UsageError(
            f"--since: '{text}' is no time", hint="write 7d, 12h, 2026-11-23 or 2026-11-23T20:45"
        ) from None


def _table(app: App, chosen: list[AuditedRun], output: Path | None) -> None:
    if not chosen:
        app.note("the audit log knows no such run")
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    header = ("RUN", "WHEN", "WHO", "STATUS", "HOSTS", "TARGETS", "WHAT", "COMMENT")
    print_table(header, [tuple(_cells(run)) for run in chosen], output=output)


def _cells(run: AuditedRun) -> Iterator[str]:
    row = run.to_json()
    yield run.run_id
    yield f"{run.at.astimezone():%Y-%m-%d %H:%M:%S}" if run.at else "-"
    who = "+".join([str(row.get("RequestedBy", "-")), *row.get("AlsoBy", [])])
    yield f"{who}@{row['RequestedFrom']}" if "RequestedFrom" in row else who
    yield f"{run.status}, removed" if run.removed else run.status
    yield str(row.get("TargetCount", "-"))
    yield str(row.get("Selector", "-"))
    yield _what(row)
    yield str(row.get("Comment", ""))


def _what(row: Mapping[str, Any]) -> str:
    parameters = row.get("Parameters")
    commands = parameters.get("commands") if isinstance(parameters, dict) else None
    line = " ".join(" ".join(map(str, commands)).split()) if isinstance(commands, list) else ""
    return (line if len(line) <= 60 else line[:59] + "…") or str(row.get("DocumentName", "-"))


def _tell(evidence: Evidence, output: Path | None) -> None:
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.cli.terminal import safe  # noqa: PLC0415

    with destination(output) as file:
        removed = f", {evidence.removed} of them removed" if evidence.removed else ""
        state = "sound" if evidence.sound else "damaged"
        file.write(f"{state}: {evidence.records} records, {evidence.runs} runs{removed}, ")
        file.write(f"{len(evidence.checked)} checkpoints\n")
        if evidence.head and evidence.records:
            file.write(f"head: record {evidence.sequence} {evidence.head}\n")
        for flaw in evidence.flaws:
            where = flaw.file + (f":{flaw.line}" if flaw.line else "")
            file.write(safe(f"  {flaw.kind:<10}  {where}: {flaw.message}") + "\n")
        for item in evidence.checked:
            if item.signature is not None and item.signature.good:
                who = f" of {item.signature.who}" if item.signature.who else ""
                text = (
                    f"  signed      {item.checkpoint.path}: good signature by key {item.signature.key}{who}"
                )
                file.write(safe(text) + "\n")
        file.writelines(safe(f"  note        {note}") + "\n" for note in evidence.notes)
