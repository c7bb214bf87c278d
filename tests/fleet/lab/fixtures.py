"""Fixtures of the test fleet, for every test of the project.

Shared by a session, so leave them as they are: `many`, `slow`, `deb12`, `deb13`, `debian` (both in turn), `tiny`, `rocky`,
`fedora`, `suse`, `arch`, `distro` (the last four in turn).
Made for one test, so do what you like: `fresh_` and any of these names of machines, `new_machine(kind, name)`. A test that takes any of these is marked `fleet`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.distros import DISTROS
from lab.host import LabHost
from lab.lab import Lab
from lab.machine import Machine
from lab.many import SSHD, ManyHosts
from lab.project import FleetProject, write_project
from lab.slow import SlowHosts

__all__ = [
    "arch",
    "deb12",
    "deb13",
    "debian",
    "distro",
    "fedora",
    "fleet_project",
    "fresh_arch",
    "fresh_deb12",
    "fresh_deb13",
    "fresh_debian",
    "fresh_distro",
    "fresh_fedora",
    "fresh_rocky",
    "fresh_suse",
    "fresh_tiny",
    "lab",
    "many",
    "new_machine",
    "pytest_collection_modifyitems",
    "rocky",
    "slow",
    "suse",
    "tiny",
]

FLEET = frozenset({"lab", "many", "slow"})
DEBIANS = ("deb12", "deb13")
NEEDS = (
    *("apt-ftparchive", "busybox", "dpkg-deb", "dropbear", "gpg", "ip", "mmdebstrap", "nft", "nsenter"),
    *("ssh", "systemd-nspawn", "unshare"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that takes a host of the fleet."""
    for item in items:
        if FLEET & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.fleet)


@pytest.fixture(scope="session")
def many() -> Iterator[ManyHosts]:
    """Hundreds of hosts behind one real sshd on loopback; works without root."""
    if not SSHD:
        pytest.skip("there is no sshd: install openssh-server")
    with _folder("many") as folder:
        hosts = ManyHosts(folder)
        hosts.start()
        yield hosts
        hosts.stop()


@pytest.fixture(scope="session")
def slow() -> Iterator[SlowHosts]:
    """A thousand hosts that each take a second to answer; works without root."""
    with _folder("slow") as folder:
        hosts = SlowHosts(folder)
        hosts.start()
        yield hosts
        hosts.stop()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab of this test process, from which every machine with a network of its own comes."""
    if os.geteuid() != 0:
        pytest.skip("the test fleet needs root: it makes network namespaces and boots systemd")
    if missing := [tool for tool in NEEDS if not shutil.which(tool)]:
        pytest.skip(f"the test fleet needs {', '.join(missing)}: `make test` installs them")
    opened = Lab.open()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def deb12(lab: Lab) -> Machine:
    """A shared Debian 12: look, do not change."""
    return _up(lab.machine("deb12", "deb12"))


@pytest.fixture(scope="session")
def deb13(lab: Lab) -> Machine:
    """A shared Debian 13: look, do not change."""
    return _up(lab.machine("deb13", "deb13"))


@pytest.fixture(scope="session")
def tiny(lab: Lab) -> Machine:
    """A shared busybox and dropbear host: look, do not change."""
    return _up(lab.machine("tiny", "tiny"))


@pytest.fixture(scope="session")
def rocky(lab: Lab) -> Machine:
    """A shared host with dnf 4: look, do not change."""
    return _up(lab.machine("rocky", "rocky"))


@pytest.fixture(scope="session")
def fedora(lab: Lab) -> Machine:
    """A shared host with dnf 5: look, do not change."""
    return _up(lab.machine("fedora", "fedora"))


@pytest.fixture(scope="session")
def suse(lab: Lab) -> Machine:
    """A shared host with zypper: look, do not change."""
    return _up(lab.machine("suse", "suse"))


@pytest.fixture(scope="session")
def arch(lab: Lab) -> Machine:
    """A shared host with pacman: look, do not change."""
    return _up(lab.machine("arch", "arch"))


@pytest.fixture(scope="session", params=DISTROS)
def distro(request: pytest.FixtureRequest, lab: Lab) -> Machine:
    """The shared hosts that are no Debian in turn: look, do not change."""
    machine: Machine = request.getfixturevalue(request.param)
    return machine


@pytest.fixture(scope="session", params=DEBIANS)
def debian(request: pytest.FixtureRequest, lab: Lab) -> Machine:
    """The shared Debian hosts in turn: look, do not change."""
    machine: Machine = request.getfixturevalue(request.param)
    return machine


@pytest.fixture
def new_machine(lab: Lab) -> Iterator[Callable[..., Machine]]:
    """Start machines for this test alone: `new_machine("deb12")`; they answer when it returns, unless `wait=False`."""
    made: list[Machine] = []

    def start(kind: str, name: str = "", *, wait: bool = True) -> Machine:
        made.append(lab.machine(kind, name))
        return _up(made[-1]) if wait else made[-1]

    yield start
    for machine in made:
        lab.remove(machine)


@pytest.fixture
def fresh_deb12(new_machine: Callable[..., Machine]) -> Machine:
    """A Debian 12 for this test alone."""
    return new_machine("deb12")


@pytest.fixture
def fresh_deb13(new_machine: Callable[..., Machine]) -> Machine:
    """A Debian 13 for this test alone."""
    return new_machine("deb13")


@pytest.fixture(params=DEBIANS)
def fresh_debian(request: pytest.FixtureRequest, new_machine: Callable[..., Machine]) -> Machine:
    """A Debian of each generation for this test alone."""
    return new_machine(request.param)


@pytest.fixture
def fresh_tiny(new_machine: Callable[..., Machine]) -> Machine:
    """A busybox and dropbear host for this test alone."""
    return new_machine("tiny")


@pytest.fixture
def fresh_rocky(new_machine: Callable[..., Machine]) -> Machine:
    """A host with dnf 4 for this test alone."""
    return new_machine("rocky")


@pytest.fixture
def fresh_fedora(new_machine: Callable[..., Machine]) -> Machine:
    """A host with dnf 5 for this test alone."""
    return new_machine("fedora")


@pytest.fixture
def fresh_suse(new_machine: Callable[..., Machine]) -> Machine:
    """A host with zypper for this test alone."""
    return new_machine("suse")


@pytest.fixture
def fresh_arch(new_machine: Callable[..., Machine]) -> Machine:
    """A host with pacman for this test alone."""
    return new_machine("arch")


@pytest.fixture(params=DISTROS)
def fresh_distro(request: pytest.FixtureRequest, new_machine: Callable[..., Machine]) -> Machine:
    """A host of each family that is no Debian for this test alone."""
    return new_machine(request.param)


@pytest.fixture
def fleet_project(tmp_path: Path) -> Callable[..., FleetProject]:
    """Write a project for hosts: `fleetctl run *fleet_project(many.hosts(10)).args all -- true`."""

    def write(hosts: list[LabHost], **options: object) -> FleetProject:
        return write_project(tmp_path / "project", hosts, **options)  # type: ignore[arg-type]

    return write


def _up(machine: Machine) -> Machine:
    machine.wait()
    return machine


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """A folder that other users can pass through: sshd looks into it as the user who logs in. pytest's are private."""
    with tempfile.TemporaryDirectory(prefix=f"fleetctl-test-{name}-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
