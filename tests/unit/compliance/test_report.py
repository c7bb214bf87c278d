"""Compliance reports as JSON, and as files."""

import json
import threading
from datetime import UTC, datetime

import jsonschema
import pytest

from fleetctl.compliance.model import (
    ComplianceItem,
    ComplianceReport,
    ComplianceStatus,
    ExecutionSummary,
    ResourceSummary,
    Severity,
    SeverityCounts,
    Unscanned,
)
from fleetctl.compliance.report import keep, report_json, schema
from fleetctl.errors import StateFolderError

WHEN = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
EXECUTION = ExecutionSummary(time=WHEN, id="R1")


def resource(name, status, *, failing=()):
    return ResourceSummary(
        compliance_type="Custom:Banner",
        resource_id=name,
        status=status,
        execution=EXECUTION,
        compliant=SeverityCounts({Severity.UNSPECIFIED: 3}),
        non_compliant=SeverityCounts.of(failing),
    )


REPORT = ComplianceReport(
    compliance_type="Custom:Banner",
    run_id="R1",
    captured=WHEN,
    resources=(
        resource("a", ComplianceStatus.COMPLIANT),
        resource(
            "b", ComplianceStatus.NON_COMPLIANT, failing=[Severity.LOW, Severity.CRITICAL, Severity.LOW]
        ),
    ),
    items=(
        ComplianceItem(
            compliance_type="Custom:Banner",
            resource_id="b",
            id="motd",
            title="Legal banner",
            status=ComplianceStatus.NON_COMPLIANT,
            severity=Severity.CRITICAL,
            execution=EXECUTION,
        ),
    ),
    unscanned=(Unscanned(resource_id="c", status="Undeliverable", details="Undeliverable", reason="dns"),),
)


def test_a_report_of_any_type_fits_the_schema():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(report_json(REPORT), schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "broken",
    [{"ComplianceType": "Banner"}, {"ResourceCount": -1}, {"Extra": 1}, {"Unscanned": [{"ResourceId": "x"}]}],
)
def test_the_schema_refuses_what_is_no_report(broken):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report_json(REPORT) | broken, schema(), jsonschema.Draft202012Validator)


def test_resources_count_items_and_the_fleet_counts_hosts_by_their_gravest_severity():
    told = report_json(REPORT)
    failing = told["ResourceSummaries"][1]
    assert failing["OverallSeverity"] == "CRITICAL"
    assert failing["NonCompliantSummary"]["NonCompliantCount"] == 3
    assert failing["NonCompliantSummary"]["SeveritySummary"]["LowCount"] == 2
    assert told["Summary"]["NonCompliantSummary"]["NonCompliantCount"] == 1
    assert told["Summary"]["NonCompliantSummary"]["SeveritySummary"]["CriticalCount"] == 1
    assert told["Summary"]["CompliantSummary"]["SeveritySummary"]["UnspecifiedCount"] == 1
    assert told["ResourceCount"] == 3


def test_severities_are_ranked_as_ssm_lists_them():
    assert sorted(Severity, key=lambda severity: -severity.rank) == list(Severity)
    assert SeverityCounts({Severity.HIGH: 0, Severity.LOW: 1}).worst is Severity.LOW
    assert SeverityCounts().worst is Severity.UNSPECIFIED


def test_reports_are_kept_and_never_overwritten(tmp_path):
    told = report_json(REPORT)
    paths = [keep(told | {"ResourceCount": number}, tmp_path) for number in range(3)]
    assert [path.name for path in paths] == ["R1.json", "R1.resumed-1.json", "R1.resumed-2.json"]
    assert [json.loads(path.read_text())["ResourceCount"] for path in paths] == [0, 1, 2]
    assert sorted(tmp_path.glob("*.json")) == paths


def test_of_two_writers_at_once_each_gets_a_name_of_its_own(tmp_path):
    told = report_json(REPORT)
    start = threading.Barrier(4)
    kept = {}

    def write(number):
        start.wait()
        kept[number] = keep(told | {"ResourceCount": number}, tmp_path)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(kept.values())) == 4
    assert {number: json.loads(path.read_text())["ResourceCount"] for number, path in kept.items()} == {
        number: number for number in range(4)
    }


def test_a_folder_that_cannot_be_written_is_an_error_of_the_state_folder(tmp_path):
    with pytest.raises(StateFolderError, match="cannot be written"):
        keep(report_json(REPORT), tmp_path / "nowhere")
