"""However many reports there are and however they came: the newest word on each host is found, and only its report is read."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest

from fleetctl.compliance.history import kept_reports, standing, trend
from fleetctl.compliance.index import ReportIndex
from fleetctl.compliance.model import (
    ComplianceItem,
    ComplianceReport,
    ComplianceStatus,
    ExecutionSummary,
    ResourceSummary,
    Severity,
    SeverityCounts,
)
from fleetctl.compliance.report import keep, report_json
from fleetctl.compliance.summary import trends

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TYPE = "Custom:X"


def report(run_id, hosts, *, captured=NOW, type_=TYPE):
    """Return a report of hosts, each with the day on which it was looked at, and one item called after the run."""
    resources, items = [], []
    for host, day in hosts.items():
        execution = ExecutionSummary(time=NOW + timedelta(days=day), id=run_id)
        bad = SeverityCounts.of([Severity.HIGH])
        resources.append(
            ResourceSummary(
                compliance_type=type_, resource_id=host, status=ComplianceStatus.NON_COMPLIANT, execution=execution,
                compliant=SeverityCounts(), non_compliant=bad,
            )
        )  # fmt: skip
        items.append(
            ComplianceItem(
                compliance_type=type_, resource_id=host, id=f"of-{run_id}", title="t", status=ComplianceStatus.NON_COMPLIANT,
                severity=Severity.HIGH, execution=execution,
            )
        )  # fmt: skip
    made = ComplianceReport(
        compliance_type=type_,
        run_id=run_id,
        captured=captured,
        resources=tuple(resources),
        items=tuple(items),
    )
    return report_json(made)


def words(folder, **only):
    return {
        host: items[0]["Id"].removeprefix("of-")
        for (_, host), items in standing(folder, **only).items.items()
    }


def test_the_time_of_the_look_decides_not_the_name_or_the_order_of_reports(tmp_path):
    keep(report("r1", {"a": 1, "b": 1}), tmp_path)
    keep(report("r2", {"a": 3}), tmp_path)
    keep(report("r1", {"a": 1, "b": 4}, captured=NOW + timedelta(days=4)), tmp_path)  # r1, carried on with
    assert words(tmp_path) == {"a": "r2", "b": "r1"}
    late = standing(tmp_path).resources[TYPE, "b"]["ExecutionSummary"]["ExecutionTime"]
    assert late.startswith("2026-11-28")
    assert words(tmp_path, host="a") == {"a": "r2"}
    assert words(tmp_path, type_="Patch") == {}


def test_times_are_compared_as_moments_whatever_their_zone(tmp_path):
    keep(report("r1", {"a": 0}), tmp_path)
    other = report("r2", {"a": 0})
    other["ResourceSummaries"][0]["ExecutionSummary"]["ExecutionTime"] = (
        "2026-11-24T02:30:00+03:00"  # 23:30 UTC before
    )
    keep(other, tmp_path)
    assert words(tmp_path) == {"a": "r1"}


def test_only_reports_that_hold_a_newest_word_are_read(tmp_path):
    old = keep(report("r1", {"a": 1}), tmp_path)
    keep(report("r2", {"a": 2}), tmp_path)
    status = old.stat()
    old.write_bytes(b"x" * status.st_size)

    os.utime(old, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert words(tmp_path) == {"a": "r2"}
    assert [moment.run_id for moment in trends(tmp_path, last=9)[TYPE]] == ["r1", "r2"]


def test_reports_that_go_come_or_change_behind_its_back_are_seen(tmp_path):
    keep(report("r1", {"a": 1}), tmp_path)
    newest = keep(report("r2", {"a": 2}), tmp_path)
    assert words(tmp_path) == {"a": "r2"}
    newest.unlink()
    assert words(tmp_path) == {"a": "r1"}
    (tmp_path / "r3.json").write_text(json.dumps(report("r3", {"a": 3, "b": 3})))
    assert words(tmp_path) == {"a": "r3", "b": "r3"}
    (tmp_path / "r3.json").write_text("{")
    assert words(tmp_path) == {"a": "r1"}
    assert [path.name for path in standing(tmp_path).damaged] == ["r3.json"]


@pytest.mark.parametrize("content", [b"", b"no database" * 999])
def test_an_index_that_is_none_is_made_anew(tmp_path, content):
    keep(report("r1", {"a": 1}), tmp_path)
    (tmp_path / ".index.db").write_bytes(content)
    assert words(tmp_path) == {"a": "r1"}
    keep(report("r2", {"a": 2}), tmp_path)
    assert words(tmp_path) == {"a": "r2"}


def test_an_index_of_another_version_is_made_anew(tmp_path):
    keep(report("r1", {"a": 1}), tmp_path)
    with ReportIndex(tmp_path) as index:
        index._db.execute("PRAGMA user_version = 99")
    assert words(tmp_path) == {"a": "r1"}


def test_where_no_folder_is_there_is_nothing(tmp_path):
    assert kept_reports(tmp_path / "nowhere") == []
    assert not (tmp_path / "nowhere").exists()


def test_many_at_once_index_each_report_once(tmp_path):
    for number in range(6):
        (tmp_path / f"r{number}.json").write_text(json.dumps(report(f"r{number}", {"a": number})))
    start = threading.Barrier(4)
    seen = []

    def read():
        start.wait()
        seen.append(words(tmp_path))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert seen == [{"a": "r5"}] * 4
    assert len(kept_reports(tmp_path)) == 6


def test_a_trend_is_of_one_type_and_counts_a_run_once_and_no_later_one(tmp_path):
    for run_id, day in (("r1", 1), ("r2", 2), ("r3", 3), ("r4", 4)):
        keep(report(run_id, {"a": day}, captured=NOW + timedelta(days=day)), tmp_path)
    keep(report("r2", {"a": 2, "b": 2}, captured=NOW + timedelta(days=2, hours=1)), tmp_path)
    keep(report("p1", {"a": 2}, captured=NOW + timedelta(days=2), type_="Patch"), tmp_path)
    now = report("r3", {"a": 3}, captured=NOW + timedelta(days=3))
    told = trend(tmp_path, now)
    assert [moment["CommandId"] for moment in told] == ["r1", "r2", "r3"]
    assert told[1]["Summary"]["NonCompliantSummary"]["NonCompliantCount"] == 2
    assert [moment["CommandId"] for moment in trend(tmp_path, now, last=2)] == ["r2", "r3"]


def policies(run_id, day, told):
    """Return a report of one host: policy -> status of its one check."""
    made = report(run_id, {"a": day}, captured=NOW + timedelta(days=day), type_="Custom:policy")
    (item,) = made["ComplianceItems"]
    made["ComplianceItems"] = [
        {**item, "Id": f"{name}/x", "Status": status, "Details": {"PolicyName": name}}
        for name, status in told.items()
    ]
    return made


def test_who_checks_one_policy_says_nothing_of_the_others(tmp_path):
    keep(policies("r1", 1, {"ssh": "NON_COMPLIANT", "base": "COMPLIANT"}), tmp_path)
    keep(policies("r2", 2, {"base": "WAIVED"}), tmp_path)
    found = standing(tmp_path)
    items = {item["Id"]: item["Status"] for item in found.items["Custom:policy", "a"]}
    assert items == {"ssh/x": "NON_COMPLIANT", "base/x": "WAIVED"}
    host = found.resources["Custom:policy", "a"]
    assert (host["Status"], host["OverallSeverity"], host["WaivedCount"]) == ("NON_COMPLIANT", "HIGH", 1)
    assert (host["NonCompliantSummary"]["NonCompliantCount"], host["CompliantSummary"]["CompliantCount"]) == (
        1,
        0,
    )
    assert host["ExecutionSummary"]["ExecutionId"] == "r2"
    keep(policies("r3", 3, {"ssh": "COMPLIANT"}), tmp_path)
    assert standing(tmp_path).resources["Custom:policy", "a"]["Status"] == "COMPLIANT"
