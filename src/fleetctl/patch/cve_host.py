"""What is known of one host's packages, from its last scan and its inventory: without touching it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from fleetctl.inventory.choose import Snapshot
from fleetctl.inventory.purl import full_version
from fleetctl.packages.model import HostFacts, InstalledPackage
from fleetctl.patch.cve_match import VersionKey, version_key_of
from fleetctl.patch.looks import LastLook

__all__ = ["HostView", "Installed", "Matched", "releases_of", "view_of"]

_MANAGERS: Final = {"dpkg": "apt", "pacman": "pacman", "apk": "apk"}
_BY_SOURCE: Final = frozenset({"apt", "apk"})
# Names that hold a version: several are installed side by side, and the newest is what runs after a reboot.
_KERNEL: Final = re.compile(
    r"linux-(?:image|headers|modules|modules-extra|tools|kbuild|binary)(?:-unsigned)?-\d"
)
_DEBIAN: Final = {"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"}
_REBUILT: Final = re.compile(r"\+b\d+$")  # a binary that Debian built again from the same source
_DISTRO: Final = re.compile(r"[?&]distro=([^&]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One package of a host.

    Attributes:
        source_version: of the source package, as far as it can be told.
    """

    name: str
    version: str
    arch: str = ""
    source: str = ""
    source_version: str = ""

    @property
    def built_as_is(self) -> bool:
        """Whether its version is that of its source package, so that newer ones can be compared with it."""
        return _REBUILT.sub("", self.version) == self.source_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Packages of a host that a claim is about.

    Attributes:
        name: of the source package, or of the one package.
        version: what the claim is compared with.
        packages: that are installed.
    """

    name: str
    version: str
    packages: tuple[Installed, ...]


@dataclass(frozen=True, kw_only=True)
class HostView:
    """What is known of one host.

    Attributes:
        manager: entry point name; empty where nothing is known.
        system: its name for people.
        releases: which of the feeds' ecosystems are its own; None where no feed can be about it.
        installed: as whoever looked last saw it.
        seen_by: `scan` or `inventory`; empty where nothing is known.
        seen: when that was.
        look: the last scan; None in a brief.
        scanned, scan_id: when that was, and its run.
        inventoried: when its inventory was collected.
        trouble: what a reader should know of it, in one sentence; empty if nothing.
    """

    host: str
    manager: str = ""
    system: str = ""
    releases: re.Pattern[str] | None = None
    installed: tuple[Installed, ...] = ()
    seen_by: str = ""
    seen: datetime | None = None
    look: LastLook | None = field(default=None, repr=False)
    scanned: datetime | None = None
    scan_id: str = ""
    inventoried: datetime | None = None
    trouble: str = ""

    @property
    def brief(self) -> HostView:
        """The same without packages: they are megabytes a host."""
        return replace(self, installed=(), look=None)

    @cached_property
    def key(self) -> VersionKey:
        """Sorts versions as its package manager does."""
        return version_key_of(self.manager)

    @cached_property
    def by_source(self) -> bool:
        """Whether feeds of its system name source packages."""
        return self.manager in _BY_SOURCE

    @cached_property
    def _named(self) -> Mapping[str, list[Installed]]:
        return _sorted_by((package.name, package) for package in self.installed)

    @cached_property
    def sources(self) -> Mapping[str, list[Installed]]:
        """Packages by the name of their source package."""
        return _sorted_by((package.source, package) for package in self.installed)

    def version_of(self, name: str) -> str:
        """Return the version of an installed package; empty where there is none of that name."""
        found = self._named.get(name)
        return max((package.version for package in found), key=self.key) if found else ""

    def names(self) -> list[str]:
        """Return all names by which claims may name its packages."""
        if self.by_source:
            return list(self.sources)
        return list(dict.fromkeys([*self._named, *self.sources]))

    def match(self, name: str) -> Matched | None:
        """Return the packages that a claim's name is about; None if none is installed."""
        if not self.by_source and (found := self._named.get(name)):
            return Matched(
                name=name, version=min((p.version for p in found), key=self.key), packages=tuple(found)
            )
        found = self.sources.get(name)
        if not found:
            return None
        kernels = [p.source_version for p in found if _KERNEL.match(p.name)]
        others = [p.source_version for p in found if not _KERNEL.match(p.name)]
        versions = others + ([max(kernels, key=self.key)] if kernels else [])
        return Matched(name=name, version=min(versions, key=self.key), packages=tuple(found))


def view_of(host: str, look: LastLook | None, kept: Snapshot) -> HostView:
    """Put together what is known of a host: packages from whoever looked last.

    Args:
        host: its name.
        look: its last scan; None if there is none.
        kept: inventories.
    """
    capture = kept.of(host).get("Application")
    inventoried = capture.captured if capture else None
    usable = look is not None and bool(look.state.installed)
    if inventoried is not None and (not usable or (look is not None and inventoried > look.time)):
        return _inventoried(host, look, kept, inventoried)
    if look is None:
        return HostView(host=host, trouble=f"nothing is known of its packages: fleetctl patch scan {host}")
    facts = look.state.facts
    return HostView(
        host=host,
        manager=look.state.manager,
        system=facts.pretty_name or facts.os_id,
        releases=releases_of(facts),
        installed=tuple(_scanned(package) for package in look.state.installed if not package.superseded),
        seen_by="scan" if usable else "",
        seen=look.time if usable else None,
        look=look,
        scanned=look.time,
        scan_id=look.run_id,
        inventoried=inventoried,
        trouble="" if usable else "its last scan failed: " + "; ".join(look.state.errors),
    )


