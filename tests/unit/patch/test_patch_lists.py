"""What lists of approved and rejected patches may name, filter keys one by one, and that rejection wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.model import Advisory, HostFacts
from fleetctl.patch.approval import Approval, Deployment
from fleetctl.patch.baseline import ApprovalRule, Baseline, FilterKey, Filters, OperatingSystem
from fleetctl.patch.candidate import Candidate

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BARE = Baseline(name="x", operating_system=OperatingSystem.AMAZON_LINUX_2023)
# The example of SSM's page "Package name formats for approved and rejected patch lists".
DBUS = Candidate(
    name="dbus",
    arch="x86_64",
    version="1:1.12.28-1.amzn2023.0.1",
    security=True,
    section="libs",
    priority="optional",
    product="AmazonLinux2023",
    repositories=("amazonlinux", "mirror"),
    advisories=(
        Advisory(
            id="ALAS2023-2025-123",
            classification="security",
            severity="Important",
            cve_ids=("CVE-2025-0001", "CVE-2025-0002"),
            bugzilla_ids=("1234567",),
            issued=datetime(2026, 11, 1, tzinfo=UTC),
        ),
    ),
)
FORMATS = [
    "dbus",
    "DBUS",
    "dbus.x86_64",
    "dbus-1.12.28",
    "dbus-1.12.28-1.amzn2023.0.1",
    "dbus-1.12.28-1.amzn2023.0.1.x86_64",
    "1.12.28",
    "1.12.28-1.amzn2023.0.1",
    "1:1.12.28-1.amzn2023.0.1",
    "dbus-1:1.12.28-1.amzn2023.0.1",
    "dbus-1:1.12.28-1.amzn2023.0.1.x86_64",
    "1:dbus-1.12.28-1.amzn2023.0.1.x86_64",
    "dbus.x86_64:1:1.12.28-1.amzn2023.0.1",
    "dbus=1:1.12.28-1.amzn2023.0.1",
    "dbus*",
    "dbus-1.12.2*",
    "dbus-*:1.12.28-1.amzn2023.0.1.x86_64",
    "*",
    "CVE-2025-0002",
    "cve-2025-*",
    "ALAS2023-2025-123",
    "1234567",
]
OTHERS = [
    "dbu",
    "dbus-libs",
    "dbus.aarch64",
    "dbus-1.12.2",
    "dbus-2:1.12.28-1.amzn2023.0.1",
    "dbus-1.12.28-2",
    "CVE-2025-0003",
    "ALAS2023-2025-12",
    "123456",
    "KB1234567",
    "dbus-libs*",
]


def decide(baseline, candidate=DBUS):
    return Approval(baseline, now=NOW).decide(candidate)


@pytest.mark.parametrize("entry", FORMATS)
def test_every_format_of_ssm_names_a_patch(entry):
    assert decide(replace(BARE, approved_patches=(entry,))).status is Deployment.EXPLICIT_APPROVED
    assert decide(replace(BARE, rejected_patches=(entry,))).status is Deployment.EXPLICIT_REJECTED


@pytest.mark.parametrize("entry", OTHERS)
def test_what_is_something_else_names_nothing(entry):
    assert decide(replace(BARE, approved_patches=(entry,), rejected_patches=(entry,))) is None


@pytest.mark.parametrize(
    ("version", "entry", "named"),
    [
        ("1.0-1", "a-0:1.0-1", True),
        ("1.0-1", "a.noarch:1.0-1", True),
        ("1.0-1", "a.noarch:0:1.0-1", True),
        ("20230311", "a-20230311", True),
        ("20230311", "20230311", False),  # digits alone are a bug's number
        ("5.2.15-2+b8", "a-5.2.15-2+b8", True),
        ("1.2.3-r0", "a-1.2.3", True),
    ],
)
def test_versions_of_other_managers_are_named_alike(version, entry, named):
    candidate = Candidate(name="a", arch="noarch", version=version, security=True)
    assert (decide(replace(BARE, approved_patches=(entry,)), candidate) is not None) is named


FITS = {
    FilterKey.ADVISORY_ID: ("ALAS2023-*", "ALAS2-*"),
    FilterKey.ARCH: ("x86_64", "aarch64"),
    FilterKey.BUGZILLA_ID: ("1234567", "7654321"),
    FilterKey.CLASSIFICATION: ("Security", "Bugfix"),
    FilterKey.CVE_ID: ("CVE-2025-0002", "CVE-2025-0003"),
    FilterKey.EPOCH: ("1", "0"),
    FilterKey.MSRC_SEVERITY: ("*", "Critical"),
    FilterKey.NAME: ("db*s", "dbus-libs"),
    FilterKey.PATCH_ID: ("dbus", "x"),
    FilterKey.PATCH_SET: ("*", "OS"),
    FilterKey.PRIORITY: ("Optional", "Required"),
    FilterKey.PRODUCT: ("AmazonLinux2023", "AmazonLinux2"),
    FilterKey.PRODUCT_FAMILY: ("*", "Windows"),
    FilterKey.RELEASE: ("1.amzn2023.0.1", "1"),
    FilterKey.REPOSITORY: ("mirror", "epel"),
    FilterKey.SECTION: ("libs", "net"),
    FilterKey.SECURITY: ("true", "false"),
    FilterKey.SEVERITY: ("important", "Critical"),
    FilterKey.VERSION: ("1:1.12.28-*", "1.12.28-1.amzn2023.0.1"),
}


@pytest.mark.parametrize("key", FilterKey)
def test_every_filter_key_compares_with_its_own_value(key):
    fits, other = FITS[key]

    def matches(*values):
        rule = ApprovalRule(filters=Filters({key: values}))
        everywhere = replace(BARE, global_filters=Filters({key: values}), approval_rules=(ApprovalRule(),))
        found = {decide(replace(BARE, approval_rules=(rule,))) is not None, decide(everywhere) is not None}
        assert len(found) == 1
        return found.pop()

    assert matches(fits)
    assert matches(other, fits)
    assert not matches(other)


@pytest.mark.parametrize(
    ("os_id", "version", "product"),
    [
        ("debian", "12", "Debian12"),
        ("ubuntu", "22.04", "Ubuntu22.04"),
        ("rhel", "9.4", "RedhatEnterpriseLinux9.4"),
        ("rocky", "9.4", "RockyLinux9.4"),
        ("almalinux", "9.4", "AlmaLinux9.4"),
        ("ol", "9.4", "OracleLinux9.4"),
        ("amzn", "2023", "AmazonLinux2023"),
        ("sles", "15.6", "Suse15.6"),
        ("alpine", "3.20.1", "Alpine3.20.1"),
        ("arch", "", "Arch"),
    ],
)
def test_products_have_ssm_s_names(make, os_id, version, product):
    candidate = Candidate.installed(make.package(), HostFacts(os_id=os_id, version_id=version))
    assert candidate.values(FilterKey.PRODUCT) == (product,)


entries = st.lists(st.sampled_from([*FORMATS, *OTHERS]), max_size=4).map(tuple)
rules = st.lists(
    st.builds(
        ApprovalRule,
        filters=st.sampled_from([Filters(), Filters({FilterKey.NAME: ("dbus",)})]),
        approve_after_days=st.sampled_from([0, 7, 30]),
        enable_non_security=st.booleans(),
    )
    | st.builds(ApprovalRule, approve_after_days=st.none(), approve_until_date=st.dates(date(2026, 1, 1))),
    max_size=3,
).map(tuple)


@given(
    rejected=entries,
    approved=entries,
    rules=rules,
    security=st.booleans(),
    announced=st.booleans(),
    non_security=st.booleans(),
)
def test_rejection_wins_over_everything(*, rejected, approved, rules, security, announced, non_security):
    candidate = replace(DBUS, security=security, advisories=DBUS.advisories if announced else ())
    baseline = replace(
        BARE,
        rejected_patches=rejected,
        approved_patches=approved,
        approval_rules=rules,
        approved_patches_enable_non_security=non_security,
    )
    approval = Approval(baseline, now=NOW)
    decision, traces = approval.decide(candidate), approval.trace(candidate)
    named = any(decide(replace(BARE, rejected_patches=(entry,)), candidate) for entry in rejected)
    assert (decision is not None and decision.status is Deployment.EXPLICIT_REJECTED) is named
    if named:
        assert not decision.status.asked_for
    # What is explained is what was decided.
    decided = [trace for trace in traces if trace.decision is not None]
    assert bool(decided) is (decision is not None)
    assert all(bool(trace.why_not) is (trace.decision is None) for trace in traces)
    if decision is not None:
        assert decision in [trace.decision for trace in decided]
