"""The result of a run: its status, its exit code, and a report that its own schema accepts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.report import exit_code, invocation_json, run_report, run_schema, run_status
from fleetctl.model import Outcome, Reason, Status

ENDED = [status for status in Status if status.ended]
NOW = datetime(2026, 11, 23, 20, 45, 12, 345678, tzinfo=UTC)
RUN = {
    "CommandId": "20261123T204512.345-7f3a9c",
    "DocumentName": "AWS-RunShellScript",
    "Comment": "",
    "Parameters": {"commands": ["uptime"]},
    "RequestedDateTime": NOW.isoformat(timespec="milliseconds"),
    "RequestedBy": {"User": "me", "Host": "here", "Pid": 1},
    "FleetctlVersion": "0",
    "Selector": "all",
    "TargetCount": 1,
    "MaxConcurrency": "200",
    "MaxErrors": "100%",
    "MaxUnreachable": "100%",
    "TimeoutSeconds": 3600.0,
    "ConnectTimeoutSeconds": 10.0,
    "Hosts": [],
}


def outcomes(*names: str) -> list[Outcome]:
    return [Outcome(host=f"h{n}", status=Status(name)) for n, name in enumerate(names)]


@pytest.mark.parametrize(
    ("names", "status", "code"),
    [
        ([], "Success", 0),
        (["Success"], "Success", 0),
        (["Skipped"], "Success", 0),
        (["Success", "Skipped"], "Success", 0),
        (["Success", "Failed"], "Failed", 3),
        (["Success", "TimedOut"], "TimedOut", 3),
        (["Failed", "TimedOut"], "Failed", 3),
        (["Unknown"], "Failed", 3),
        (["Undeliverable"], "Undeliverable", 4),
        (["Success", "Undeliverable"], "Incomplete", 4),
        (["Failed", "Undeliverable"], "Failed", 3),
        (["Failed", "Terminated"], "Terminated", 3),
        (["Undeliverable", "Terminated"], "Terminated", 4),
        (["Terminated"], "Terminated", 3),
        (["Success", "Failed", "Cancelled"], "Cancelled", 3),
    ],
)
def test_the_worst_host_decides(names: list[str], status: str, code: int) -> None:
    assert run_status(outcomes(*names)) == status
    assert exit_code(outcomes(*names)) == code


def test_a_clock_that_was_set_back_makes_no_time_below_nothing() -> None:
    outcome = Outcome(host="h", status=Status.SUCCESS, started=NOW, ended=NOW - timedelta(hours=1))
    assert invocation_json(outcome)["ElapsedSeconds"] == 0


@given(names=st.lists(st.sampled_from(ENDED)))
def test_interrupted_is_130_whatever_became_of_the_hosts(names: list[str]) -> None:
    assert exit_code(outcomes(*names), interrupted=True) == 130


def test_an_interrupt_that_cut_nothing_short_leaves_the_status_as_it_is() -> None:
    assert run_status(outcomes("Success")) == "Success"
    assert exit_code(outcomes("Success"), interrupted=True) == 130


TEXT = st.text(max_size=20)
OUTCOMES = st.builds(
    Outcome,
    host=TEXT.filter(bool),
    status=st.sampled_from(ENDED),
    details=TEXT,
    reason=st.none() | st.sampled_from(Reason),
    message=TEXT,
    hint=TEXT,
    response_code=st.integers(-1, 255),
    signal=st.none() | st.sampled_from(["KILL", "TERM"]),
    started=st.none() | st.just(NOW),
    ended=st.none() | st.just(NOW),
    stdout_bytes=st.integers(0, 10**12),
    stderr_bytes=st.integers(0, 10**12),
    stdout_digest=st.sampled_from(["", "0" * 32]),
    attempts=st.integers(0, 5),
    data=st.dictionaries(TEXT, st.integers()),
)


@given(some=st.lists(OUTCOMES, max_size=4))
def test_every_report_is_what_its_schema_says(some: list[Outcome]) -> None:
    report = run_report({**RUN, "TargetCount": len(some)}, some, status=run_status(some), ended=NOW)
    as_read = json.loads(json.dumps(report))
    jsonschema.Draft202012Validator(run_schema()).validate(as_read)
    assert sum(as_read["Counts"].values()) == as_read["CompletedCount"] == len(some)
    assert [item["InstanceId"] for item in as_read["Invocations"]] == [outcome.host for outcome in some]


def test_the_schema_is_one_and_refuses_what_it_does_not_know() -> None:
    schema = run_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    report: dict[str, Any] = run_report(RUN, outcomes("Success"), status="Success", ended=NOW)
    report["Surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(report)


def test_an_invocation_speaks_ssm() -> None:
    outcome = Outcome(
        host="web-1",
        status=Status.FAILED,
        reason=Reason.EXIT_CODE,
        message="exit code 3",
        response_code=3,
        started=NOW,
        ended=NOW.replace(second=14),
        stdout_bytes=5,
        stdout_digest="d",
    )
    assert invocation_json(outcome) == {
        "InstanceId": "web-1",
        "Status": "Failed",
        "StatusDetails": "Failed",
        "ResponseCode": 3,
        "ConnectAttempts": 1,
        "StandardOutputBytes": 5,
        "StandardErrorBytes": 0,
        "Reason": "exit-code",
        "Message": "exit code 3",
        "ExecutionStartDateTime": "2026-11-23T20:45:12.345+00:00",
        "ExecutionEndDateTime": "2026-11-23T20:45:14.345+00:00",
        "ElapsedSeconds": 2.0,
        "StandardOutputDigest": "d",
    }
