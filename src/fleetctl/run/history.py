"""Look back at runs: what became of which host."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from fleetctl.errors import NotFoundError, SelectorError, StateFolderError
from fleetctl.store.runs import RunFolder, Runs

__all__ = ["KINDS", "hosts_of_run", "progress", "summaries", "summary"]

# What may stand behind the @ of a selector, and the statuses it stands for.
KINDS: dict[str, frozenset[str]] = {
    "failed": frozenset({"Failed", "TimedOut"}),
    "unreachable": frozenset({"Undeliverable"}),
    "succeeded": frozenset({"Success"}),
    "terminated": frozenset({"Terminated"}),
    "cancelled": frozenset({"Cancelled"}),
    "unknown": frozenset({"Unknown"}),
    "skipped": frozenset({"Skipped"}),
    "timedout": frozenset({"TimedOut"}),
    "noncompliant": frozenset(),
    "pending": frozenset({"Pending"}),
}


def hosts_of_run(folder: RunFolder, kind: str) -> list[str]:
    """Return the hosts of a run that ended in a certain way: what `@failed:RUN` stands for.

    Args:
        folder: the run.
        kind: one of `KINDS`.

    Raises:
        SelectorError: no such kind.
        NotFoundError: the run is still going on.
    """
    if kind not in KINDS:
        raise SelectorError(
            f"'@{kind}:' is not known", hint="known: " + ", ".join(f"@{name}:" for name in KINDS)
        )
    invocations = _invocations(folder)
    if kind == "noncompliant":
        return [i["InstanceId"] for i in invocations if i.get("Data", {}).get("Status") == "NON_COMPLIANT"]
    return [i["InstanceId"] for i in invocations if i["Status"] in KINDS[kind]]


def summary(folder: RunFolder) -> dict[str, Any]:
    """Return one run in a few fields; a run without a report is `InProgress`, or was killed (`Interrupted`)."""
    run = folder.run()
    fields = {
        "CommandId": run["CommandId"],
        "DocumentName": run["DocumentName"],
        "Status": "InProgress",
        "RequestedDateTime": run["RequestedDateTime"],
        "RequestedBy": run.get("RequestedBy", {}).get("User", ""),
        "Selector": run.get("Selector", ""),
        "TargetCount": run["TargetCount"],
        "Comment": run.get("Comment", ""),
        "Parameters": run.get("Parameters", {}),
    }
    try:
        report = folder.report()
    except NotFoundError:
        return fields | {"Status": "InProgress" if _alive(run) else "Interrupted"}
    counts = {
        key: report[key]
        for key in ("EndedDateTime", "CompletedCount", "ErrorCount", "UndeliverableCount", "Counts")
    }
    return fields | {"Status": report["Status"], **counts}


def summaries(runs: Runs, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the newest runs first, at most `limit`; one that is damaged says so and hides no other."""
    for folder in islice(runs, limit):
        try:
            yield summary(folder)
        except (StateFolderError, KeyError):
            yield _damaged(folder)


def _damaged(folder: RunFolder) -> dict[str, Any]:
    made = datetime.fromtimestamp(folder.path.stat().st_mtime, UTC)
    texts = dict.fromkeys(("DocumentName", "RequestedBy", "Selector", "Comment"), "")
    return {
        "CommandId": folder.run_id,
        **texts,
        "Status": "Damaged",
        "RequestedDateTime": made.isoformat(timespec="milliseconds"),
        "TargetCount": 0,
        "Parameters": {},
    }


def progress(folder: RunFolder) -> dict[str, str]:
    """Return the last known state of each host of a run that has no report, from its ledger: name -> status.

    Where the controller is gone, a host that it had started is `Unknown`: nobody saw how that ended.
    """
    started = "InProgress" if _alive(folder.run()) else "Unknown"
    states = {host["InstanceId"]: "Pending" for host in folder.run().get("Hosts", [])}
    try:
        lines = folder.events.read_bytes().splitlines()
    except FileNotFoundError:
        return states
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the torn last line of a killed controller
        if record.get("type") == "invocation-started":
            states[record["host"]] = started
        elif record.get("type") == "invocation-ended":
            states[record["host"]] = record["status"]
    return states


def _invocations(folder: RunFolder) -> list[dict[str, Any]]:
    try:
        invocations: list[dict[str, Any]] = folder.report()["Invocations"]
    except NotFoundError:
        if _alive(folder.run()):
            raise
        return [{"InstanceId": host, "Status": status} for host, status in progress(folder).items()]
    return invocations


def _alive(run: dict[str, Any]) -> bool:
    """Tell whether the controller that made this run still lives, as far as this machine can know."""
    by = run.get("RequestedBy", {})
    if by.get("Host") != socket.gethostname() or not isinstance(by.get("Pid"), int):
        return False
    try:
        os.kill(by["Pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and is not ours
        return True
    return True
