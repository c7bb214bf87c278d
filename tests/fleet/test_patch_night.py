"""A patch night on real Debian hosts: scan, plan, install, reboot, look again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab.machine import Machine

PROGRAM = Path(sys.executable).with_name("fleetctl")


class Fleet:
    """The program, and a project of some hosts."""

    def __init__(self, args: list[str], folder: Path) -> None:
        self.args = args
        self.folder = folder

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *argv[:2], *self.args, *argv[2:]],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def last(self) -> Any:
        """What the last run's report says of its one host."""
        done = subprocess.run(
            [PROGRAM, "runs", "report", "--state", str(self.folder / "state"), "last"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)["Invocations"][0]["Data"]

    def json(self, *argv: str, code: int) -> Any:
        done = self(*argv, "--format", "json")
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)


@pytest.fixture
def fleet(fleet_project: Callable[..., Any], tmp_path: Path) -> Callable[[Machine], Fleet]:
    def make(machine: Machine) -> Fleet:
        args = (*fleet_project([machine]).args, "--state", str(tmp_path / "state"))
        return Fleet(list(args), tmp_path)

    return make


def version(machine: Machine, name: str) -> str:
    return machine.output(f"dpkg-query -W -f='${{Version}}' {name}")


def installed(machine: Machine) -> str:
    return machine.output("dpkg-query -W -f='${Package} ${Version} ${db:Status-Abbrev}\\n'")


def test_security_fixes_are_planned_installed_and_proved(
    fresh_debian: Machine, fleet: Callable[[Machine], Fleet], tmp_path: Path
) -> None:
    run, host = fleet(fresh_debian), fresh_debian
    before, boot = installed(host), host.boot_id()
    path = tmp_path / "night.plan"
    plan = run("patch", "plan", "all", "--security-only", "--exclude-package", "fl-broken", "-o", str(path))
    assert plan.returncode == 6, plan.stderr
    share = json.loads(path.read_text())["Hosts"][0]
    planned = {change["Name"]: change["After"] for change in share["Changes"] if change["Kind"] == "upgrade"}
    assert {"fl-lib", "fl-kernel"} <= set(planned)
    assert "fl-held" in {item["Name"] for item in share["LeftOut"]}
    dry = run("patch", "install", str(path), "--dry-run", "--format", "json")
    assert (dry.returncode, json.loads(dry.stdout)) == (6, json.loads(path.read_text()))
    assert installed(host) == before, "planning changes nothing"

    report = run.json("patch", "install", str(path), "--yes", code=5)
    assert version(host, "fl-lib") == planned["fl-lib"]
    assert host.boot_id() != boot, "fl-kernel asks for a reboot"
    states = {
        item["Title"].partition(".")[0]: item["Details"]["PatchState"] for item in report["ComplianceItems"]
    }
    assert states["fl-held"] == "MISSING"
    assert "fl-lib" not in states
    assert not [name for name, state in states.items() if state == "INSTALLED_PENDING_REBOOT"]

    again = run("patch", "install", str(path), "--yes")
    assert again.returncode == 5, again.stderr
    last = run.last()["Install"]
    assert (last["AttemptedCount"], last["AlreadyInstalledCount"]) == (0, len(share["Patches"]))
    assert host.output("ls -A /var/tmp").find("fleetctl") == -1, "nothing is left of the jobs"

    host.output("apt-get -y -qq --allow-downgrades install fl-lib=1.0-1 && touch /run/reboot-required")
    told = run("patch", "install", "all", "--package", "fl-lib", "--yes")
    assert told.stdout.startswith("DONE "), told.stdout
    assert f"upgrade  fl-lib.all  1.0-1  {planned['fl-lib']}" in told.stdout
    assert "rebooted: " in told.stdout
    idle = run("patch", "install", "all", "--package", "fl-held", "--yes")
    assert idle.returncode == 5, (
        "what is held leaves a host not compliant, whether anything could be installed or not"
    )
    assert "nothing to install: what is missing is kept back" in idle.stderr
    assert "held on the host" in idle.stdout


