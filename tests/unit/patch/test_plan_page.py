"""A plan is told so that nothing of it has to be looked up elsewhere."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fleetctl.packages.change import Change, Trouble, TroubleKind
from fleetctl.patch.plan import HostPlan, LeftOut, Plan, PlannedPatch
from fleetctl.patch.plan_rows import alike, change_row, cve_fates, host_row, sentences, stuck
from fleetctl.patch.plan_telling import tell_plan
from fleetctl.report.html import Html

FIX = PlannedPatch(
    name="fl-lib", arch="all", before="1", after="2", security=True, cves=("CVE-2024-1", "CVE-2024-2")
)
UPGRADE = Change(kind="upgrade", name="fl-lib", arch="all", before="1", after="2")
SHARE = HostPlan(
    host="web-1",
    manager="dnf",
    baseline="b",
    baseline_digest="0123456789abcdef",
    patches=(FIX,),
    changes=(UPGRADE, Change(kind="install", name="fl-new", after="1")),
    download=2000,
    disk=-1000,
    services=("nginx", "sshd", "cron", "php", "db"),
    reboot_expected=True,
)
HELD = replace(
    SHARE,
    host="web-2",
    patches=(),
    changes=(),
    download=None,
    reboot_pending=True,
    left_out=(LeftOut(name="fl-lib", version="2", why="held on the host", cves=("CVE-2024-1",)),),
)
PLAN = Plan(
    plan_id="R1",
    made=datetime(2026, 11, 23, 20, 45, tzinfo=UTC),
    selector="web",
    hosts=(SHARE, HELD),
    failed={"db<1>": "Undeliverable: no route"},
)


def page(plan):
    file = io.StringIO()
    Html().write(tell_plan(plan), file)
    return file.getvalue()


def test_sentences_count_what_is_done_and_name_who_needs_somebody():
    assert list(sentences(PLAN)) == [
        "1 patch, 1 of them security fixes, on 1 of 3 hosts; 2.0 kB to download.",
        "1 CVE closed, 1 left open somewhere.",
        "1 patch left out, with the reason.",
        "Waiting for a reboot now: web-2.",
        "To be rebooted after it: web-1.",
        "Not planned: db<1>.",
    ]


def test_nothing_to_do_is_one_sentence():
    idle = replace(HELD, left_out=(), reboot_pending=False)
    assert list(sentences(replace(PLAN, hosts=(idle,), failed={}))) == ["Nothing to install on 1 host."]
    assert list(sentences(replace(PLAN, hosts=()))) == ["Not planned: db<1>."]


def test_packages_that_would_go_are_counted():
    share = replace(SHARE, changes=(UPGRADE, Change(kind="remove", name="fl-old", before="1")))
    assert "1 package would be removed" in next(sentences(replace(PLAN, hosts=(share,))))


def test_a_cve_is_closed_only_where_no_patch_for_it_is_left_out():
    both = replace(SHARE, left_out=(LeftOut(name="fl-doc", why="rejected", cves=("CVE-2024-2",)),))
    told = {
        fate.cve: (fate.closed, fate.left, fate.why) for fate in cve_fates(replace(PLAN, hosts=(both, HELD)))
    }
    assert told == {
        "CVE-2024-1": (("web-1",), ("web-2",), ("fl-lib: held on the host",)),
        "CVE-2024-2": ((), ("web-1",), ("fl-doc: rejected",)),
    }


def test_a_row_says_what_a_change_closes_and_what_comes_along():
    many = replace(FIX, cves=tuple(f"CVE-2024-{n}" for n in range(1, 6)))
    share = replace(SHARE, patches=(many,))
    assert change_row(share, UPGRADE)[-1] == "CVE-2024-1 CVE-2024-2 CVE-2024-3 and 2 more"
    assert change_row(share, SHARE.changes[1]) == ("install", "fl-new", "-", "1", "comes along")
    assert change_row(replace(share, patches=(replace(FIX, cves=()),)), UPGRADE)[-1] == "security fix"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"reboot_pending": True}, "waits for one now"),
        ({}, "yes"),
        ({"reboot_expected": False}, "told after it"),
        ({"patches": ()}, "no"),
    ],
)
def test_the_verdict_about_a_reboot(change, verdict):
    assert host_row(replace(SHARE, **change))[4] == verdict


def test_a_host_row_has_sizes_services_and_what_decided():
    assert host_row(SHARE) == (
        "1",
        "1",
        "2.0 kB",
        "-1.0 kB",
        "yes",
        "nginx sshd cron and 2 more",
        "b 01234567",
    )


def test_hosts_with_equal_rows_stand_together():
    assert alike([(("a",), "web-1"), (("b",), "db"), (("a",), "web-2")]) == [
        ("a", "web-[1-2] (2)"),
        ("b", "db"),
    ]


@pytest.mark.parametrize(("kind", "is_stuck"), [(TroubleKind.LOCKED, False), (TroubleKind.NOT_ROOT, True)])
def test_only_a_lock_goes_by_itself(kind, is_stuck):
    assert stuck(replace(SHARE, troubles=(Trouble(kind=kind, message="x"),))) is is_stuck


def test_the_page_has_totals_changes_cves_reasons_and_every_host_and_nothing_of_a_host_is_markup():
    text = page(PLAN)
    for words in (
        "CVEs left open",
        "held on the host",
        "fl-lib.all",
        "comes along",
        "db&lt;1&gt;",
        "Undeliverable: no route",
        "b (0123456789abcdef)",
        "2.0 kB",
        "<b>web-2</b>",
    ):
        assert words in text
    assert "db<1>" not in text


def test_what_is_in_the_way_comes_first_on_the_page():
    trouble = Trouble(kind=TroubleKind.DISK_FULL, message="/ is full", mend="apt-get clean")
    text = page(replace(PLAN, hosts=(HELD, replace(SHARE, troubles=(trouble,)))))
    assert text.index("apt-get clean") < text.index("What changes")
    assert text.index("<b>web-1</b>") < text.index("<b>web-2</b>")


def test_what_a_person_should_mind_stands_before_what_changes():
    text = page(replace(PLAN, hosts=(HELD, replace(SHARE, notes=("a part of it only",)))))
    assert text.index("a part of it only") < text.index("What changes")
