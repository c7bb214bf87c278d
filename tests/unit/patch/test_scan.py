"""The scan of one host, and the report of many."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from fleetctl.compliance.report import report_json, schema
from fleetctl.model import Become, Host, Outcome, Reason, Status
from fleetctl.patch.baseline import OperatingSystem
from fleetctl.patch.defaults import BUILT_IN
from fleetctl.patch.report import scan_exit_code, scan_report
from fleetctl.patch.scan import ScanTask
from fleetctl.patch.telling import COLUMNS, tell_scan

MANAGERS = Path(__file__).parents[2] / "golden"
GOLDEN = MANAGERS / "apt"
CASES = [
    f"../{folder.parent.name}/{folder.name}"
    for name in ("apt", "dnf", "zypper")
    for folder in sorted((MANAGERS / name).iterdir())
    if folder.is_dir()
]
THEN = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
VALIDATOR = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())


def scanned(case, host="web-1", **options):
    told = [(GOLDEN / case / stream).read_bytes() for stream in ("stdout", "stderr")]
    ok = Outcome(
        host=host, status=Status.SUCCESS, response_code=0, started=THEN, ended=THEN + timedelta(seconds=2)
    )
    return ScanTask(**options).judge(Host(name=host, patch_group="web"), *told, ok)


def report(*outcomes):
    told = report_json(scan_report(outcomes, run_id="R1", now=THEN))
    VALIDATOR.validate(told)
    assert json.loads(json.dumps(told)) == told
    return told


GONE = Outcome(host="gone", status=Status.UNDELIVERABLE, reason=Reason.REFUSED, message="connection refused")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("detail", [False, True], ids=["short", "detail"])
def test_every_golden_host_makes_a_report_that_fits_its_schema(case, detail):
    told = report(scanned(case, detail=detail))
    assert len(told["ResourceSummaries"]) + len(told["Unscanned"]) == told["ResourceCount"] == 1


def test_a_host_that_lacks_patches_was_scanned_all_right():
    outcome = scanned("deb12-fresh")
    assert (outcome.status, outcome.data["Status"]) == (Status.SUCCESS, "NON_COMPLIANT")
    told = report(outcome)
    summary = told["ResourceSummaries"][0]["PatchSummary"]
    assert (summary["MissingCount"], summary["SecurityNonCompliantCount"], summary["OtherUpdateCount"]) == (
        4,
        4,
        5,
    )
    assert (summary["BaselineId"], summary["PatchGroup"]) == ("AWS-DebianDefaultPatchBaseline", "web")
    held = next(item for item in told["ComplianceItems"] if item["Title"] == "fl-held.all")
    assert held["Id"] == "fl-held.all:1.0-1+deb12u1"
    assert (held["Status"], held["Severity"]) == ("NON_COMPLIANT", "UNSPECIFIED")
    assert held["ExecutionSummary"] == {
        "ExecutionTime": "2026-11-23T21:00:02.000+00:00",
        "ExecutionId": "R1",
        "ExecutionType": "Command",
    }
    assert (
        held["Details"]
        | {
            "PatchState": "MISSING",
            "InstalledVersion": "1.0-1",
            "CandidateVersion": "1.0-1+deb12u1",
            "ManagerCandidate": "1.1-1",
            "Origin": "Debian-Security:bookworm-security/main",
            "Held": "hold",
            "PatchBaselineId": "AWS-DebianDefaultPatchBaseline",
        }
        == held["Details"]
    )


def test_detail_lists_every_package():
    told = report(scanned("deb13-clean", detail=True))
    assert len(told["ComplianceItems"]) == 150
    assert report(scanned("deb13-clean"))["ComplianceItems"] == []


def test_counts_of_a_summary_hold_with_and_without_detail():
    short, long = (report(scanned("deb12-broken-postinst", detail=detail)) for detail in (False, True))
    assert short["ResourceSummaries"] == long["ResourceSummaries"]
    summary = long["ResourceSummaries"][0]
    for kind in ("Compliant", "NonCompliant"):
        status = "COMPLIANT" if kind == "Compliant" else "NON_COMPLIANT"
        listed = [item for item in long["ComplianceItems"] if item["Status"] == status]
        assert summary[f"{kind}Summary"][f"{kind}Count"] == len(listed)


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        ("deb12-damaged-lists", Reason.REMOTE, "Unable to parse package file"),
        ("deb12-no-lists", Reason.REMOTE, "no package lists"),
        ("deb13-no-security-lists", Reason.REMOTE, "security pocket"),
        ("no-manager", Reason.PRECONDITION, "no package manager"),
        ("../dnf/el9-no-metadata", Reason.REMOTE, "no package lists of repository fl"),
        ("../dnf/f43-no-metadata", Reason.REMOTE, "no package lists of repository fl"),
        ("../dnf/el9-no-repository", Reason.REMOTE, "no repository is enabled"),
        ("../dnf/el9-no-advisories", Reason.REMOTE, "no repository publishes advisories"),
        ("../dnf/el9-damaged-rpmdb", Reason.REMOTE, "rpm --rebuilddb"),
        ("../zypper/sles15-no-metadata", Reason.REMOTE, "no package lists of repository fl"),
        ("../zypper/sles15-no-repository", Reason.REMOTE, "no repository is defined"),
        ("../zypper/sles15-damaged-rpmdb", Reason.REMOTE, "rpm --rebuilddb"),
    ],
)
def test_a_host_that_cannot_be_judged_has_failed_and_is_never_compliant(case, reason, words):
    outcome = scanned(case)
    assert (outcome.status, outcome.reason) == (Status.FAILED, reason)
    assert words in outcome.message
    assert outcome.hint
    told = report(outcome)
    assert told["ResourceSummaries"] == []
    assert told["Summary"]["CompliantSummary"]["CompliantCount"] == 0
    assert told["Summary"]["UnscannedSummary"] == {"UnscannedCount": 1, "Reasons": {reason.value: 1}}


@pytest.mark.parametrize(
    ("case", "command"),
    [
        ("deb12-no-lists", "apt-get update"),
        ("../dnf/el9-no-metadata", "dnf makecache"),
        ("../zypper/sles15-no-metadata", "zypper refresh"),
    ],
)
def test_the_hint_names_the_manager_s_own_command(case, command):
    assert f"-- {command}" in scanned(case).hint


@pytest.mark.parametrize(
    ("case", "held"),
    [
        ("../dnf/el9-fresh", "exclude"),
        ("../dnf/el9-unprivileged", "exclude"),
        ("../dnf/el9-localized", "exclude"),
        ("../dnf/f43-fresh", "exclude"),
        ("../zypper/sles15-fresh", "lock"),
        ("../zypper/sles15-lock-held", "lock"),
    ],
)
def test_an_advisory_that_a_rule_of_the_host_hides_is_missing_all_the_same(case, held):
    items = {item["Title"]: item for item in report(scanned(case))["ComplianceItems"]}
    item = items["fl-held.noarch"]
    assert (item["Status"], item["Severity"]) == ("NON_COMPLIANT", "HIGH")
    assert (
        item["Details"]
        | {
            "PatchState": "MISSING",
            "CandidateVersion": "1.0-2.el9",
            "Classification": "Security",
            "PatchSeverity": "Important",
            "AdvisoryIds": ["FLSA-2024:0002"],
            "CVEIds": ["CVE-2024-0002", "CVE-2024-0005"],
            "Held": held,
        }
        == item["Details"]
    )


@pytest.mark.parametrize("case", ["../dnf/el9-clean", "../dnf/f43-clean", "../zypper/sles15-clean"])
def test_a_host_that_has_all_is_compliant(case):
    outcome = scanned(case)
    assert (outcome.status, outcome.data["Status"]) == (Status.SUCCESS, "COMPLIANT")


def test_where_nobody_publishes_advisories_a_baseline_that_asks_for_everything_can_judge():
    outcome = scanned("../dnf/el9-no-advisories", choose=lambda *_: BUILT_IN[OperatingSystem.CENTOS])
    assert outcome.data["Status"] == "COMPLIANT"  # all of it was built yesterday, and has six days left
    assert any("publishes advisories" in warning for warning in outcome.data["Warnings"])


def test_what_is_broken_is_told_with_the_command_that_mends_it():
    outcome = scanned("../dnf/el9-broken")
    assert outcome.data["Status"] == "NON_COMPLIANT"
    assert any(w.endswith("mend it with: dnf -y remove --duplicates") for w in outcome.data["Warnings"])
    assert any(w.endswith("dpkg --configure -a") for w in scanned("deb12-broken-postinst").data["Warnings"])


def test_a_scan_refreshes_nothing_unless_it_is_asked_to():
    assert "refresh_apt()" not in ScanTask().script
    assert "refresh_apt()" in ScanTask(refresh=True).script


def test_package_lists_can_be_too_old_to_be_believed():
    outcome = scanned("deb13-clean", max_metadata_age=timedelta(minutes=5))
    assert (outcome.status, outcome.data) == (Status.FAILED, {})
    assert "days old" in outcome.message
    assert scanned("deb13-clean", max_metadata_age=timedelta(minutes=15)).status is Status.SUCCESS


def test_old_package_lists_are_a_warning():
    stdout = (GOLDEN / "deb13-clean" / "stdout").read_bytes()
    line = next(line for line in stdout.splitlines() if line.endswith(b"/lists/partial"))
    old = stdout.replace(line, b"%d /var/lib/apt/lists/partial" % (int(line.split()[0]) - 9 * 86400))
    ok = Outcome(host="h", status=Status.SUCCESS, started=THEN, ended=THEN)
    assert ScanTask().judge(Host(name="h"), old, b"", ok).data["Warnings"] == [
        "the package lists are 9 days old"
    ]


def test_a_system_without_a_baseline_is_not_judged():
    outcome = scanned("deb13-clean", choose=lambda _host, _facts: None)
    assert "no patch baseline for Debian GNU/Linux 13" in outcome.message


@pytest.mark.parametrize(
    ("host", "wanted", "expected"),
    [
        (Host(name="h"), None, None),
        (Host(name="h", become=Become(method="doas")), None, Become(method="doas")),
        (Host(name="h", become=Become(method="doas")), False, None),
        (Host(name="h"), True, Become()),
    ],
)
def test_becomes_root_as_the_inventory_and_the_order_say(host, wanted, expected):
    assert ScanTask(become=wanted).on(host).become == expected


def test_a_fleet_is_summed_up_by_host():
    told = report(scanned("deb12-fresh", "b"), scanned("deb13-clean", "a"), GONE, scanned("no-manager", "c"))
    summary = told["Summary"]
    assert summary["CompliantSummary"]["CompliantCount"] == 1
    assert summary["NonCompliantSummary"]["NonCompliantCount"] == 1
    assert summary["UnscannedSummary"]["Reasons"] == {"precondition": 1, "refused": 1}
    assert [host["ResourceId"] for host in told["Unscanned"]] == ["gone", "c"]


@pytest.mark.parametrize(
    ("outcomes", "run_code", "code"),
    [
        (["deb13-clean"], 0, 0),
        (["deb13-clean", "deb12-fresh"], 0, 5),
        (["deb12-fresh"], 4, 4),
        (["deb12-fresh"], 3, 3),
        (["deb12-fresh"], 130, 130),
    ],
)
def test_an_incomplete_scan_is_told_before_its_verdict(outcomes, run_code, code):
    verdict = scan_report([scanned(case) for case in outcomes], run_id="R1")
    assert scan_exit_code(verdict, run_code) == code


def test_a_successful_outcome_without_a_verdict_is_not_compliant():
    told = report(replace(GONE, status=Status.SUCCESS, reason=None))
    assert told["Unscanned"][0]["Reason"] == "unknown"


def test_every_host_has_a_row_and_a_case():
    telling = tell_scan(report(scanned("deb12-fresh", "b"), scanned("deb13-clean", "a"), GONE))
    rows = list(telling.rows)
    assert [row["ResourceId"] for row in rows] == ["b", "b", "b", "b", "a", "gone"]
    assert [row["HostStatus"] for row in rows] == ["NON_COMPLIANT"] * 4 + ["COMPLIANT", "UNSCANNED"]
    assert all(
        set(row)
        <= set(COLUMNS) | {"ManagerCandidate", "DeploymentStatus", "InstalledTime", "PatchBaselineId"}
        for row in rows
    )
    failed, good, lost = telling.cases
    assert "MISSING fl-held.all 1.0-1 -> 1.0-1+deb12u1 (held" in failed.failure
    assert (good.failure, good.error) == ("", "")
    assert (lost.error, lost.kind) == ("connection refused", "refused")


@pytest.mark.parametrize("become", [None, True, False])
@pytest.mark.parametrize("rule", [None, Become(user="patcher", method="doas")])
def test_package_lists_are_refreshed_as_root_and_only_where_it_was_said(become, rule):
    host = Host(name="web-1", become=rule)
    command = ScanTask(refresh=True, become=become).on(host)
    assert (command.become.user, command.become.method) == ("root", rule.method if rule else "sudo")
    assert 'section refresh "refresh_$manager"' in command.script
    assert "refresh_" not in ScanTask().on(host).script
