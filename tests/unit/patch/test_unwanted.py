"""What must not come along stays out, with all that needs it, and nothing else."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.change import Change, Simulation
from fleetctl.packages.model import HostFacts, PackageState
from fleetctl.patch.approval import Approval
from fleetctl.patch.baseline import Baseline, OperatingSystem, RejectedAction
from fleetctl.patch.plan import PlannedPatch
from fleetctl.patch.unwanted import Unwanted, without_unwanted

FACTS = HostFacts(os_id="debian", version_id="12")


def unwanted(*rejected, action=RejectedAction.BLOCK, exclude=(), updates=()):
    baseline = Baseline(
        name="b",
        operating_system=OperatingSystem.DEBIAN,
        rejected_patches=rejected,
        rejected_patches_action=action,
    )
    state = PackageState(manager="apt", facts=FACTS, updates=updates)
    return Unwanted(state, Approval(baseline, now=datetime(2026, 11, 23, tzinfo=UTC)), exclude)


def kept_of(needs, patches, rule):
    """Ask a package manager to which each patch brings along what it needs; what needs two patches comes only with both."""

    async def ask(asked):
        names = {patch.name for patch in asked}
        along = {name for first, second, name in needs if {first, second or first} <= names}
        changes = [Change(kind="upgrade", name=name, after="2") for name in sorted(names)]
        changes += [Change(kind="install", name=name, after="1") for name in sorted(along - names)]
        return Simulation(changes=tuple(changes))

    planned = [PlannedPatch(name=name, after="2") for name in patches]
    simulation, refused = asyncio.run(without_unwanted(ask, planned, rule))
    return {change.name for change in simulation.changes}, {p.name: why for p, why in refused.items()}


def test_what_needs_a_rejected_package_is_left_out_with_the_reason():
    needs = [("web", "", "lib"), ("web", "", "bad"), ("db", "", "lib")]
    changed, refused = kept_of(needs, ["app", "web", "db"], unwanted("bad*"))
    assert changed == {"app", "db", "lib"}
    assert refused == {"web": "it needs bad 1, which the patch baseline 'b' rejects (BLOCK)"}


@pytest.mark.parametrize(
    ("rejected", "action"), [("good", RejectedAction.BLOCK), ("bad", RejectedAction.ALLOW_AS_DEPENDENCY)]
)
def test_what_may_come_along_does(rejected, action):
    changed, refused = kept_of([("web", "", "bad")], ["web"], unwanted(rejected, action=action))
    assert (changed, refused) == ({"web", "bad"}, {})


def test_excluded_packages_do_not_come_along_either():
    _, refused = kept_of([("web", "", "linux-image-6")], ["web"], unwanted(exclude=("linux-*",)))
    assert refused == {"web": "it needs linux-image-6 1, which --exclude-package leaves out"}


def test_a_rejected_cve_is_known_by_the_advisories_of_an_update(make):
    fix = make.version("1", security=True, advisories=[{"id": "A-1", "cve_ids": ("CVE-2024-1",)}])
    rule = unwanted("CVE-2024-1", updates=(make.update("bad", fix, installed="0"),))
    assert kept_of([("web", "", "bad")], ["web"], rule)[1].keys() == {"web"}


def test_what_is_removed_or_configured_is_no_matter_of_rejection():
    rule = unwanted("bad")
    assert rule.why(Change(kind="remove", name="bad", before="1")) == ""
    assert rule.why(Change(kind="install", name="bad", after="1")) != ""


names = st.sampled_from("abcdefgh")


@given(patches=st.sets(names), needs=st.lists(st.tuples(names, names | st.just(""), st.just("bad"))))
def test_in_the_end_nothing_unwanted_comes_and_what_needs_nothing_stays(patches, needs):
    changed, refused = kept_of(needs, sorted(patches), unwanted("bad"))
    assert "bad" not in changed
    assert changed | refused.keys() == patches
    assert not changed & refused.keys()
    free = {name for name in patches if not any(name in pair[:2] for pair in needs)}
    if not any(second and second != first for first, second, _ in needs):
        assert free <= changed


def test_a_pair_that_needs_it_only_together_loses_one():
    changed, refused = kept_of([("a", "b", "bad")], ["a", "b"], unwanted("bad"))
    assert changed == {"a"}
    assert refused["b"].startswith("with other patches of this plan it needs bad 1")
