"""Runs laid out as the engine leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetctl.engine.record import ended_record
from fleetctl.model import Outcome, Status
from fleetctl.store.chain import hash_of, seal
from fleetctl.store.runs import RunFolder, Runs

__all__ = ["add_records", "files_below", "make_run"]


def make_run(
    runs: Runs,
    run_id: str,
    hosts: dict[str, dict[str, bytes]],
    *,
    ended: bool = True,
    unfinished: tuple[str, ...] = (),
    selector: str = "all",
    at: str = "",
) -> RunFolder:
    """Lay out a run as the engine leaves it.

    Args:
        hosts: name -> path below the host's folder -> content.
        ended: whether the controller said so, and wrote the report.
        unfinished: hosts that were started, and whose end nobody saw.
        at: when all of it happened; default: now.
    """
    folder = runs.create(run_id)
    names = [*hosts, *unfinished]
    folder.write_run(
        {
            "CommandId": run_id,
            "DocumentName": "AWS-RunShellScript",
            "RequestedDateTime": at or "2026-11-23T20:45:12.093+00:00",
            "Selector": selector,
            "TargetCount": len(names),
            "Hosts": [{"InstanceId": name} for name in names],
        }
    )
    records: list[tuple[str, dict[str, Any]]] = [("run-started", {"hosts": len(names)})]
    records += [("invocation-started", {"host": name}) for name in names]
    for name, files in hosts.items():
        for path, content in files.items():
            place = folder.output(name) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        records.append(("invocation-ended", ended_record(Outcome(host=name, status=Status.SUCCESS))))
    if ended:
        records.append(("run-ended", {"status": "Success"}))
        folder.write_report({"CommandId": run_id, "Status": "Success", "Invocations": []})
    add_records(folder, records, at=at)
    return folder


def add_records(folder: RunFolder, records: list[tuple[str, dict[str, Any]]], *, at: str = "") -> None:
    lines = folder.events.read_bytes().splitlines() if folder.events.exists() else []
    previous = hash_of(lines[-1]) if lines else hash_of((folder.path / "run.json").read_bytes())
    for kind, fields in records:
        given = {**fields, "at": at} if at else fields
        lines.append(seal(kind, given, sequence=len(lines) + 1, previous=previous))
        previous = hash_of(lines[-1])
    folder.events.write_bytes(b"".join(line + b"\n" for line in lines))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
