"""Fixtures of the test fleet, for every test of the project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.host import LabHost
from lab.many import SSHD, ManyHosts
from lab.project import FleetProject, write_project
from lab.slow import SlowHosts

__all__ = ["fleet_project", "many", "slow"]


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    """Hundreds of hosts behind one real sshd on loopback; works without root."""
    if not SSHD:
        pytest.skip("there is no sshd: install openssh-server")
    hosts = ManyHosts(_folder(tmp_path_factory, "many"))
    hosts.start()
    yield hosts
    hosts.stop()


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowHosts]:
    """A thousand hosts that each take a second to answer; works without root."""
    hosts = SlowHosts(_folder(tmp_path_factory, "slow"))
    hosts.start()
    yield hosts
    hosts.stop()


@pytest.fixture
def fleet_project(tmp_path: Path) -> Callable[..., FleetProject]:
    """Write a project for hosts: `fleet_project(many.hosts(10)).args` goes before fleetctl's command."""

    def write(hosts: list[LabHost], **options: object) -> FleetProject:
        return write_project(tmp_path / "project", hosts, **options)  # type: ignore[arg-type]

    return write


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that other users can pass through: sshd looks into it as the user who logs in."""
    folder = factory.mktemp(name)
    if folder.stat().st_uid == 0:
        for part in (folder, folder.parent, folder.parent.parent):
            part.chmod(0o755)
    return folder
