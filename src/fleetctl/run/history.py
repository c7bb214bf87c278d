"""Look back at runs: what became of which host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from fleetctl.engine.endings import controller_lost
from fleetctl.engine.replay import Share, replay
from fleetctl.engine.report import run_report
from fleetctl.errors import SelectorError, StateFolderError
from fleetctl.model import Host, Outcome, Status
from fleetctl.store.lock import owner_of
from fleetctl.store.runs import RunFolder, Runs
from fleetctl.store.standing import standing

__all__ = ["KINDS", "hosts_of_run", "report_of", "summaries", "summary"]

# Records with which a controller leaves a run, its report written.
_CLOSED = frozenset({"run-ended", "run-paused", "run-released"})

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
    "inprogress": frozenset({"InProgress"}),
}


def hosts_of_run(folder: RunFolder, kind: str) -> list[str]:
    """Return the hosts of a run that ended in a certain way: what `@failed:RUN` stands for.

    Args:
        folder: the run.
        kind: one of `KINDS`.

    Raises:
        SelectorError: no such kind.
    """
    if kind not in KINDS:
        raise SelectorError(
            f"'@{kind}:' is not known", hint="known: " + ", ".join(f"@{name}:" for name in KINDS)
        )
    invocations = report_of(folder)["Invocations"]
    if kind == "noncompliant":
        return [i["InstanceId"] for i in invocations if i.get("Data", {}).get("Status") == "NON_COMPLIANT"]
    return [i["InstanceId"] for i in invocations if i["Status"] in KINDS[kind]]


def summary(folder: RunFolder) -> dict[str, Any]:
    """Return one run in a few fields; one that goes on is `InProgress`, one whose controller was killed `Interrupted`."""
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
    if owner_of(folder.path) is not None:
        return fields
    if not _reported(folder):
        return fields | {"Status": "Interrupted"}
    report = folder.report()
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


def report_of(folder: RunFolder) -> dict[str, Any]:
    """Return the report of a run; of one that goes on, or whose controller was killed, what its ledger knows so far.

    Where the controller is gone, a host that it had begun is `Unknown`: nobody saw how that ended; a detached job goes on, and is
    `InProgress`.

    Raises:
        NotFoundError, StateFolderError: the run cannot be read.
    """
    owner = owner_of(folder.path)
    if owner is None and _reported(folder):
        return folder.report()
    run = folder.run()
    story = replay(folder, data=True)
    begun = Status.IN_PROGRESS if owner or run.get("Detached") else Status.UNKNOWN
    outcomes = [_so_far(name, share, begun=begun) for name, share in story.shares.items()]
    status = "InProgress" if owner else "Interrupted"
    report = run_report(run, outcomes, status=status, ended=datetime.now(UTC))
    del report["EndedDateTime"]
    return report


def _so_far(name: str, share: Share, *, begun: Status) -> Outcome:
    if share.outcome is not None:
        return share.outcome
    if not share.in_flight:
        return Outcome(host=name, status=Status.PENDING, attempts=0)
    if begun is Status.UNKNOWN:
        return controller_lost(Host(name=name), started=share.begun)
    return Outcome(host=name, status=begun, started=share.begun)


def _reported(folder: RunFolder) -> bool:
    """Tell whether `report.json` is the last word on a run: what carries on with one makes it old."""
    if not folder.report_path.exists():
        return False
    return not folder.events.exists() or standing(folder.events).kind in _CLOSED
