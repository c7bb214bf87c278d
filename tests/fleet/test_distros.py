"""Hosts that are no Debian answer as their own families do."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from lab.distros import DISTROS
from lab.families import packages, updates
from lab.machine import Machine
from lab.people import PASSWORDS
from lab.project import FleetProject

FLEETCTL = Path(sys.executable).with_name("fleetctl")
NAMES = {"rocky": "rocky", "fedora": "fedora", "suse": "sles", "arch": "arch"}
TOOLS = {"rocky": {"dnf", "yum", "rpm"}, "fedora": {"dnf", "dnf5", "yum", "rpm"}, "suse": {"zypper", "rpm"}}
TOOLS["arch"] = {"pacman", "makepkg"}
ANY_TOOL = {"apt-get", "dpkg", "dnf", "dnf5", "yum", "rpm", "zypper", "pacman", "makepkg", "createrepo_c"}
UPGRADE = {
    "rocky": "dnf -y -q upgrade",
    "fedora": "dnf -y -q upgrade",
    "suse": "zypper -n up",
    "arch": "pacman --noconfirm -Syu",
}


def kind_of(machine: Machine) -> str:
    return machine.tags["kind"]


def updates_of(machine: Machine, what: str) -> list[ET.Element]:
    told = machine.output(f"zypper -n --xmlout {what}")
    return list(ET.fromstring(told).iter("update"))  # noqa: S314 - our own zypper


def listed(machine: Machine) -> dict[str, str]:
    """What the native tool says could be updated: package and version; held ones included where it lists them."""
    match kind_of(machine):
        case "rocky":
            lines = machine.run("dnf -q check-update").stdout.splitlines()
            return {line.split()[0].rpartition(".")[0]: line.split()[1] for line in lines if line}
        case "fedora":
            told = json.loads(machine.output("dnf -q check-upgrade --json"))
            return {each["name"]: each["evr"] for group in told.values() for each in group}
        case "suse":
            told = updates_of(machine, "list-updates")
            return {each.attrib["name"]: each.attrib["edition"] for each in told}
        case _:
            lines = machine.output("pacman -Qu").splitlines()
            return {line.split()[0]: line.split()[3] for line in lines if "[ignored]" not in line}


def wanted(kind: str) -> dict[str, str]:
    """What the tables say that it should."""
    hidden = {package.name for package in packages(kind) if package.held or package.excluded}
    return {name: newest for name, (_, newest) in updates(kind).items() if name not in hidden}


def installed(machine: Machine) -> set[tuple[str, str]]:
    if kind_of(machine) == "arch":
        return {(line.split()[0], line.split()[1]) for line in machine.output("pacman -Q").splitlines()}
    told = machine.output("rpm -qa --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n'").splitlines()
    words = [line.split() for line in told if not line.startswith("gpg-pubkey ")]
    return {(name, version.removeprefix("0:")) for name, version in words}


def test_distro_says_what_it_is_and_has_only_its_own_tools(distro: Machine) -> None:
    kind = kind_of(distro)
    assert distro.output(". /etc/os-release; echo $ID") == NAMES[kind]
    found = distro.output(f"for t in {' '.join(ANY_TOOL)}; do command -v $t; done; true").split()
    assert {Path(path).name for path in found} == TOOLS[kind]
    assert distro.run("test -e /var/lib/dpkg -o -e /etc/debian_version").returncode == 1


def test_distro_runs_systemd_and_nothing_failed(distro: Machine) -> None:
    assert distro.output("systemctl is-system-running --wait") == "running"
    assert distro.output("systemctl is-active ssh cron fl-daemon").split() == ["active"] * 3


def test_users_of_a_distro_are_those_of_the_debians(distro: Machine) -> None:
    assert distro.output("sudo -n id -u; doas id -u", user="deploy") == "0\n0"
    asked = distro.run("sudo -S id -u", user="secure", stdin=f"{PASSWORDS['secure']}\n")
    assert asked.stdout == "0\n"
    assert distro.run("sudo -n id -u", user="guest").returncode != 0


def test_first_versions_are_installed(distro: Machine) -> None:
    known = packages(kind_of(distro))
    assert installed(distro) == {(each.name, each.installed.version) for each in known if each.installed}


def test_native_tool_lists_exactly_the_planned_updates(distro: Machine) -> None:
    assert listed(distro) == wanted(kind_of(distro))


def test_held_excluded_and_edited_ones_are_there(distro: Machine) -> None:
    tells = {
        "rocky": "cat /etc/dnf/plugins/versionlock.list; grep excludepkgs /etc/dnf/dnf.conf",
        "fedora": "dnf versionlock list; grep excludepkgs /etc/dnf/dnf.conf",
        "suse": "zypper -n locks",
        "arch": "grep IgnorePkg /etc/pacman.conf",
    }
    told = distro.output(tells[kind_of(distro)])
    for package in packages(kind_of(distro)):
        if package.held or package.excluded:
            assert package.name in told
    assert distro.output("cat /etc/fl-conf.conf") == "value=mine"


@pytest.mark.parametrize(("kind", "hidden"), [("rocky", "fl-excluded"), ("fedora", "fl-excluded")])
def test_advisories_of_dnf_hide_what_is_excluded_and_name_severity_and_cve(
    kind: str, hidden: str, request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(kind)
    told = machine.output(
        "dnf -q updateinfo list --updates" if kind == "rocky" else "dnf -q advisory list --updates"
    )
    assert re.search(r"FLSA-2024:0001 .*Critical.* fl-lib-1.0-2", told)
    assert re.search(r"FLSA-2024:0003 .*Moderate.* fl-shadow-1.0-2", told)
    assert hidden not in told
    everything = "--setopt=excludepkgs= --setopt=plugins=0"
    shown = machine.output(
        f"dnf -q {everything} updateinfo list --updates --with-cve"
        if kind == "rocky"
        else f"dnf -q {everything} advisory list --updates --with-cve"
    )
    assert re.search(r"CVE-2024-0007.* fl-excluded-1.0-2", shown)


def test_patches_of_zypper_carry_their_flags(suse: Machine) -> None:
    told = updates_of(suse, "list-patches")
    flags = {
        each.attrib["name"]: (each.attrib["severity"], each.attrib["restart"], each.attrib["pkgmanager"])
        for each in told
    }
    assert flags["FLSA-2024:0001"] == ("critical", "false", "false")
    assert flags["FLSA-2024:0002"] == ("important", "true", "false")
    assert flags["FLBA-2024:0009"][1:] == ("false", "true")
    assert suse.run("zypper -n patch-check").returncode == 101


def test_upgrade_reboot_and_nothing_is_left_but_what_is_held(fresh_distro: Machine) -> None:
    kind = kind_of(fresh_distro)
    # Package databases count whole seconds: an update in the second of the boot is no newer than its services.
    fresh_distro.output("while [ $(cut -d. -f1 /proc/uptime) -lt 4 ]; do sleep 1; done")
    done = fresh_distro.run(f"{UPGRADE[kind]}; zypper -n up 2>/dev/null")
    assert "fails on purpose" in done.stdout + done.stderr or "POSTIN scriptlet" in done.stderr, done
    now = dict(sorted(installed(fresh_distro)))
    assert {name: now[name] for name in wanted(kind)} == wanted(kind)
    assert now["fl-newdep"] == "1.0-1"
    assert listed(fresh_distro) == {}
    assert fresh_distro.output("cat /etc/fl-conf.conf") == "value=mine"
    new = "pacnew" if kind == "arch" else "rpmnew"
    assert fresh_distro.output(f"cat /etc/fl-conf.conf.{new}") == "value=2"
    assert reboot_wanted(fresh_distro) is (kind != "arch")
    assert "(deleted)" in fresh_distro.output("cat /proc/$(pidof fl-daemon)/maps")
    if stale := STALE.get(kind):
        assert "fl-daemon" in fresh_distro.output(stale)
    before = fresh_distro.boot_id()
    fresh_distro.reboot()
    assert fresh_distro.boot_id() != before
    assert reboot_wanted(fresh_distro) is False
    if stale:
        assert "fl-daemon" not in fresh_distro.output(stale)


STALE = {
    "rocky": "dnf needs-restarting -s",
    "fedora": "dnf needs-restarting -s || true",
    "suse": "zypper ps -sss",
}


def reboot_wanted(machine: Machine) -> bool:
    """What the family's own tool says; pacman has none."""
    match kind_of(machine):
        case "suse":
            return {0: False, 102: True}[machine.run("zypper needs-rebooting").returncode]
        case "arch":
            return False
        case _:
            return {0: False, 1: True}[machine.run("dnf needs-restarting -r").returncode]


def test_package_whose_script_refuses_stays_as_it_was(
    new_machine: Callable[..., Machine],
) -> None:
    machine = new_machine("rocky")
    machine.output("dnf -y -q install fl-refuses-1.0-1")
    assert machine.run("dnf -y -q upgrade fl-refuses").returncode == 1
    assert machine.output("rpm -q fl-refuses") == "fl-refuses-1.0-1.noarch"


@pytest.mark.parametrize("kind", DISTROS)
def test_fleetctl_runs_on_a_distro(
    kind: str, request: pytest.FixtureRequest, fleet_project: Callable[..., FleetProject]
) -> None:
    machine: Machine = request.getfixturevalue(kind)
    project = fleet_project([machine], changes={machine.name: {"user": "deploy", "become": "sudo"}})
    argv = [
        FLEETCTL,
        "run",
        *project.args,
        "--format",
        "json",
        "all",
        "--",
        "id -u; . /etc/os-release; echo $ID",
    ]
    done = subprocess.run(argv, cwd=project.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"0\\n{NAMES[kind]}" in done.stdout
