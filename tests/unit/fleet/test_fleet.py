"""All that the command line does is a Python call."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import BudgetError, NotFoundError, SelectorError, UsageError
from fleetctl.fleet import Fleet
from fleetctl.inventory.ask import Wanted
from fleetctl.model import Command
from fleetctl.patch.plan import HostPlan, Plan, PlannedPatch
from fleetctl.patch.planning import Choice
from fleetctl.run.command import CommandTask


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for name in ("FLEETCTL_PROJECT", "FLEETCTL_STATE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "fleetctl.yaml").write_text(
        "run: {max_errors: 2, timeout: 60}\nssh: {known_hosts: [kh], host_keys: accept-new}\n"
    )
    (tmp_path / "inventories").mkdir()
    (tmp_path / "inventories" / "hosts.yaml").write_text(
        "groups: {web: {hosts: {'web-[1-3]': }}}\ndefaults: {transport: local}\n"
    )
    return Fleet.open(tmp_path)


def test_run_returns_what_became_of_every_host(fleet: Fleet, tmp_path: Path) -> None:
    result = fleet.run("web,!web-2", 'echo "$FLEETCTL_HOST"')
    assert [outcome.host for outcome in result.outcomes] == ["web-1", "web-3"]
    assert result.folder.read_output("web-1", "stdout") == b"web-1\n"
    assert result.status == "Success"
    assert result.report["Parameters"] == {"commands": ['echo "$FLEETCTL_HOST"']}
    assert next(iter(fleet.runs)).run_id == result.run_id


def test_run_takes_hosts_and_commands_as_data(fleet: Fleet) -> None:
    hosts = fleet.select("web", limit=1)
    result = fleet.run(
        hosts, Command(script="echo $A", env={"A": "x"}), comment="as data", selector="one of web"
    )
    assert result.folder.read_output("web-1", "stdout") == b"x\n"
    assert result.report["Comment"] == "as data"
    assert result.report["Selector"] == "one of web"


def test_the_last_run_s_hosts_can_be_selected(fleet: Fleet) -> None:
    fleet.run("web", '[ "$FLEETCTL_HOST" != web-2 ]')
    assert [host.name for host in fleet.select("@failed:last")] == ["web-2"]
    with pytest.raises(SelectorError):
        fleet.select("@unreachable:last")


def test_several_fan_outs_at_once_do_not_mix(fleet: Fleet) -> None:
    async def both() -> list[Any]:
        tasks = [CommandTask(command=Command(script=f"echo {word}")) for word in ("one", "two")]
        return await asyncio.gather(*(fleet.fan_out(task, "web", name="Test") for task in tasks))

    one, two = asyncio.run(both())
    assert one.folder.read_output("web-1", "stdout") == b"one\n"
    assert two.folder.read_output("web-1", "stdout") == b"two\n"


def test_limits_are_what_is_given_else_the_project_s(fleet: Fleet) -> None:
    assert str(fleet.limits().max_errors) == "2"
    assert fleet.limits().timeout == 60
    assert str(fleet.limits(max_errors="5%").max_errors) == "5%"
    with pytest.raises(BudgetError):
        fleet.limits(max_errors="x")


def test_transport_options_are_what_is_given_else_the_project_s(fleet: Fleet, tmp_path: Path) -> None:
    options = fleet.transport_options()
    assert options.known_hosts == (tmp_path / "kh",)
    assert options.host_keys == "accept-new"
    assert set(options.inventory) == {"web-1", "web-2", "web-3"}
    assert fleet.transport_options(known_hosts=(Path("/x"),)).known_hosts == (Path("/x"),)


def test_a_fleet_without_hosts_says_how_to_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="no inventory here"):
        Fleet.open(state=tmp_path / "state").select("all")


def test_a_patch_scan_is_kept_and_judged_like_the_one_of_the_command_line(
    fleet: Fleet, tmp_path: Path
) -> None:
    scanned = fleet.patch_scan("web-1")
    assert scanned.path == tmp_path / ".fleetctl/reports/compliance" / f"{scanned.run.run_id}.json"
    assert json.loads(scanned.path.read_text()) == scanned.report
    judged = [
        host["ResourceId"] for host in (*scanned.report["ResourceSummaries"], *scanned.report["Unscanned"])
    ]
    assert judged == ["web-1"]
    assert scanned.exit_code in {0, 3, 5}  # whatever this machine lacks, or cannot tell


def test_inventory_is_collected_and_read_again(fleet: Fleet) -> None:
    run = fleet.collect_inventory("web,!web-2", wanted=Wanted(types=("InstanceInformation",)), comment="why")
    assert [outcome.data["Types"]["InstanceInformation"]["Count"] for outcome in run.outcomes] == [1, 1]
    assert (run.report["Selector"], run.report["Comment"]) == ("web,!web-2", "why")
    assert fleet.inventory_of("all").hosts == ["web-1", "web-3"]
    assert [capture.run for capture in fleet.inventory_history("web-1")] == [run.run_id]


def test_hosts_are_held_to_policies_and_the_verdict_is_kept(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "one.yaml").write_text(
        "name: one\napplies_to: {hosts: 'web-1,nobody'}\nchecks: [{id: a, title: A, command: {run: 'false'}}]\n"
    )
    warned: list[str] = []
    checked = fleet.check_policies("web-1", warn=warned.append)
    assert (checked.exit_code, checked.report["ResourceCount"]) == (5, 1)
    assert warned == ["a policy's hosts: 'nobody' matches no host, group or tag"]
    assert checked.path.exists()
    assert checked.run.report["Selector"] == "web-1"
    with pytest.raises(UsageError, match="no policy is for any of these hosts"):
        fleet.check_policies("web-3")
    with pytest.raises(NotFoundError):
        fleet.check_policies("web-1", policies=["other"])


def test_a_plan_says_of_every_host_what_it_would_get_or_why_it_has_none(fleet: Fleet) -> None:
    planned = fleet.patch_plan("web-1", choice=Choice(packages=("no-such-package",)))
    assert [*(share.host for share in planned.plan.hosts), *planned.plan.failed] == ["web-1"]
    assert (planned.plan.plan_id, planned.plan.selector) == (planned.run.run_id, "web-1")


def test_hosts_of_a_plan_are_those_with_something_to_do(fleet: Fleet) -> None:
    shares = (
        HostPlan(host="web-3", manager="apt", baseline="b", patches=(PlannedPatch(name="a", after="2"),)),
        HostPlan(host="web-2", manager="apt", baseline="b", reboot_pending=True),
        HostPlan(host="web-1", manager="apt", baseline="b"),
    )
    plan = Plan(plan_id="p", made=datetime.now(UTC), hosts=shares)
    assert [host.name for host in fleet.planned_hosts(plan)] == ["web-2", "web-3"]
    assert [host.name for host in fleet.planned_hosts(plan, reboot="never")] == ["web-3"]
    with pytest.raises(UsageError, match="nothing to install"):
        fleet.patch_install(plan.only(["web-1"]))
    gone = HostPlan(host="gone", manager="apt", baseline="b", patches=shares[0].patches)
    with pytest.raises(NotFoundError, match=r"does not know 1 of the plan.s hosts: gone"):
        fleet.planned_hosts(Plan(plan_id="p", made=datetime.now(UTC), hosts=(gone,)))


def test_only_runs_of_a_kind_that_is_judged_have_a_verdict(fleet: Fleet) -> None:
    assert fleet.conclude(fleet.run("web-1", "true")) is None
    assert not fleet.lacks_verdict(next(iter(fleet.runs)))
