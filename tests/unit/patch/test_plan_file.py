"""A plan file is read whole or refused whole, and it is said what is wrong with it, in words of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import ConfigError
from fleetctl.packages.change import Change, Trouble, TroubleKind
from fleetctl.patch.plan import HostPlan, LeftOut, Plan, PlannedPatch
from fleetctl.patch.plan_file import read_plan

SHARE = HostPlan(
    host="web-1",
    manager="apt",
    baseline="AWS-DebianDefaultPatchBaseline",
    patches=(PlannedPatch(name="fl-lib", before="1", after="2", security=True, cves=("CVE-2024-0001",)),),
    changes=(Change(kind="upgrade", name="fl-lib", before="1", after="2", size=1200),),
    left_out=(LeftOut(name="fl-held", version="2", why="held on the host"),),
    download=2798,
    disk=-4,
    services=("ssh.service",),
    reboot_pending=False,
    troubles=(Trouble(kind=TroubleKind.GONE, message="gone"),),
    notes=("a part of it only",),
)
PLAN = Plan(
    plan_id="20261123T204512.093-7f3a9c",
    made=datetime(2026, 11, 23, 20, 45, tzinfo=UTC),
    selector="web",
    hosts=(SHARE,),
    failed={"db": "why"},
)


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[str], str]:
    """Write a file, and return why it is no plan."""

    def read(text: str) -> str:
        path = tmp_path / "x.plan"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_plan(path)
        assert caught.value.hint == "make one with: fleetctl patch plan TARGETS --output FILE"
        return caught.value.message.partition(" is no patch plan: ")[2]

    return read


def test_a_plan_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "web.plan"
    path.write_text(json.dumps(PLAN.to_json()))
    assert read_plan(path) == PLAN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("[]", "expected an object, got a list"),
        ("{}", "it has no 'SchemaVersion'"),
    ],
)
def test_what_is_no_plan_at_all_is_refused(refused: Callable[[str], str], text: str, said: str) -> None:
    assert refused(text).startswith(said)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SchemaVersion": "9"}, "its SchemaVersion is '9', not '1.0'"),
        ({"PlanId": None}, "PlanId: expected text, got null"),
        ({"MadeDateTime": "soon"}, 'MadeDateTime: expected a time with its zone, got "soon"'),
        ({"MadeDateTime": "2026-11-23T20:45:00"}, "MadeDateTime: expected a time with its zone"),
        ({"Hosts": {}}, "Hosts: expected a list, got an object"),
        ({"Hosts": ["web-1"]}, 'Hosts[0]: expected an object, got "web-1"'),
        ({"Hosts": [SHARE.to_json()] * 2}, "Hosts: web-1 stands there 2 times"),
        ({"Failed": []}, "Failed: expected an object, got a list"),
    ],
)
def test_what_is_wrong_with_the_whole_is_told(
    refused: Callable[[str], str], changed: dict[str, Any], said: str
) -> None:
    assert refused(json.dumps({**PLAN.to_json(), **changed})).startswith(said)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("Patches", 0, "After"), 7, "Hosts[0].Patches[0].After: expected text, got 7"),
        (
            ("Patches", 0, "Security"),
            "yes",
            'Hosts[0].Patches[0].Security: expected true or false, got "yes"',
        ),
        (("Patches", 0, "Cves"), "x", 'Hosts[0].Patches[0].Cves: expected a list, got "x"'),
        (("Patches", 0, "Bogus"), 1, "Hosts[0].Patches[0]: unknown key 'Bogus'"),
        (("Patches",), 5, "Hosts[0].Patches: expected a list, got 5"),
        (("Changes", 0, "Kind"), "explode", "Hosts[0].Changes[0].Kind: expected one of install, "),
        (("Changes", 0, "Size"), True, "Hosts[0].Changes[0].Size: expected a whole number, got true"),
        (("Troubles", 0, "Kind"), ["x"], "Hosts[0].Troubles[0].Kind: expected one of locked, "),
        (("Download",), "x" * 99, "Hosts[0].Download: expected a whole number"),
    ],
)
def test_what_is_wrong_in_a_share_is_told_with_its_place(
    refused: Callable[[str], str], path: tuple[Any, ...], value: Any, said: str
) -> None:
    plan = PLAN.to_json()
    part = plan["Hosts"][0]
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    told = refused(json.dumps(plan))
    assert told.startswith(said)
    assert len(told) < 400


def test_what_is_missing_and_how_much_more_is_told(refused: Callable[[str], str]) -> None:
    plan = PLAN.to_json()
    plan["Hosts"][0]["Patches"] = [{}] * 5
    assert refused(json.dumps(plan)).endswith("Hosts[0].Patches[2]: it has no 'Name'; 2 more")


def test_a_plan_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_plan(tmp_path / "nope")