def test_a_failing_maintainer_script_is_named_and_hides_nothing(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet]
) -> None:
    run, host = fleet(fresh_deb12), fresh_deb12
    done = run("patch", "install", "all", "--package", "fl-*", "--reboot", "always", "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "fl-broken" in done.stderr
    assert "dpkg --configure -a" in done.stderr
    assert version(host, "fl-lib") != "1.0-1", "the others were installed"
    data = run.last()
    assert {patch["Title"].partition(".")[0]: patch["State"] for patch in data["Patches"]}[
        "fl-broken"
    ] == "FAILED"
    assert "Reboot" not in data["Install"], "a host that is half done is not rebooted"
    assert "dpkg --configure -a" in run("patch", "scan", "all").stderr
    plan = run("patch", "plan", "all", "--package", "fl-broken")
    assert plan.returncode == 3, "what is broken is told, also where nothing else is to be done"
    assert "dpkg --configure -a" in plan.stderr
    boot = host.boot_id()
    host.output("touch /run/reboot-required")
    idle = run("patch", "install", "all", "--package", "fl-broken", "--yes")
    assert (idle.returncode, host.boot_id()) == (5, boot), idle.stderr
    assert "not rebooted: packages on it are half done (fl-broken)" in idle.stderr


def test_a_host_that_moved_since_the_plan_is_refused(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet], tmp_path: Path
) -> None:
    run, host, path = fleet(fresh_deb12), fresh_deb12, tmp_path / "x.plan"
    assert (
        run(
            "patch", "plan", "all", "--package", "fl-lib", "--package", "fl-kernel", "-o", str(path)
        ).returncode
        == 6
    )
    plan = json.loads(path.read_text())
    for change in plan["Hosts"][0]["Changes"]:
        if change["Name"] == "fl-lib" and change["Kind"] == "upgrade":
            change["Before"] = "0.9-1"
    path.write_text(json.dumps(plan))
    before = installed(host)
    done = run("patch", "install", str(path), "--yes")
    assert done.returncode == 3
    assert "plan-moved" in done.stderr
    assert "fl-lib: planned 0.9-1" in done.stderr
    assert installed(host) == before


def test_a_version_that_is_gone_is_told_and_never_replaced(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet], tmp_path: Path
) -> None:
    run, host, path = fleet(fresh_deb12), fresh_deb12, tmp_path / "x.plan"
    assert run("patch", "plan", "all", "--package", "fl-lib", "-o", str(path)).returncode == 6
    host.mirror_fault("moved-on")
    host.output("apt-get update -q")
    before = installed(host)
    done = run("patch", "install", str(path), "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no repository of the host offers fl-lib" in done.stderr
    assert installed(host) == before


def test_who_holds_the_lock_is_named(fresh_deb12: Machine, fleet: Callable[[Machine], Fleet]) -> None:
    run, host = fleet(fresh_deb12), fresh_deb12
    host.hold_lock(60)
    try:
        done = run("patch", "install", "all", "--package", "fl-lib", "--lock-timeout", "2", "--yes")
    finally:
        host.release_lock()
    assert done.returncode == 3, done.stdout + done.stderr
    assert "packages-locked" in done.stderr
    assert "is held by process" in done.stderr
    assert "s of waiting" in done.stderr
    assert "runs retry" in done.stderr


def test_hooks_run_before_and_after_and_a_failing_one_stops_everything(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet]
) -> None:
    run, host = fleet(fresh_deb12), fresh_deb12
    done = run("patch", "install", "all", "--package", "fl-lib", "--pre", "echo no >&2; exit 4", "--yes")
    assert done.returncode == 3
    assert "pre-install hook failed (exit code 4): no" in done.stderr
    assert version(host, "fl-lib") == "1.0-1"
    hooks = ("--pre", "echo pre >> /root/hooks", "--post", "echo post >> /root/hooks")
    done = run("patch", "install", "all", "--package", "fl-kernel", "--reboot", "never", *hooks, "--yes")
    assert done.returncode == 5, done.stderr
    assert host.output("cat /root/hooks").split() == ["pre", "post"]

    boot = host.boot_id()
    idle = ("patch", "install", "all", "--package", "fl-kernel", "--yes")
    assert "nothing to install" in run(*idle, "--reboot", "never").stderr
    assert host.boot_id() == boot
    done = run(*idle)
    assert done.returncode == 5, done.stderr
    assert host.boot_id() != boot, "it waited for a reboot from before (SSM: RebootIfNeeded)"
    assert run.last()["Install"]["AttemptedCount"] == 0


