"""A plan is data: what is written is what is read, and what moved is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.change import Change, Trouble, TroubleKind
from fleetctl.patch.plan import HostPlan, LeftOut, Plan, PlannedPatch, moved

NOW = datetime(2026, 11, 23, 20, 45, 12, 93000, tzinfo=UTC)
UPGRADE = Change(
    kind="upgrade", name="fl-lib", arch="amd64", before="1.0-1", after="1.0-1+deb12u1", size=1200
)
SHARE = HostPlan(
    host="web-1",
    manager="apt",
    baseline="AWS-DebianDefaultPatchBaseline",
    patches=(
        PlannedPatch(
            name="fl-lib",
            arch="amd64",
            before="1.0-1",
            after="1.0-1+deb12u1",
            security=True,
            cves=("CVE-2024-0001",),
            by="approval_rules[0]",
        ),
    ),
    changes=(UPGRADE, Change(kind="remove", name="fl-old", before="1")),
    left_out=(LeftOut(name="fl-held", version="2", why="held on the host", cves=("CVE-2024-0003",)),),
    download=2798,
    disk=-4,
    free=10**9,
    services=("ssh.service",),
    reboot_pending=False,
    reboot_expected=True,
    troubles=(Trouble(kind=TroubleKind.GONE, message="gone", mend="apt-get update", packages=("fl-lib",)),),
    notes=("a part of it only",),
)
PLAN = Plan(
    plan_id="20261123T204512.093-7f3a9c", made=NOW, selector="web", hosts=(SHARE,), failed={"db": "why"}
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
some = words.filter(bool)


@given(name=some, version=words, why=some, cves=st.lists(words).map(tuple), size=st.none() | st.integers(0))
def test_any_text_comes_back(
    name: str, version: str, why: str, cves: tuple[str, ...], size: int | None
) -> None:
    share = HostPlan(
        host=name,
        manager="apt",
        baseline="b",
        patches=(PlannedPatch(name=name, after=version, cves=cves),),
        changes=(Change(kind="install", name=name, after=version, size=size),),
        left_out=(LeftOut(name=name, why=why, cves=cves),),
        download=size,
    )
    assert HostPlan.from_json(json.loads(json.dumps(share.to_json()))) == share


def test_equal_changes_have_not_moved() -> None:
    configure = Change(kind="configure", name="fl-lib", arch="amd64", after="1.0-1+deb12u1")
    assert moved([UPGRADE, configure], [UPGRADE]) == []


@pytest.mark.parametrize(
    ("now", "line"),
    [
        ([], "fl-lib would not be changed any more (planned: 1.0-1 -> 1.0-1+deb12u1)"),
        (
            [Change(kind="upgrade", name="fl-lib", arch="amd64", before="1.0-1", after="2")],
            "fl-lib: planned 1.0-1 -> 1.0-1+deb12u1, now 1.0-1 -> 2",
        ),
        ([UPGRADE, Change(kind="remove", name="x", before="3")], "x would be changed too: remove 3"),
        ([UPGRADE, Change(kind="install", name="y", after="3")], "y would be changed too: install 3"),
    ],
)
def test_what_moved_is_named(now: list[Change], line: str) -> None:
    assert moved([UPGRADE], now) == [line]


def test_the_parts_of_a_plan_that_have_work() -> None:
    idle = HostPlan(host="web-2", manager="apt", baseline="b")
    plan = Plan(plan_id="x", made=NOW, hosts=(SHARE, idle))
    assert plan.work == (SHARE,)
    assert plan.only(["web-2"]).hosts == (idle,)
    assert plan.of("web-1") is SHARE
    assert plan.of("nope") is None
    assert SHARE.cves == ("CVE-2024-0001",)
    assert [change.name for change in SHARE.removals] == ["fl-old"]