def _inventoried(host: str, look: LastLook | None, kept: Snapshot, seen: datetime) -> HostView:
    items = kept.items(host, "Application") or ()
    known = {}
    if look is not None:
        known = {(p.name, p.version): p for p in look.state.installed}
    machine = next(iter(kept.items(host, "InstanceInformation") or ()), {})
    facts = look.state.facts if look is not None and look.state.facts.os_id else _facts_of(items)
    managers = [item.get("PackageManager", "") for item in items]
    manager = look.state.manager if look is not None and look.state.manager else _manager_of(managers, facts)
    packages = []
    for item in items:
        version = full_version(item)
        scanned = known.get((item.get("Name", ""), version))
        packages.append(_scanned(scanned) if scanned else _item(item, version))
    told = f"{machine.get('PlatformName', '')} {machine.get('PlatformVersion', '')}".strip()
    return HostView(
        host=host,
        manager=manager,
        system=facts.pretty_name or told or facts.os_id,
        releases=releases_of(facts),
        installed=_newest(packages, manager) if manager not in _BY_SOURCE else tuple(packages),
        seen_by="inventory",
        seen=seen,
        look=look,
        scanned=look.time if look else None,
        scan_id=look.run_id if look else "",
        inventoried=seen,
    )


def releases_of(facts: HostFacts) -> re.Pattern[str] | None:
    """Return a pattern of the ecosystems that are about a host's release (OSV schema: "Defined Ecosystems"); None if there are none.

    A derivative is not what it is like: its packages are its own.
    """
    version = facts.version_id
    major, _, minor = version.partition(".")
    number = re.escape(version)
    pack = f" SP{minor}" if minor.strip("0") else ""
    codename = re.escape(facts.codename or _DEBIAN.get(version, version))
    told = {
        "debian": f"Debian:(?:{number or codename}|{codename})",
        "ubuntu": rf"Ubuntu:(?:Pro:)?{number}(?::LTS)?",
        "alpine": rf"Alpine:(?:v{re.escape('.'.join(version.split('.')[:2]))}|edge)"
        if "_" in version
        else rf"Alpine:v{re.escape('.'.join(version.split('.')[:2]))}",
        "rocky": f"Rocky Linux:{major}(?:\\..*)?",
        "almalinux": f"AlmaLinux:{major}(?:\\..*)?",
        "rhel": rf"Red Hat:.*enterprise_linux:{major}(?:\.\d+)?(?:::.*)?",
        "sles": rf"SUSE:.* {re.escape(major)}{pack}(?:-.*)?|SUSE:.* {number}(?:-.*)?",
        "sled": rf"SUSE:.* {re.escape(major)}{pack}(?:-.*)?",
        "opensuse-leap": f"openSUSE:Leap {number}",
        "opensuse-tumbleweed": "openSUSE:Tumbleweed",
        "arch": "Arch Linux",
        "openEuler": rf"openEuler:{number}(?:-.*)?",
        "mageia": f"Mageia:{number}",
        "azurelinux": f"Azure Linux:{re.escape(major)}",
        "wolfi": "Wolfi",
        "chainguard": "Chainguard",
    }
    pattern = told.get(facts.os_id)
    needs_version = facts.os_id not in {"arch", "opensuse-tumbleweed", "wolfi", "chainguard"}
    if pattern is None or (needs_version and not (version or facts.codename)):
        return None
    return re.compile(pattern)


def _scanned(package: InstalledPackage) -> Installed:
    name, version = _source(package.source or package.name, package.source_version, package.version)
    return Installed(
        name=package.name,
        version=package.version,
        arch=package.arch,
        source=name,
        source_version=version,
    )


def _item(item: Mapping[str, str], version: str) -> Installed:
    name = item.get("Source") or item.get("Name", "")
    source = _REBUILT.sub("", version) if item.get("PackageManager") == "dpkg" else version
    named, told = _source(name, source, version)
    return Installed(
        name=item.get("Name", ""),
        version=version,
        arch=item.get("Architecture", ""),
        source=named,
        source_version=told,
    )


def _source(name: str, source_version: str, version: str) -> tuple[str, str]:
    """Return name and version of the source package; a signed kernel's are those of the kernel that was signed."""
    if name.startswith("linux-signed"):
        rest = name.removeprefix("linux-signed").removeprefix("-")
        rest = "" if rest in {"amd64", "arm64", "i386"} else rest
        return (f"linux-{rest}" if rest else "linux"), _REBUILT.sub("", version)
    return name, source_version or version


def _facts_of(items: Iterable[Mapping[str, str]]) -> HostFacts:
    """Return the system that package URLs name: `distro=debian-12`."""
    for item in items:
        if found := _DISTRO.search(item.get("PackageId", "")):
            id_, _, version = found[1].rpartition("-")
            return HostFacts(os_id=id_, version_id=version) if id_ else HostFacts(os_id=version)
    return HostFacts()


def _manager_of(managers: list[str], facts: HostFacts) -> str:
    """Return the package manager that most packages are of."""
    most = max(set(managers), key=managers.count) if managers else ""
    if most == "rpm":
        return "zypper" if "suse" in facts.os_id or facts.os_id.startswith("sle") else "dnf"
    return _MANAGERS.get(most, "")


def _newest(packages: list[Installed], manager: str) -> tuple[Installed, ...]:
    """Return packages without older versions that stand beside newer ones, as kernels do."""
    key = version_key_of(manager)
    found: dict[tuple[str, str], Installed] = {}
    for package in packages:
        known = found.get((package.name, package.arch))
        if known is None or key(package.version) > key(known.version):
            found[package.name, package.arch] = package
    return tuple(found.values())


def _sorted_by(pairs: Iterable[tuple[str, Installed]]) -> dict[str, list[Installed]]:
    found: dict[str, list[Installed]] = {}
    for name, package in pairs:
        found.setdefault(name, []).append(package)
    return found
