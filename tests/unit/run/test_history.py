from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fleetctl.errors import NotFoundError, SelectorError
from fleetctl.run.history import KINDS, hosts_of_run, progress
from fleetctl.store.runs import RunFolder, Runs

BY_US = {"Host": socket.gethostname(), "Pid": os.getpid()}


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
    made.write_run({"RequestedBy": BY_US, "Hosts": [{"InstanceId": status.lower()} for status in statuses]})
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


def test_a_run_without_a_report_cannot_be_asked_yet(folder: RunFolder) -> None:
    folder.report_path.unlink()
    with pytest.raises(NotFoundError):
        hosts_of_run(folder, "failed")


def test_a_killed_run_is_asked_by_its_ledger(folder: RunFolder) -> None:
    folder.report_path.unlink()
    hosts = folder.run()["Hosts"]
    folder.write_run({"RequestedBy": {**BY_US, "Pid": 1 << 30}, "Hosts": hosts})
    folder.events.write_bytes(
        b'{"type":"invocation-started","host":"failed"}\n'
        b'{"type":"invocation-started","host":"success"}\n'
        b'{"type":"invocation-ended","host":"success","status":"Success"}\n'
    )
    assert hosts_of_run(folder, "succeeded") == ["success"]
    assert hosts_of_run(folder, "unknown") == ["failed"]
    assert hosts_of_run(folder, "pending") == [
        host["InstanceId"] for host in hosts if host["InstanceId"] not in {"success", "failed"}
    ]


def test_progress_comes_from_the_ledger_and_survives_a_torn_line(folder: RunFolder) -> None:
    assert set(progress(folder).values()) == {"Pending"}
    folder.events.write_bytes(
        b'{"type":"invocation-started","host":"failed"}\n'
        b'{"type":"invocation-started","host":"success"}\n'
        b'{"type":"invocation-ended","host":"success","status":"Success"}\n'
        b'{"type":"invocation-ended","host":"fai'
    )
    states = progress(folder)
    assert (states["failed"], states["success"], states["skipped"]) == ("InProgress", "Success", "Pending")
