"""Approval delays where the vendor gives no date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from fleetctl.model import Host, Outcome, Status
from fleetctl.patch.baseline import ApprovalRule, Baseline, OperatingSystem
from fleetctl.patch.evaluate import PatchState, evaluate
from fleetctl.patch.first_seen import SeenBook, counts_dates, undated
from fleetctl.patch.scan import ScanTask
from fleetctl.store.first_seen import FirstSeenDates

GOLDEN = Path(__file__).parents[2] / "golden"
WEEK = Baseline(
    name="week",
    operating_system=OperatingSystem.DEBIAN,
    approval_rules=(ApprovalRule(approve_after_days=7, enable_non_security=True),),
)


def fleet_host(make, *versions, name="a"):
    return make.state(make.package(name), updates=[make.update(name, *versions)])


def judged(make, folder, state, *, after=0, baseline=WEEK):
    now = make.now + timedelta(days=after)
    book = SeenBook(FirstSeenDates(folder))
    result = evaluate(state, baseline, now, first_seen=book.of(state, now))
    return (
        next(patch for patch in result.patches if patch.target)
        if any(p.target for p in result.patches)
        else None
    )


def test_a_delay_is_counted_from_the_first_scan_that_saw_the_version(make, tmp_path):
    state = fleet_host(make, make.version("1.0-2", security=True))
    waiting = judged(make, tmp_path, state)
    assert waiting.state is PatchState.AVAILABLE_SECURITY_UPDATE
    assert waiting.decision.due == make.now + timedelta(days=7)
    assert judged(make, tmp_path, state, after=6).state is PatchState.AVAILABLE_SECURITY_UPDATE
    assert judged(make, tmp_path, state, after=8).state is PatchState.MISSING


def test_what_one_host_showed_counts_for_all_others(make, tmp_path):
    judged(make, tmp_path, fleet_host(make, make.version("1.0-2", security=True)))
    other = make.state(
        make.package("a"), make.package("b"), updates=[make.update("a", make.version("1.0-2", security=True))]
    )
    assert judged(make, tmp_path, other, after=8).state is PatchState.MISSING


def test_a_newer_version_waits_anew_and_the_older_one_stays_approved(make, tmp_path):
    old, new = make.version("1.0-2", security=True), make.version("1.0-3", security=True)
    judged(make, tmp_path, fleet_host(make, old))
    patch = judged(make, tmp_path, fleet_host(make, new, old), after=8)
    assert (patch.state, patch.target.version) == (PatchState.MISSING, "1.0-2")


def test_a_vendor_s_date_comes_first_and_is_not_written_down(make, tmp_path):
    dated = make.version("1.0-2", security=True, date=make.now - timedelta(days=30))
    advised = make.version("1.0-3", advisories=[{"id": "X-1", "issued": make.now - timedelta(days=30)}])
    state = fleet_host(make, advised, dated)
    assert list(undated(state)) == []
    assert judged(make, tmp_path, state).state is PatchState.MISSING
    assert FirstSeenDates(tmp_path).dates("apt") == {}


def test_an_installed_version_that_nobody_saw_before_waits_for_nothing(make, tmp_path):
    package = make.package("a", security=True, origins=(make.pocket,))
    state = make.state(package)
    book = SeenBook(FirstSeenDates(tmp_path))
    (patch,) = evaluate(state, WEEK, make.now, first_seen=book.of(state, make.now)).patches
    assert patch.state is PatchState.INSTALLED


def test_a_version_is_as_old_as_the_first_repository_that_had_it(make, tmp_path):
    FirstSeenDates(tmp_path).note("apt", [("a", "1.0-2", "mirror/main")], make.now - timedelta(days=30))
    version = make.version("1.0-2", security=True)
    both = replace(version, origins=(*version.origins, replace(version.origins[0], repository="mirror/main")))
    assert judged(make, tmp_path, fleet_host(make, both)).state is PatchState.MISSING


def test_a_date_to_approve_until_is_held_against_the_first_sight(make, tmp_path):
    until = replace(
        WEEK, approval_rules=(ApprovalRule(approve_after_days=None, approve_until_date=date(2026, 11, 23)),)
    )
    state = fleet_host(make, make.version("1.0-2", security=True))
    assert judged(make, tmp_path, state, baseline=until).state is PatchState.MISSING
    late = fleet_host(make, make.version("1.0-3", security=True))
    assert judged(make, tmp_path, late, after=1, baseline=until).state is PatchState.AVAILABLE_SECURITY_UPDATE


@pytest.mark.parametrize(
    ("rule", "counts"),
    [
        (ApprovalRule(), False),
        (ApprovalRule(approve_after_days=1), True),
        (ApprovalRule(approve_after_days=None, approve_until_date=date(2026, 1, 1)), True),
    ],
)
def test_only_some_baselines_look_at_dates(rule, counts):
    assert counts_dates(replace(WEEK, approval_rules=(rule,))) is counts


def scanned(make, folder, baseline, *, after=0):
    case = GOLDEN / "apt" / "deb12-fresh"
    ended = make.now + timedelta(days=after)
    ok = Outcome(host="h", status=Status.SUCCESS, response_code=0, started=ended, ended=ended)
    task = ScanTask(choose=lambda *_: baseline, seen=SeenBook(FirstSeenDates(folder)))
    printed = [(case / stream).read_bytes() for stream in ("stdout", "stderr")]
    return task.judge(Host(name="h"), *printed, ok).data


def test_scans_keep_what_they_see_and_find_it_missing_a_week_later(make, tmp_path):
    first = scanned(make, tmp_path, WEEK)
    assert (first["Status"], first["PatchSummary"]["MissingCount"]) == ("COMPLIANT", 0)
    assert first["PatchSummary"]["AvailableSecurityUpdateCount"] == 4
    later = scanned(make, tmp_path, WEEK, after=8)
    assert (later["Status"], later["PatchSummary"]["MissingCount"]) == ("NON_COMPLIANT", 9)


def test_a_damaged_record_never_stops_a_scan_and_is_said_where_it_matters(make, tmp_path):
    (tmp_path / "first-seen.db").write_bytes(b"no database " * 1000)
    told = scanned(make, tmp_path, WEEK)
    assert any("first-seen" in warning and "put aside" in warning for warning in told["Warnings"])
    (tmp_path / "first-seen.db").write_bytes(b"no database " * 1000)
    at_once = replace(WEEK, approval_rules=(ApprovalRule(),))
    assert not any("first-seen" in warning for warning in scanned(make, tmp_path, at_once)["Warnings"])
