"""A host does what its plan says, or less where that is done already, and nothing else."""

from dataclasses import replace

from fleetctl.packages.change import Change, Trouble, TroubleKind
from fleetctl.patch.drift import drift
from fleetctl.patch.plan import HostPlan, PlannedPatch

LIB = Change(kind="upgrade", name="fl-lib", before="1", after="2")
DEP = Change(kind="install", name="fl-dep", after="1")
SHARE = HostPlan(
    host="web-1",
    manager="apt",
    baseline="b",
    patches=(PlannedPatch(name="fl-lib", before="1", after="2"),),
    changes=(LIB, DEP),
)


def test_what_is_as_planned_has_not_drifted() -> None:
    assert drift(SHARE, (DEP, LIB)) == []
    assert drift(SHARE, (LIB,)) == ["fl-dep would not be changed any more (planned: install 1)"]


def test_where_part_of_it_is_done_less_may_be_left_but_nothing_else() -> None:
    assert drift(SHARE, (), already=SHARE.patches) == []
    assert drift(SHARE, (DEP,), already=SHARE.patches) == []
    assert drift(SHARE, (replace(DEP, after="2"),), already=SHARE.patches) == [
        "fl-dep: planned install 1, now install 2"
    ]
    assert drift(SHARE, (LIB,), already=SHARE.patches) == ["fl-lib would be changed too: 1 -> 2"]


def test_where_nobody_could_say_what_would_come_along_nothing_may() -> None:
    busy = Trouble(kind=TroubleKind.LOCKED, message="somebody is at work")
    share = replace(SHARE, changes=(), troubles=(busy,))
    assert drift(share, (LIB,)) == []
    assert drift(share, (LIB, DEP)) == ["fl-dep would be changed too: install 1"]
    assert drift(share, (replace(LIB, kind="downgrade"),)) != []
    assert drift(replace(share, troubles=()), (LIB,)) != []
