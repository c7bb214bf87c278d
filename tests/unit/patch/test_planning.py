"""What a host should get, by its baseline or by a list, and what is left out with the reason."""

import asyncio
from dataclasses import replace

import pytest

from fleetctl.model import Host
from fleetctl.packages.change import Change, Simulation, TroubleKind
from fleetctl.patch.baseline import ApprovalRule, Baseline, OperatingSystem
from fleetctl.patch.evaluate import evaluate
from fleetctl.patch.patch_list import ListedPatch, PatchList
from fleetctl.patch.plan import PlannedPatch
from fleetctl.patch.planning import Choice, baseline_digest, host_plan, plan_host
from fleetctl.patch.scan import Look, ScanTask

WEB = Host(name="web-1")
BASELINE = Baseline(name="b", operating_system=OperatingSystem.DEBIAN, approval_rules=(ApprovalRule(),))


def look(make, *updates, baseline=BASELINE):
    state = make.state(*(make.package(each.name) for each in updates), updates=updates)
    return Look(state=state, result=evaluate(state, baseline, make.now), outcome=None)


def listed(*entries):
    return Choice(only=PatchList(file="list.yaml", patches=[ListedPatch(id=i, title=t) for i, t in entries]))


def planned(plan):
    return {patch.name: (patch.before, patch.after, patch.by) for patch in plan.patches}


def left_out(plan):
    return {item.name: item.why for item in plan.left_out}


def test_a_list_chooses_versions_whatever_the_baseline_asks_for(make):
    plan = host_plan(
        WEB,
        look(
            make,
            make.update("app", make.version("3"), make.version("2")),
            make.update("lib", make.version("2"), make.version("1.5")),
            make.update("fix", make.version("9", security=True)),
        ),
        listed(("app.amd64", ""), ("lib*", "lib.amd64:1.5")),
    )
    assert planned(plan) == {"app": ("1.0-1", "3", "patches[0]"), "lib": ("1.0-1", "1.5", "patches[1]")}
    assert left_out(plan) == {"fix": "not in the list list.yaml"}


def test_what_the_host_holds_back_stays_also_when_it_is_listed(make):
    held = make.update("app", make.version("2"), held="hold")
    plan = host_plan(WEB, look(make, held), listed(("app", "")))
    assert planned(plan) == {}
    assert left_out(plan) == {"app": "kept back on the host: hold"}


def test_a_patch_closes_what_its_version_answers_and_not_what_newer_ones_do(make):
    newer = make.version("3", security=True, advisories=[{"id": "A-3", "cve_ids": ("CVE-3",)}])
    older = make.version("2", security=True, advisories=[{"id": "A-2", "cve_ids": ("CVE-2",)}])
    oldest = make.version("1.5", security=True, advisories=[{"id": "A-1", "cve_ids": ("CVE-1",)}])
    plan = host_plan(
        WEB, look(make, make.update("app", newer, older, oldest)), listed(("app", "app.amd64:2"))
    )
    assert plan.patches[0].cves == ("CVE-2", "CVE-1")


@pytest.mark.parametrize(
    ("name", "expected"), [("linux-image-6.1.0-40-amd64", True), ("linux-libc-dev", False)]
)
def test_a_new_kernel_lets_a_reboot_be_expected(make, monkeypatch, name, expected):
    plan = asked(make, monkeypatch, [Change(kind="install", name=name, after="6")], Choice())
    assert plan.reboot_expected is expected


def test_what_comes_along_and_is_not_listed_is_in_the_way(make, monkeypatch):
    changes = [Change(kind="upgrade", name="fix", after="9"), Change(kind="install", name="dep", after="1")]
    plan = asked(make, monkeypatch, changes, listed(("fix", "")))
    assert [(t.kind, t.packages) for t in plan.troubles] == [(TroubleKind.UNLISTED, ("dep",))]
    assert plan.troubles[0].message == "it needs what the list list.yaml does not name: dep 1"
    allowed = asked(make, monkeypatch, changes, listed(("fix", ""), ("dep", "*:1")))
    assert allowed.troubles == ()


def asked(make, monkeypatch, changes, choice):
    """Plan one security fix of a package manager that says what changes."""

    async def rehearse(*_args, **_more):
        return Simulation(changes=tuple(changes))

    monkeypatch.setattr("fleetctl.patch.planning.rehearse", rehearse)
    found = look(make, make.update("fix", make.version("9", security=True)))
    session = type("Session", (), {"host": WEB})
    return asyncio.run(plan_host(session, ScanTask(), found, choice))


def test_a_digest_tells_what_decides_and_not_what_it_is_called():
    digest = baseline_digest(BASELINE)
    assert baseline_digest(replace(BASELINE, name="other", description="for people")) == digest
    changed = {
        baseline_digest(replace(BASELINE, **change))
        for change in (
            {"rejected_patches": ("x",)},
            {"approved_patches": ("x",)},
            {"approval_rules": (ApprovalRule(approve_after_days=7),)},
            {"operating_system": OperatingSystem.UBUNTU},
        )
    }
    assert len(changed | {digest}) == 5


def test_the_digest_goes_into_the_plan(make):
    plan = host_plan(WEB, look(make), Choice())
    assert (plan.baseline, plan.baseline_digest) == ("b", baseline_digest(BASELINE))


def test_patches_of_a_plan_can_be_looked_up():
    assert len({PlannedPatch(name="a"), PlannedPatch(name="a"), PlannedPatch(name="b")}) == 2
