"""What a baseline says about one version."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fleetctl.compliance.model import Severity
from fleetctl.model import Host
from fleetctl.packages.model import HostFacts
from fleetctl.patch.approval import Approval, Deployment
from fleetctl.patch.baseline import ApprovalRule, Baseline, FilterKey, Filters, OperatingSystem
from fleetctl.patch.candidate import Candidate
from fleetctl.patch.defaults import BUILT_IN, default_baseline, operating_system

FACTS = HostFacts(os_id="debian", version_id="12")
EMPTY = Baseline(name="x", operating_system=OperatingSystem.DEBIAN)


def candidate(make, *, security=True, advisories=(), name="openssl", text="1:2.0-3", **more):
    version = make.version(text, security=security, advisories=advisories, **more)
    return Candidate.newer(make.update(name, version), version, FACTS)


def decide(make, baseline, what, **more):
    return Approval(baseline, now=make.now, **more).decide(what)


def rule(**given):
    filters = Filters({FilterKey(key): tuple(values) for key, values in given.pop("filters", {}).items()})
    return replace(EMPTY, approval_rules=(ApprovalRule(filters=filters, **given),))


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({}, True),
        ({"SECTION": ["Libs"]}, True),
        ({"SECTION": ["net", "lib*"]}, True),
        ({"SECTION": ["net"]}, False),
        ({"SECTION": ["libs"], "PRIORITY": ["Required"]}, False),
        ({"PRODUCT": ["Debian12"]}, True),
        ({"PRODUCT": ["Debian11"]}, False),
        ({"NAME": ["open*"]}, True),
        ({"VERSION": ["1:2.0-3"], "EPOCH": ["1"], "RELEASE": ["3"], "ARCH": ["AMD64"]}, True),
        ({"CLASSIFICATION": ["Security"]}, True),
        ({"SECURITY": ["true"]}, True),
        ({"REPOSITORY": ["*-security/*"]}, True),
        ({"SEVERITY": ["Critical"]}, False),
        ({"SEVERITY": ["*"]}, True),
    ],
)
def test_filters_are_and_ed_values_are_or_ed(make, filters, matches):
    assert (decide(make, rule(filters=filters), candidate(make)) is not None) is matches


def test_advisories_answer_filters(make):
    what = candidate(
        make,
        advisories=[
            {
                "id": "RHSA-1",
                "classification": "security",
                "severity": "Critical",
                "cve_ids": ("CVE-1",),
                "bugzilla_ids": ("77",),
            }
        ],
    )
    for filters in (
        {"SEVERITY": ["critical"]},
        {"ADVISORY_ID": ["rhsa-*"]},
        {"CVE_ID": ["CVE-1"]},
        {"BUGZILLA_ID": ["77"]},
    ):
        assert decide(make, rule(filters=filters), what).status is Deployment.APPROVED


def test_other_updates_need_a_rule_that_wants_them(make):
    assert decide(make, rule(), candidate(make, security=False)) is None
    assert (
        decide(make, rule(enable_non_security=True), candidate(make, security=False)).status
        is Deployment.APPROVED
    )


def test_global_filters_stand_before_the_rules(make):
    baseline = replace(rule(), global_filters=Filters({FilterKey.NAME: ("nginx",)}))
    assert decide(make, baseline, candidate(make)) is None


@pytest.mark.parametrize(
    "pattern", ["openssl", "OPEN*", "openssl.amd64", "openssl=1:2.0-3", "CVE-2024-0001", "DSA-1"]
)
def test_lists_of_patches_take_names_versions_cves_and_advisories(make, pattern):
    what = candidate(make, advisories=[{"id": "DSA-1", "cve_ids": ("CVE-2024-0001",)}])
    approved = replace(EMPTY, approved_patches=(pattern,), approved_patches_compliance_level=Severity.HIGH)
    decision = decide(make, approved, what)
    assert (decision.status, decision.level) == (Deployment.EXPLICIT_APPROVED, Severity.HIGH)
    rejected = replace(approved, rejected_patches=(pattern,))
    assert decide(make, rejected, what).status is Deployment.EXPLICIT_REJECTED
    assert decide(make, replace(EMPTY, approved_patches=("libssl",)), what) is None


def test_an_approved_patch_that_is_no_security_update_needs_consent(make):
    baseline = replace(EMPTY, approved_patches=("openssl",))
    assert decide(make, baseline, candidate(make, security=False)) is None
    consent = replace(baseline, approved_patches_enable_non_security=True)
    assert decide(make, consent, candidate(make, security=False)).status is Deployment.EXPLICIT_APPROVED


def test_a_delay_counts_from_the_vendor_s_date_else_from_first_sight_else_not_at_all(make):
    delayed = rule(approve_after_days=7)
    recent, old = make.now - timedelta(days=3), make.now - timedelta(days=7)
    waiting = decide(make, delayed, candidate(make, date=recent))
    assert (waiting.status, waiting.due) == (Deployment.PENDING_APPROVAL, recent + timedelta(days=7))
    assert decide(make, delayed, candidate(make, date=old)).status is Deployment.APPROVED
    issued = candidate(make, advisories=[{"id": "X", "issued": recent}])
    assert decide(make, delayed, issued).status is Deployment.PENDING_APPROVAL
    assert decide(make, delayed, candidate(make)).status is Deployment.APPROVED
    seen = decide(make, delayed, candidate(make), first_seen=lambda _: recent)
    assert seen.status is Deployment.PENDING_APPROVAL


@pytest.mark.parametrize(
    ("day", "status"),
    [(9, Deployment.APPROVED), (10, Deployment.APPROVED), (11, Deployment.PENDING_APPROVAL)],
)
def test_approve_until_date_includes_that_day(make, day, status):
    baseline = rule(approve_after_days=None, approve_until_date=date(2026, 11, 10))
    what = candidate(make, date=datetime(2026, 11, day, 23, 59, tzinfo=UTC))
    assert decide(make, baseline, what).status is status


def test_of_several_rules_approval_wins_and_then_the_graver_level(make):
    rules = (
        ApprovalRule(approve_after_days=30, compliance_level=Severity.CRITICAL),
        ApprovalRule(compliance_level=Severity.LOW),
        ApprovalRule(compliance_level=Severity.HIGH),
    )
    decision = decide(make, replace(EMPTY, approval_rules=rules), candidate(make, date=make.now))
    assert (decision.status, decision.level, decision.by) == (
        Deployment.APPROVED,
        Severity.HIGH,
        "approval_rules[2]",
    )


@pytest.mark.parametrize(
    ("os_id", "like", "name"),
    [
        ("debian", (), "AWS-DebianDefaultPatchBaseline"),
        ("ubuntu", ("debian",), "AWS-UbuntuDefaultPatchBaseline"),
        ("linuxmint", ("ubuntu", "debian"), "AWS-UbuntuDefaultPatchBaseline"),
        ("raspbian", ("debian",), "AWS-DefaultRaspbianPatchBaseline"),
        ("kali", ("debian",), "AWS-DebianDefaultPatchBaseline"),
        ("rocky", ("rhel", "centos", "fedora"), "AWS-RockyLinuxDefaultPatchBaseline"),
        ("scientific", ("rhel", "fedora"), "AWS-RedHatDefaultPatchBaseline"),
        ("amzn", ("fedora",), "AWS-AmazonLinux2023DefaultPatchBaseline"),
        ("opensuse-leap", ("suse", "opensuse"), "AWS-SuseDefaultPatchBaseline"),
        ("arch", (), "FleetctlArchLinuxDefaultPatchBaseline"),
        ("alpine", (), "FleetctlAlpineLinuxDefaultPatchBaseline"),
        ("manjaro", ("arch",), "FleetctlArchLinuxDefaultPatchBaseline"),
        ("gentoo", (), None),
    ],
)
def test_the_predefined_baselines_answer_to_ssm_s_names(os_id, like, name):
    facts = HostFacts(os_id=os_id, os_like=like)
    baseline = default_baseline(Host(name="h"), facts)
    assert (baseline.name if baseline else None) == name
    assert (operating_system(facts) is None) is (name is None)


def test_the_predefined_baselines_ask_for_a_security_update_without_a_priority(make):
    told = {"id": "A-1", "classification": "security", "severity": "Important"}
    version = make.version("2", security=True, advisories=[told])
    update = replace(make.update("a", version), section="", priority="")
    for baseline in BUILT_IN.values():
        assert decide(make, baseline, Candidate.newer(update, version, FACTS)).status is Deployment.APPROVED


def test_a_bug_fix_with_an_advisory_can_be_asked_for_without_other_updates(make):
    """SSM on yum: EnableNonSecurity is about what no advisory names; the rule's CLASSIFICATION says which advisories count."""
    bugfixes = rule(filters={"CLASSIFICATION": ["Bugfix"]})
    told = {"id": "B-1", "classification": "bugfix"}
    assert decide(make, bugfixes, candidate(make, security=False, advisories=[told])) is not None
    assert decide(make, bugfixes, candidate(make, security=False)) is None
    assert not Approval(bugfixes, now=make.now).asks_for_all


def test_delays_count_from_the_advisory_and_only_without_one_from_the_build(make):
    built = make.now - timedelta(days=1)
    told = {"id": "A-1", "classification": "security", "issued": make.now - timedelta(days=30)}
    waiting = rule(approve_after_days=7)
    assert decide(make, waiting, candidate(make, advisories=[told], date=built)).status is Deployment.APPROVED
    assert decide(make, waiting, candidate(make, date=built)).status is Deployment.PENDING_APPROVAL
