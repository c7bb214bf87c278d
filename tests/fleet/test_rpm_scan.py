"""`fleetctl patch scan` on real hosts with dnf 4, dnf 5 and zypper, held against the tables that the hosts were made from."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.advisories import ADVISORIES
from lab.families import Package, packages
from lab.machine import Machine
from lab.project import FleetProject

FLEETCTL = Path(sys.executable).with_name("fleetctl")
KINDS = ("rocky", "fedora", "suse")
UPGRADE = {
    "rocky": "dnf -y -q upgrade",
    "fedora": "dnf -y -q upgrade",
    "suse": "zypper -n up; zypper -n up",
}
GRADES = {"Critical": "CRITICAL", "Important": "HIGH", "Moderate": "MEDIUM", "Low": "LOW"}
HELD = {"rocky": "versionlock", "fedora": "versionlock", "suse": "lock"}


@pytest.fixture(params=KINDS)
def rpm_host(request: pytest.FixtureRequest) -> Machine:
    machine: Machine = request.getfixturevalue(request.param)
    return machine


def kind_of(machine: Machine) -> str:
    return machine.tags["kind"]


def scan(project: FleetProject, *flags: str, code: int = 5) -> dict[str, Any]:
    argv = [str(FLEETCTL), "patch", "scan", *project.args, "--format", "json", "--detail", *flags, "all"]
    done = subprocess.run(argv, cwd=project.path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def items(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Items by package; of several versions side by side, the newest."""
    found: dict[str, dict[str, Any]] = {}
    for item in told["ComplianceItems"]:
        name = item["Title"].rpartition(".")[0]
        if item["Details"]["PatchState"] != "INSTALLED_OTHER" or name not in found:
            found[name] = item
    return found


def asked(package: Package, kind: str) -> str:
    """The newest version that SSM's default baseline of that system asks for."""
    for offer in reversed(package.offers):
        advisory = ADVISORIES.get(offer.advisory)
        if advisory is None:
            continue
        if advisory.kind == "bugfix" and kind != "suse":
            return offer.version
        if advisory.kind == "security" and advisory.severity in {"Critical", "Important"}:
            return offer.version
    return ""


def expected(kind: str) -> Iterator[tuple[str, str, str]]:
    for package in packages(kind):
        if package.installed is None:
            continue
        wanted = asked(package, kind)
        if wanted:
            yield package.name, "MISSING", wanted
        elif package.security:
            yield package.name, "AVAILABLE_SECURITY_UPDATE", ""
        else:
            yield package.name, "INSTALLED_OTHER", ""


def cves(package: Package) -> set[str]:
    return {cve for offer in package.offers if offer.advisory for cve in ADVISORIES[offer.advisory].cves}


def test_every_package_of_the_catalogue_gets_its_state(
    rpm_host: Machine, fleet_project: Callable[..., FleetProject]
) -> None:
    kind = kind_of(rpm_host)
    found = items(scan(fleet_project([rpm_host])))
    states = {
        (name, item["Details"]["PatchState"], item["Details"].get("CandidateVersion", ""))
        for name, item in found.items()
    }
    told = {
        (name, state, "" if state == "AVAILABLE_SECURITY_UPDATE" else version)
        for name, state, version in states
    }
    assert told == set(expected(kind))


def test_severities_advisories_and_cves_are_the_vendors(
    rpm_host: Machine, fleet_project: Callable[..., FleetProject]
) -> None:
    kind = kind_of(rpm_host)
    found = items(scan(fleet_project([rpm_host])))
    seen = 0
    for package in packages(kind):
        if package.installed is None or not package.security:
            continue
        item, seen = found[package.name], seen + 1
        details = item["Details"]
        security = [
            ADVISORIES[o.advisory] for o in package.offers if ADVISORIES[o.advisory].kind == "security"
        ]
        assert details["Classification"] == "Security"
        assert item["Severity"] == GRADES[security[-1].severity]
        assert set(details["CVEIds"]) == cves(package)
        assert set(details["AdvisoryIds"]) == {offer.advisory for offer in package.offers}
    assert seen >= 7


def test_what_the_host_itself_keeps_back_is_told_and_never_compliant_where_it_is_asked_for(
    rpm_host: Machine, fleet_project: Callable[..., FleetProject]
) -> None:
    kind = kind_of(rpm_host)
    told = scan(fleet_project([rpm_host]))
    found = items(told)
    hidden = {p.name: HELD[kind] if p.held else "exclude" for p in packages(kind) if p.held or p.excluded}
    assert {name: found[name]["Details"]["Held"] for name in hidden} == hidden
    assert all("CandidateVersion" in found[name]["Details"] for name in hidden)
    assert not any("ManagerCandidate" in found[name]["Details"] for name in hidden)
    assert told["ResourceSummaries"][0]["PatchSummary"]["HeldPackages"] == sorted(hidden)
    for name in hidden:
        if asked(next(p for p in packages(kind) if p.name == name), kind):
            assert found[name]["Status"] == "NON_COMPLIANT"


def test_unprivileged_user_is_told_the_same(
    rpm_host: Machine, fleet_project: Callable[..., FleetProject]
) -> None:
    as_root = items(scan(fleet_project([rpm_host])))
    as_guest = items(scan(fleet_project([rpm_host], changes={rpm_host.name: {"user": "guest"}})))

    def bare(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return {
            name: (item["Status"], item["Severity"], {**item["Details"], "InstalledTime": ""})
            for name, item in found.items()
        }

    assert bare(as_guest) == bare(as_root)


@pytest.mark.parametrize("kind", KINDS)
def test_reboot_and_services_are_told_after_an_upgrade_and_no_more_after_the_reboot(
    kind: str, new_machine: Callable[..., Machine], fleet_project: Callable[..., FleetProject]
) -> None:
    machine = new_machine(kind)
    project = fleet_project([machine])
    before = scan(project)["ResourceSummaries"][0]["PatchSummary"]
    assert (before["RebootRequired"], before["ServicesToRestart"]) == (False, [])
    # Package databases count whole seconds: an update in the second of the boot is no newer than its services.
    machine.output("while [ $(cut -d. -f1 /proc/uptime) -lt 4 ]; do sleep 1; done")
    machine.run(UPGRADE[kind])
    told = scan(project)
    summary = told["ResourceSummaries"][0]["PatchSummary"]
    assert summary["RebootRequired"] is True
    assert summary["RebootReasons"]
    assert any(service.startswith("fl-daemon") for service in summary["ServicesToRestart"]), summary
    pending = [
        i["Title"]
        for i in told["ComplianceItems"]
        if i["Details"]["PatchState"] == "INSTALLED_PENDING_REBOOT"
    ]
    assert pending
    left = {name for name, item in items(told).items() if item["Details"]["PatchState"] == "MISSING"}
    assert left == {p.name for p in packages(kind) if (p.held or p.excluded) and asked(p, kind)}
    machine.reboot()
    code = 0 if kind == "suse" else 5
    after = scan(project, code=code)
    summary = after["ResourceSummaries"][0]["PatchSummary"]
    assert (summary["RebootRequired"], summary["ServicesToRestart"]) == (False, [])
    assert summary["InstalledPendingRebootCount"] == 0
    assert summary["InstalledCount"] >= 4
