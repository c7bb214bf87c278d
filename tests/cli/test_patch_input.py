"""`fleetctl patch plan|install` and what people type wrong: nothing is asked of a host, and it is said what was meant."""

import json
from typing import Any

import pytest

PLAN = {
    "SchemaVersion": "1.0",
    "PlanId": "20261123T204512.093-7f3a9c",
    "MadeDateTime": "2026-11-23T20:45:12.093+00:00",
    "Hosts": [{"Host": "web-1", "Manager": "apt", "Baseline": "b", "Patches": [{"Name": "x", "After": "2"}]}],
}


@pytest.fixture
def plan(project: Any) -> Any:
    def write(**changed: Any) -> None:
        (project / "night.plan").write_text(json.dumps({**PLAN, **changed}))

    return write


@pytest.mark.parametrize(
    ("typed", "said", "hint"),
    [
        ("nigth.plan", "there is no plan file nigth.plan", "did you mean night.plan?"),
        ("other/x.plan", "there is no plan file other/x.plan", "fleetctl patch plan TARGETS"),
        ("inventories", "there is no plan file inventories", "fleetctl patch plan TARGETS"),
        ("wbe-1", "'wbe-1' matches no host, group or tag", "did you mean 'web-1'"),
    ],
)
def test_a_plan_file_that_is_not_there_is_no_selector(
    fleetctl: Any, plan: Any, typed: str, said: str, hint: str
) -> None:
    plan()
    done = fleetctl("patch", "install", typed, "--yes")
    assert done.code == 2
    assert said in done.stderr
    assert hint in done.stderr


def test_an_edited_plan_is_refused_before_any_host_is_asked(fleetctl: Any, plan: Any) -> None:
    plan(Hosts=[{**PLAN["Hosts"][0], "Patches": [{"Name": "x", "After": 7}]}])  # type: ignore[dict-item]
    done = fleetctl("patch", "install", "night.plan", "--yes")
    assert done.code == 2
    assert "Hosts[0].Patches[0].After: expected text, got 7" in done.stderr
    assert fleetctl("runs", "list", "--format", "json").json == []


def test_a_plan_of_another_fleet_names_the_hosts_that_are_not_known(fleetctl: Any, plan: Any) -> None:
    plan(Hosts=[{**PLAN["Hosts"][0], "Host": "gone-1"}])  # type: ignore[dict-item]
    done = fleetctl("patch", "install", "night.plan", "--yes")
    assert done.code == 2
    assert "the inventory does not know 1 of the plan's hosts: gone-1" in done.stderr


def test_what_chooses_patches_does_not_go_with_a_plan_file(fleetctl: Any, plan: Any) -> None:
    plan()
    done = fleetctl("patch", "install", "night.plan", "--security-only", "--yes")
    assert done.code == 2
    assert "a plan file is installed as it is" in done.stderr


@pytest.mark.parametrize("typed", ["CVE-1", "2024-0001", "openssl"])
def test_what_is_no_cve_is_refused(fleetctl: Any, typed: str) -> None:
    done = fleetctl("patch", "plan", "web", "--cve", typed)
    assert done.code == 2
    assert f"'{typed}' is no CVE id" in done.stderr
