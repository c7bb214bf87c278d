"""Every package gets the right patch state."""

from dataclasses import replace

import pytest

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.patch.baseline import ApprovalRule, Baseline, OperatingSystem, RejectedAction
from fleetctl.patch.defaults import BUILT_IN
from fleetctl.patch.evaluate import evaluate, vendor_severity

DEFAULT = BUILT_IN[OperatingSystem.DEBIAN]


def judged(make, state, baseline=DEFAULT):
    result = evaluate(state, baseline, make.now)
    return result, {patch.name: patch for patch in result.patches}


def test_an_installed_security_version_is_installed_and_the_rest_is_other(make):
    state = make.state(make.package("sec", security=True), make.package("plain"))
    result, by_name = judged(make, state)
    assert (by_name["sec"].state, by_name["plain"].state) == ("INSTALLED", "INSTALLED_OTHER")
    assert result.status is ComplianceStatus.COMPLIANT


def test_a_fix_of_the_security_pocket_is_missing(make):
    fix = make.version("1.0-1+deb12u1", security=True)
    result, by_name = judged(make, make.state(make.package(), updates=[make.update("a", fix)]))
    assert (by_name["a"].state, by_name["a"].target, by_name["a"].compliant) == ("MISSING", fix, False)
    assert result.status is ComplianceStatus.NON_COMPLIANT


def test_a_fix_hidden_behind_a_newer_build_and_a_hold_is_missing_and_said_to_be_held(make):
    update = make.update(
        "a", make.version("1.1-1"), make.version("1.0-1+deb12u1", security=True), held="hold"
    )
    _, by_name = judged(make, make.state(make.package(), updates=[update]))
    assert by_name["a"].target.version == "1.0-1+deb12u1"
    assert "held" in by_name["a"].note


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"held": "pin", "candidate": ""}, "pin"),
        ({"held": "versionlock"}, "versionlock"),
        ({"held": "exclude"}, "excluded"),
        ({"held": "lock"}, "locked"),
        ({"kept_back": True}, "dependencies"),
        ({"candidate": "2.0-1"}, "candidate is 2.0-1"),
        ({}, ""),
    ],
)
def test_says_what_hides_a_missing_fix(make, more, note):
    update = make.update("a", make.version("1.0-2", security=True), **more)
    _, by_name = judged(make, make.state(make.package(), updates=[update]))
    assert note in by_name["a"].note
    assert bool(by_name["a"].note) is bool(note)


def test_a_fix_that_no_repository_offers_is_missing(make):
    fix = replace(make.version("1.0-2", security=True), origins=())
    _, by_name = judged(make, make.state(make.package(), updates=[make.update("a", fix, candidate="")]))
    assert by_name["a"].state == "MISSING"
    assert "no repository of the host offers it" in by_name["a"].note


def test_a_bug_fix_that_is_newer_than_a_security_fix_stands_for_both(make):
    bug = make.version("1.0-3", advisories=[{"id": "B", "classification": "bugfix"}])
    grave = {"id": "S", "classification": "security", "severity": "Critical"}
    fix = make.version("1.0-2", security=True, advisories=[grave])
    result, by_name = judged(
        make,
        make.state(make.package(), updates=[make.update("a", bug, fix)]),
        BUILT_IN[OperatingSystem.ROCKY_LINUX],
    )
    assert (by_name["a"].target, by_name["a"].security, by_name["a"].severity) == (
        bug,
        True,
        Severity.CRITICAL,
    )
    assert result.counts["CriticalNonCompliantCount"] == 1


def test_an_older_kernel_beside_the_newest_is_not_judged(make):
    old, new = make.package("k", superseded=True), make.package("k", "1.0-2")
    fix = make.update("k", make.version("1.0-3", security=True), installed="1.0-2")
    reboot = make.reboot(needed=True, packages=("k",), reasons=("x",))
    result = evaluate(make.state(old, new, updates=[fix], reboot=reboot), DEFAULT, make.now)
    assert [patch.state for patch in result.patches] == [
        "INSTALLED_OTHER",
        "MISSING",
        "INSTALLED_PENDING_REBOOT",
    ]


def test_a_bug_fix_is_another_update_and_does_not_count(make):
    update = make.update("a", make.version("1.1-1"))
    result, by_name = judged(make, make.state(make.package(), updates=[update]))
    assert by_name["a"].state == "INSTALLED_OTHER"
    assert result.other_updates == (update,)
    assert result.status is ComplianceStatus.COMPLIANT


def test_a_broken_package_has_failed_even_when_a_fix_is_missing_too(make):
    fix = make.update("a", make.version("1.0-2", security=True))
    _, by_name = judged(make, make.state(make.package(broken="half-configured"), updates=[fix]))
    assert (by_name["a"].state, by_name["a"].note) == ("FAILED", "half-configured")