def test_a_controller_killed_in_the_middle_is_followed_by_one_that_finishes(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet]
) -> None:
    run, host = fleet(fresh_deb12), fresh_deb12
    argv = [PROGRAM, "patch", "install", *run.args, "all", "--package", "fl-lib", "--yes"]
    argv += ["--pre", "echo once >> /root/once; touch /root/begun; sleep 5"]
    with subprocess.Popen(
        argv, cwd=run.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        host.output(
            "for i in $(seq 200); do [ -e /root/begun ] && break; sleep 0.1; done; [ -e /root/begun ]"
        )
        child.kill()
    done = run("runs", "resume", "last")
    assert done.returncode == 5, "judged as the installation itself would have been" + done.stderr
    assert "compliance: 0 compliant, 1 not compliant" in done.stderr
    assert version(host, "fl-lib") != "1.0-1"
    assert host.output("cat /root/once").split() == ["once"]


def test_what_needs_a_rejected_package_stays_out_and_a_frozen_plan_wins_over_a_new_baseline(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet], tmp_path: Path
) -> None:
    run, host, path, baseline = fleet(fresh_deb12), fresh_deb12, tmp_path / "x.plan", tmp_path / "strict.yaml"
    text = "name: strict\noperating_system: DEBIAN\napproval_rules: [{enable_non_security: true}]\n"
    baseline.write_text(f"{text}rejected_patches: [fl-newdep]\nrejected_patches_action: BLOCK\n")
    host.output("rm -rf /var/lib/apt/lists/*")
    some = ("all", "--baseline", str(baseline), "--package", "fl-needs", "--package", "fl-app")
    plan = run("patch", "plan", *some, "--refresh", "-o", str(path))
    assert plan.returncode == 6, plan.stdout + plan.stderr
    assert "the one thing that is written" in plan.stderr
    share = json.loads(path.read_text())["Hosts"][0]
    assert [change["Name"] for change in share["Changes"] if change["Kind"] == "upgrade"] == ["fl-app"]
    why = {item["Name"]: item["Why"] for item in share["LeftOut"]}
    assert why["fl-needs"] == "it needs fl-newdep 1.0-1, which the patch baseline 'strict' rejects (BLOCK)"

    baseline.write_text(text)
    done = run("patch", "install", str(path), "--baseline", str(baseline), "--reboot", "never", "--yes")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "its patch baseline 'strict' has changed since the plan was made" in done.stderr
    assert version(host, "fl-app") == "1.1-1"
    assert version(host, "fl-needs") == "1.0-1"


def test_a_list_of_patches_is_installed_exactly_or_not_at_all(
    fresh_deb12: Machine, fleet: Callable[[Machine], Fleet], tmp_path: Path
) -> None:
    run, host, path = fleet(fresh_deb12), fresh_deb12, tmp_path / "list.yaml"
    before = installed(host)
    entries = "patches:\n  - {id: fl-app.all, title: 'fl-app.all:1.1-1'}\n  - {id: fl-needs*}\n"
    path.write_text(entries)
    refused = run("patch", "install", "all", "--patches", str(path), "--reboot", "never", "--yes")
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert f"it needs what the list {path} does not name: fl-newdep 1.0-1" in refused.stderr
    assert installed(host) == before

    path.write_text(f"{entries}  - {{id: fl-newdep.all}}\n")
    done = run("patch", "install", "all", "--patches", str(path), "--reboot", "never", "--yes")
    assert done.returncode == 5, "the baseline judges, and asks for other patches"
    changed = set(installed(host).splitlines()) - set(before.splitlines())
    assert {line.split()[0] for line in changed} == {"fl-app", "fl-needs", "fl-newdep"}
