from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import SelectorError
from fleetctl.run.history import KINDS, hosts_of_run, report_of, summary
from fleetctl.store.chain import hash_of, seal
from fleetctl.store.lock import RunLock
from fleetctl.store.runs import RunFolder, Runs

RUN = {
    **dict.fromkeys(("CommandId", "DocumentName", "Comment", "FleetctlVersion", "Selector"), "x"),
    **dict.fromkeys(("MaxConcurrency", "MaxErrors", "MaxUnreachable"), "1"),
    "Parameters": {},
    "RequestedDateTime": "2026-11-23T20:45:12.093+00:00",
    "RequestedBy": {"User": "ops"},
    "TargetCount": 8,
    "TimeoutSeconds": 1,
    "ConnectTimeoutSeconds": 1,
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = Runs(tmp_path).create("run")
    statuses = [
        "Success",
        "Failed",
        "TimedOut",
        "Undeliverable",
        "Unknown",
        "Terminated",
        "Cancelled",
        "Skipped",
    ]
    made.write_run({**RUN, "Hosts": [{"InstanceId": status.lower()} for status in statuses]})
    invocations = [{"InstanceId": status.lower(), "Status": status} for status in statuses]
    invocations[0]["Data"] = {"Status": "NON_COMPLIANT"}  # type: ignore[assignment]
    made.write_report({"Invocations": invocations})
    return made


@pytest.mark.parametrize(
    ("kind", "hosts"),
    [
        ("failed", ["failed", "timedout"]),
        ("unreachable", ["undeliverable"]),
        ("succeeded", ["success"]),
        ("unknown", ["unknown"]),
        ("terminated", ["terminated"]),
        ("cancelled", ["cancelled"]),
        ("skipped", ["skipped"]),
        ("timedout", ["timedout"]),
        ("noncompliant", ["success"]),
    ],
)
def test_hosts_that_ended_in_a_certain_way(folder: RunFolder, kind: str, hosts: list[str]) -> None:
    assert hosts_of_run(folder, kind) == hosts


def test_a_kind_that_is_none_is_an_error_that_names_them_all(folder: RunFolder) -> None:
    with pytest.raises(SelectorError) as caught:
        hosts_of_run(folder, "sad")
    assert all(f"@{kind}:" in (caught.value.hint or "") for kind in KINDS)


def ledger(folder: RunFolder, *records: tuple[str, dict[str, Any]]) -> None:
    """Write what a controller leaves that is killed after these records: no report."""
    folder.report_path.unlink(missing_ok=True)
    lines, previous = [], hash_of((folder.path / "run.json").read_bytes())
    for sequence, (kind, fields) in enumerate(records, 1):
        lines.append(seal(kind, fields, sequence=sequence, previous=previous))
        previous = hash_of(lines[-1])
    folder.events.write_bytes(b"".join(line + b"\n" for line in lines))


BEGUN = (
    ("run-started", {}),
    ("invocation-started", {"host": "failed"}),
    ("invocation-started", {"host": "success"}),
    ("invocation-ended", {"host": "success", "status": "Success"}),
)


def test_a_killed_run_is_asked_by_its_ledger(folder: RunFolder) -> None:
    ledger(folder, *BEGUN)
    hosts = [host["InstanceId"] for host in folder.run()["Hosts"]]
    assert hosts_of_run(folder, "succeeded") == ["success"]
    assert hosts_of_run(folder, "unknown") == ["failed"]
    assert hosts_of_run(folder, "pending") == [host for host in hosts if host not in {"success", "failed"}]
    assert summary(folder)["Status"] == "Interrupted"


def test_a_detached_job_of_a_killed_controller_goes_on(folder: RunFolder) -> None:
    folder.write_run({**folder.run(), "Detached": True})
    ledger(folder, *BEGUN)
    assert hosts_of_run(folder, "inprogress") == ["failed"]


def test_a_run_that_goes_on_tells_what_is_known_so_far_and_survives_a_torn_line(folder: RunFolder) -> None:
    ledger(folder, *BEGUN)
    with folder.events.open("ab") as file:
        file.write(b'{"type":"invocation-ended","host":"fai')
    lock = RunLock.take(folder.path, doing="fleetctl run")
    try:
        report = report_of(folder)
        assert summary(folder)["Status"] == "InProgress"
    finally:
        lock.release()
    states = {item["InstanceId"]: item["Status"] for item in report["Invocations"]}
    assert (states["failed"], states["success"], states["skipped"]) == ("InProgress", "Success", "Pending")
    assert report["Status"] == "InProgress"


def test_a_report_that_is_older_than_the_ledger_is_not_the_last_word(folder: RunFolder) -> None:
    report = folder.report()
    ledger(folder, *BEGUN, ("run-paused", {}), ("controller", {}))
    folder.write_report(report)
    assert report_of(folder)["Status"] == "Interrupted"
    ledger(folder, *BEGUN, ("run-ended", {"status": "Success"}))
    folder.write_report(report)
    assert report_of(folder) == report
