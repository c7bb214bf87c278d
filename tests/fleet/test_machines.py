"""Each machine of the fleet is one of its own: name, boot, network, users, packages."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.bases import PASSWORDS
from lab.catalogue import PACKAGES, SUITES, Package
from lab.machine import Machine
from lab.project import FleetProject


def test_each_machine_has_a_name_and_a_boot_of_its_own(deb12: Machine, deb13: Machine, tiny: Machine) -> None:
    machines = [deb12, deb13, tiny]
    assert [machine.output("hostname") for machine in machines] == ["deb12", "deb13", "tiny"]
    assert len({machine.boot_id() for machine in machines}) == 3


def test_no_two_machines_share_a_control_group(deb12: Machine, deb13: Machine) -> None:
    groups = [
        {
            line.partition("::")[2]
            for line in Path(f"/proc/{machine._init()[0]}/cgroup").read_text().splitlines()
        }
        for machine in (deb12, deb13)
    ]
    assert groups[0] & groups[1] <= {""}


def test_machines_reach_each_other_and_nothing_outside(deb12: Machine, deb13: Machine) -> None:
    listens = f"timeout 3 bash -c '</dev/tcp/{deb13.address}/22'"
    assert deb12.output(f"{listens} && echo open") == "open"
    assert "unreachable" in deb12.run("ip route get 192.0.2.1").stderr


def test_debian_runs_systemd_and_has_no_python(debian: Machine) -> None:
    assert debian.output("cat /proc/1/comm") == "systemd"
    assert debian.output("systemctl is-active ssh cron") == "active\nactive"
    assert debian.run("command -v python3").returncode != 0


def test_debian_is_the_release_its_name_says(debian: Machine) -> None:
    suite = SUITES[debian.tags["kind"]]
    assert debian.output(". /etc/os-release; echo $VERSION_CODENAME") == suite


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_repository_offers_what_the_catalogue_says(debian: Machine, package: Package) -> None:
    suite = SUITES[debian.tags["kind"]]
    told = debian.output(f"LC_ALL=C apt-cache policy {package.name}")
    installed = package.installed.on(suite) if package.installed else "(none)"
    assert f"Installed: {installed}\n" in told
    assert f"Candidate: {package.candidate(suite)}\n" in told
    if security := package.security(suite):
        assert re.search(rf" {re.escape(security)} \d+\n\s+500 http://\S+ {suite}-security/main ", told)


def test_held_package_and_edited_conffile_are_there(debian: Machine) -> None:
    assert debian.output("apt-mark showhold") == "fl-held"
    assert debian.output("cat /etc/fl-conf.conf") == "value=mine"


def test_repository_is_served(debian: Machine) -> None:
    assert "Err:" not in debian.output(
        "mkdir -p /tmp/lists/partial; LC_ALL=C apt-get update --error-on=any -o Dir::State::Lists=/tmp/lists"
    )


def test_sudo_and_doas_ask_whom_they_should(debian: Machine) -> None:
    def becomes_root(user: str, command: str, password: str = "") -> bool:
        done = debian.run(f"{command} id -u", user=user, stdin=f"{password}\n")
        return done.stdout.strip() == "0"

    assert becomes_root("deploy", "sudo -n")
    assert becomes_root("deploy", "doas -n")
    assert not becomes_root("secure", "sudo -n")
    assert not becomes_root("secure", "doas -n")
    assert becomes_root("secure", "sudo -S", PASSWORDS["secure"])
    assert not becomes_root("secure", "sudo -S", "wrong")
    assert not becomes_root("guest", "sudo -S", PASSWORDS["guest"])


def test_tiny_is_as_poor_as_it_says(tiny: Machine) -> None:
    for program in ("bash", "python3", "systemctl", "sudo", "apt-get", "scp", "sftp-server"):
        assert tiny.run(f"command -v {program}").returncode != 0, program
    assert "BusyBox" in tiny.output("ls --help 2>&1 || true")
    assert tiny.output("id -un", user="deploy") == "deploy"


def test_project_of_machines_lets_openssh_in(
    deb12: Machine, tiny: Machine, fleet_project: Callable[..., FleetProject]
) -> None:
    project = fleet_project([deb12, tiny], changes={"tiny": {"user": "deploy", "tags": None}})
    text = project.inventory.read_text()
    assert "user: deploy" in text
    assert f"address: {deb12.address}" in text
    assert project.known_hosts.read_text().count("ssh-ed25519") == 2
    assert project.key.stat().st_mode & 0o777 == 0o600
