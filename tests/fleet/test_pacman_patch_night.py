"""A patch night on a real Arch host: scan, plan, install, reboot, look again; and a controller that is killed in the middle."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab.families import updates
from lab.listing import changes, listing
from lab.machine import Machine
from lab.project import FleetProject

PROGRAM = str(Path(sys.executable).with_name("fleetctl"))
HELD, BROKEN = "fl-held", "fl-broken"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def options(
    fresh_arch: Machine, fleet_project: Callable[..., FleetProject], tmp_path: Path
) -> tuple[str, ...]:
    return (*fleet_project([fresh_arch]).args, "--state", str(tmp_path / "state"))


@pytest.fixture
def run(options: tuple[str, ...], tmp_path: Path) -> Run:
    def fleetctl(group: str, verb: str, *argv: str, code: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [PROGRAM, group, verb, *options, *argv], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return fleetctl


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    told: Any = json.loads(done.stdout)
    return {
        item["Title"].rpartition(".")[0]: item["Details"]["PatchState"] for item in told["ComplianceItems"]
    }


def test_night_goes_from_non_compliant_to_compliant_with_a_reboot_and_a_second_one_changes_nothing(
    fresh_arch: Machine, run: Run, tmp_path: Path
) -> None:
    host, path = fresh_arch, tmp_path / "night.plan"
    # The package database counts whole seconds: an update in the second of the boot is no newer than the boot.
    host.output("while [ $(cut -d. -f1 /proc/uptime) -lt 4 ]; do sleep 1; done")
    assert states(run("patch", "scan", "all", "--format", "json", code=5)) == dict.fromkeys(
        updates("arch"), "MISSING"
    )
    before, boot = listing(host), host.boot_id()
    planned = run("patch", "plan", "all", "--exclude-package", BROKEN, "-o", str(path), code=6)
    assert "this is a partial upgrade" in planned.stderr
    assert changes(before, listing(host)) == {}
    share = json.loads(path.read_text())["Hosts"][0]
    assert {change["Name"] for change in share["Changes"]} == {*updates("arch"), "fl-newdep"} - {HELD, BROKEN}
    assert {item["Name"] for item in share["LeftOut"]} == {HELD, BROKEN}
    assert "partial upgrade" in share["Notes"][0]

    done = run("patch", "install", str(path), "--yes", "--format", "json", code=5)
    assert host.boot_id() != boot, "a new kernel asks for a reboot"
    assert states(done) == {HELD: "MISSING", BROKEN: "MISSING"}
    assert host.output("cat /etc/fl-conf.conf") == "value=mine"

    host.output("sed -i /^IgnorePkg/d /etc/pacman.conf")
    failed = run("patch", "install", "all", "--yes", code=3)
    assert "the script of fl-broken failed" in failed.stderr
    assert "mend it there with: pacman --noconfirm -S fl-broken" in failed.stderr
    assert states(run("patch", "scan", "all", "--format", "json", code=0)) == {}

    packages, boot = host.output("pacman -Q"), host.boot_id()
    again = run("patch", "install", "all", "--yes", code=0)
    assert "nothing to install" in again.stderr
    run("patch", "install", str(path), "--yes", code=0)
    assert (host.output("pacman -Q"), host.boot_id()) == (packages, boot)


def test_reboot_that_was_not_wanted_is_pending_until_it_is_done(fresh_arch: Machine, run: Run) -> None:
    fresh_arch.output("while [ $(cut -d. -f1 /proc/uptime) -lt 4 ]; do sleep 1; done")
    only = ("all", "--package", "linux", "--reboot", "never", "--yes", "--format", "json")
    assert states(run("patch", "install", *only, code=5))["linux"] == "INSTALLED_PENDING_REBOOT"
    fresh_arch.reboot()
    assert "linux" not in states(run("patch", "scan", "all", "--format", "json", code=5))


def test_host_that_moved_since_the_plan_is_refused(fresh_arch: Machine, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "old.plan"
    run("patch", "plan", "all", "--package", "fl-needs", "-o", str(path), code=6)
    fresh_arch.output("pacman --noconfirm -S --asdeps fl-newdep")
    plan = json.loads(path.read_text())
    plan["Hosts"][0]["Changes"] = [c for c in plan["Hosts"][0]["Changes"] if c["Name"] != "fl-newdep"]
    plan["Hosts"][0]["Changes"][0]["Before"] = "0.9-1"
    path.write_text(json.dumps(plan))
    assert "plan-moved" in run("patch", "install", str(path), "--yes", code=3).stderr
    assert fresh_arch.output("pacman -Q fl-needs") == "fl-needs 1.0-1"


def test_version_that_left_the_lists_or_the_mirror_is_told_and_never_replaced(
    fresh_arch: Machine, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "late.plan"
    run("patch", "plan", "all", "--package", "fl-lib", "-o", str(path), code=6)
    fresh_arch.mirror_fault("moved-on")
    assert "the mirror no longer has it" in run("patch", "install", str(path), "--yes", code=3).stderr
    fresh_arch.output("pacman -Sy")
    refused = run("patch", "install", str(path), "--yes", code=3)
    assert "no repository of the host has fl-lib 1.0-2 (any more)" in refused.stderr
    assert fresh_arch.output("pacman -Q fl-lib") == "fl-lib 1.0-1"


def test_controller_killed_in_the_middle_is_followed_by_one_that_finishes(
    fresh_arch: Machine, run: Run, options: tuple[str, ...], tmp_path: Path
) -> None:
    host = fresh_arch
    argv = [PROGRAM, "patch", "install", *options, "all", "--package", "fl-lib", "--yes"]
    argv += ["--pre", "echo once >> /root/once; touch /root/begun; sleep 5"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        host.output(
            "for i in $(seq 200); do [ -e /root/begun ] && break; sleep 0.1; done; [ -e /root/begun ]"
        )
        child.kill()
    run("runs", "resume", "last", code=5)
    assert host.output("pacman -Q fl-lib") == "fl-lib 1.0-2"
    assert host.output("cat /root/once").split() == ["once"]
