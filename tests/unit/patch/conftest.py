"""Hosts made by hand, for what no real host shows."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from fleetctl.packages.model import (
    Advisory,
    AvailableUpdate,
    AvailableVersion,
    HostFacts,
    InstalledPackage,
    Origin,
    PackageState,
    RebootVerdict,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
POCKET = Origin(repository="bookworm-security/main", label="Debian-Security", security=True)
MAIN = Origin(repository="bookworm/main", label="Debian")


def package(name="a", version="1.0-1", **more):
    return InstalledPackage(
        name=name, version=version, arch="amd64", section="libs", priority="optional", **more
    )


def version(text, *, security=False, advisories=(), **more):
    advisory = tuple(Advisory(**given) for given in advisories)
    return AvailableVersion(
        version=text, security=security, origins=(POCKET if security else MAIN,), advisories=advisory, **more
    )


def update(name="a", *versions, installed="1.0-1", **more):
    more.setdefault("candidate", versions[0].version)
    return AvailableUpdate(
        name=name,
        arch="amd64",
        installed=installed,
        versions=versions,
        section="libs",
        priority="optional",
        **more,
    )


def state(*installed, updates=(), **more):
    facts = HostFacts(os_id="debian", version_id="12", pretty_name="Debian 12", time=NOW)
    return PackageState(manager="apt", facts=facts, installed=installed, updates=tuple(updates), **more)


@pytest.fixture
def make():
    return SimpleNamespace(
        package=package,
        version=version,
        update=update,
        state=state,
        now=NOW,
        reboot=RebootVerdict,
        pocket=POCKET,
    )