def test_a_package_that_asked_for_a_reboot_is_pending(make):
    reboot = make.reboot(needed=True, packages=("a", "gone"), reasons=("x",))
    result, by_name = judged(make, make.state(make.package(security=True), make.package("b"), reboot=reboot))
    assert (by_name["a"].state, by_name["b"].state) == ("INSTALLED_PENDING_REBOOT", "INSTALLED_OTHER")
    assert len(result.patches) == 2
    assert result.status is ComplianceStatus.NON_COMPLIANT


def test_a_reboot_that_no_package_asked_for_stands_for_itself(make):
    reboot = make.reboot(needed=True, reasons=("kernel 1 runs, 2 is installed",))
    result, by_name = judged(make, make.state(make.package(), reboot=reboot))
    assert by_name["reboot-required"].state == "INSTALLED_PENDING_REBOOT"
    assert "kernel 1" in by_name["reboot-required"].note
    assert result.status is ComplianceStatus.NON_COMPLIANT


@pytest.mark.parametrize(
    ("action", "state", "status"),
    [
        (RejectedAction.BLOCK, "INSTALLED_REJECTED", "NON_COMPLIANT"),
        (RejectedAction.ALLOW_AS_DEPENDENCY, "INSTALLED_OTHER", "COMPLIANT"),
    ],
)
def test_a_rejected_package_is_judged_by_the_action(make, action, state, status):
    baseline = replace(DEFAULT, rejected_patches=("A*",), rejected_patches_action=action)
    fix = make.update("a", make.version("1.0-2", security=True))
    result, _ = judged(make, make.state(make.package(), updates=[fix]), baseline)
    assert [patch.state for patch in result.patches] == [state, "AVAILABLE_SECURITY_UPDATE"]
    assert result.status.value == status


@pytest.mark.parametrize("verdict", [ComplianceStatus.COMPLIANT, ComplianceStatus.NON_COMPLIANT])
def test_a_security_update_that_is_not_approved_counts_as_the_baseline_says(make, verdict):
    baseline = Baseline(
        name="none",
        operating_system=OperatingSystem.DEBIAN,
        available_security_updates_compliance_status=verdict,
    )
    fix = make.update("a", make.version("1.0-2", security=True))
    result, _ = judged(make, make.state(make.package(), updates=[fix]), baseline)
    assert [patch.state for patch in result.patches] == ["INSTALLED_OTHER", "AVAILABLE_SECURITY_UPDATE"]
    assert result.status is verdict
    assert result.counts["AvailableSecurityUpdateCount"] == 1


def test_the_newest_approved_version_is_the_target(make):
    update = make.update(
        "a", make.version("1.3"), make.version("1.2", security=True), make.version("1.1", security=True)
    )
    _, by_name = judged(make, make.state(make.package(), updates=[update]))
    assert by_name["a"].target.version == "1.2"
    everything = replace(DEFAULT, approval_rules=(ApprovalRule(enable_non_security=True),))
    _, by_name = judged(make, make.state(make.package(), updates=[update]), everything)
    assert by_name["a"].target.version == "1.3"


def test_severity_is_the_rule_s_level_else_the_vendor_s(make):
    advisories = [{"id": "X-1", "severity": "Moderate"}, {"id": "X-2", "severity": "Important"}]
    fix = make.version("1.0-2", security=True, advisories=advisories)
    state = make.state(make.package(), updates=[make.update("a", fix)])
    assert judged(make, state)[1]["a"].severity is Severity.HIGH
    graded = replace(DEFAULT, approval_rules=(ApprovalRule(compliance_level=Severity.CRITICAL),))
    assert judged(make, state, graded)[1]["a"].severity is Severity.CRITICAL
    assert vendor_severity(make.version("2", security=True)) is Severity.UNSPECIFIED


def test_counts_add_up_and_the_non_compliant_ones_are_disjoint(make):
    graded = replace(
        DEFAULT, approval_rules=(ApprovalRule(compliance_level=Severity.CRITICAL, enable_non_security=True),)
    )
    fix = make.update("a", make.version("1.0-2", security=True))
    state = make.state(
        make.package("a"),
        make.package("b", broken="x"),
        make.package("c", broken="x", security=True),
        make.package("d"),
        updates=[fix],
    )
    result, _ = judged(make, state, graded)
    counts = result.counts
    assert counts["MissingCount"] == 1
    assert counts["FailedCount"] == 2
    states = (
        "Installed",
        "InstalledOther",
        "InstalledPendingReboot",
        "InstalledRejected",
        "Missing",
        "Failed",
    )
    assert sum(counts[f"{name}Count"] for name in states) == len(state.installed)
    failing = sum(not patch.compliant for patch in result.patches)
    assert sum(counts[f"{kind}NonCompliantCount"] for kind in ("Critical", "Security", "Other")) == failing
