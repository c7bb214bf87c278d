"""A patch night on real hosts with dnf 4, dnf 5 and zypper: plan, install, reboot, look again."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab.listing import changes, listing
from lab.machine import Machine
from lab.processes import until
from lab.project import FleetProject

PROGRAM = str(Path(sys.executable).with_name("fleetctl"))
KINDS = ("rocky", "fedora", "suse")
#: What SSM's default baselines ask for, and what of it the host keeps back.
ASKED = {
    "rocky": {"fl-app", "fl-lib", "fl-kernel", "fl-shadow", "kernel"},
    "fedora": {"fl-app", "fl-lib", "fl-kernel", "fl-shadow", "kernel"},
    "suse": {"fl-lib", "fl-kernel", "kernel-default"},
}
KEPT = {"rocky": {"fl-held", "fl-excluded"}, "fedora": {"fl-held", "fl-excluded"}, "suse": set()}
#: Takes the host's own rules away, so that nothing is left that it keeps back.
RELEASE = {
    "rocky": "dnf -q versionlock clear; sed -i /excludepkgs/d /etc/dnf/dnf.conf",
    "fedora": "dnf -q -y versionlock clear; sed -i /excludepkgs/d /etc/dnf/dnf.conf",
    "suse": "true",
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, new_machine: Callable[..., Machine]) -> Machine:
    return new_machine(request.param)


@pytest.fixture
def run(host: Machine, fleet_project: Callable[..., FleetProject], tmp_path: Path) -> Run:
    args = (*fleet_project([host]).args, "--state", str(tmp_path / "state"))

    def patch(verb: str, *argv: str, code: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PROGRAM, "patch", verb, *args, *argv], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return patch


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    told: Any = json.loads(done.stdout)
    return {
        item["Title"].rpartition(".")[0]: item["Details"]["PatchState"] for item in told["ComplianceItems"]
    }


def test_night_goes_from_non_compliant_to_compliant_with_a_reboot_and_a_second_one_changes_nothing(
    host: Machine, run: Run, tmp_path: Path
) -> None:
    kind, path = host.tags["kind"], tmp_path / "night.plan"
    # Package databases count whole seconds: an update in the second of the boot is no newer than its services.
    host.output("while [ $(cut -d. -f1 /proc/uptime) -lt 4 ]; do sleep 1; done")
    before, boot = listing(host), host.boot_id()
    run("plan", "all", "--exclude-package", "fl-broken", "-o", str(path), code=6)
    assert changes(before, listing(host)) == {}
    share = json.loads(path.read_text())["Hosts"][0]
    assert {change["Name"] for change in share["Changes"]} == ASKED[kind]
    assert share["RebootExpected"] is True
    assert {item["Name"] for item in share["LeftOut"]} == KEPT[kind] | {"fl-broken"}

    told = states(run("install", str(path), "--yes", "--format", "json", code=5))
    assert host.boot_id() != boot
    assert {name for name, state in told.items() if state == "MISSING"} == KEPT[kind] | {"fl-broken"}
    assert "INSTALLED_PENDING_REBOOT" not in told.values()

    host.output(RELEASE[kind])
    failed = run("install", "all", "--yes", code=3)
    assert "the %post script of fl-broken" in failed.stderr
    assert "mend it there with:" in failed.stderr
    assert "fl-broken" not in states(run("scan", "all", "--format", "json", code=0))

    packages, boot = host.output("rpm -qa | sort"), host.boot_id()
    again = run("install", "all", "--yes", code=0)
    assert "nothing to install" in again.stderr
    run("install", str(path), "--yes", code=0)
    assert (host.output("rpm -qa | sort"), host.boot_id()) == (packages, boot)


def test_host_that_moved_since_the_plan_is_refused(host: Machine, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    run("plan", "all", "--package", "fl-lib", "-o", str(path), code=6)
    plan = json.loads(path.read_text())
    plan["Hosts"][0]["Changes"][0]["Before"] = "0.9-1"
    path.write_text(json.dumps(plan))
    refused = run("install", str(path), "--yes", code=3)
    assert "plan-moved" in refused.stderr
    assert host.output("rpm -q fl-lib") == "fl-lib-1.0-1.noarch"


def test_version_that_left_the_mirror_fails_the_host_and_is_not_replaced(
    host: Machine, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "late.plan"
    run("plan", "all", "--package", "fl-lib", "-o", str(path), code=6)
    host.mirror_fault("moved-on")
    refused = run("install", str(path), "--yes", code=3)
    assert "no longer has it" in refused.stderr
    assert "mend it there with:" in refused.stderr
    assert host.output("rpm -q fl-lib") == "fl-lib-1.0-1.noarch"


@pytest.mark.parametrize("kind", ["rocky", "suse"])
def test_plan_is_made_as_root_or_says_that_root_is_wanted(
    kind: str, request: pytest.FixtureRequest, fleet_project: Callable[..., FleetProject], tmp_path: Path
) -> None:
    host = request.getfixturevalue(kind)
    path = tmp_path / "x.plan"

    def plan(user: str) -> tuple[int, Any, str]:
        project = fleet_project([host], changes={host.name: {"user": user}})
        argv = [
            PROGRAM,
            "patch",
            "plan",
            *project.args,
            "--state",
            str(tmp_path / "state"),
            "all",
            "-o",
            str(path),
        ]
        done = subprocess.run(
            [*argv, "--package", "fl-lib"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(path.read_text())["Hosts"][0], done.stdout + done.stderr

    code, share, told = plan("deploy")
    assert (code, [change["Name"] for change in share["Changes"]]) == (6, ["fl-lib"]), told
    code, share, told = plan("guest")
    assert code == 3, told
    assert [trouble["Kind"] for trouble in share["Troubles"]] == ["not-root"]
    assert "to install it root is wanted" in told


def test_installation_waits_for_whoever_is_at_work_and_goes_on_when_it_has_ended(
    fresh_rocky: Machine, fleet_project: Callable[..., FleetProject], tmp_path: Path
) -> None:
    host = fresh_rocky
    args = (*fleet_project([host]).args, "--state", str(tmp_path / "state"), "--yes")
    host.hold_lock(300)
    argv = [PROGRAM, "patch", "install", *args, "all", "--package", "fl-lib", "--format", "json"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        waits = ("sh", "-c", "pgrep -x sleep -a | grep -q 'sleep 1$'")
        until(
            lambda: host.inside(*waits, check=False).returncode == 0,
            seconds=120,
            what="it waits for its turn",
        )
        host.release_lock()
        out, err = child.communicate()
    assert child.returncode == 5, (out + err).decode()
    assert host.output("rpm -q fl-lib") == "fl-lib-1.0-2.noarch"
