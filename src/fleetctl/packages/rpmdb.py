"""Read rpm's own database, and join it with what repositories and their advisories say: for dnf and zypper alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from fleetctl.packages.facts import moment
from fleetctl.packages.model import (
    Advisory,
    AvailableUpdate,
    AvailableVersion,
    Fault,
    InstalledPackage,
    Origin,
)
from fleetctl.packages.rpmversion import RpmVersionKey, evr, rpm_version_key
from fleetctl.packages.sections import Section

__all__ = ["Key", "Notices", "Offer", "Offers", "notices_of", "read_rpms", "rpm_faults", "split_nevra"]

Key: TypeAlias = tuple[str, str]
"""Name and architecture."""
Notices: TypeAlias = Mapping[Key, list[tuple[str, Advisory]]]
"""For each package: versions that an advisory names, and the advisory."""

_FIELDS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One version that one repository offers."""

    name: str
    arch: str
    version: str
    repository: str
    url: str = ""
    date: datetime | None = None
    size: int | None = None


def read_rpms(lines: Iterable[str]) -> tuple[list[InstalledPackage], int]:
    """Read `rpm -qa` as the scripts ask for it, and how many lines could not be read. Keys of packagers are left out."""
    found: list[InstalledPackage] = []
    unread = 0
    for line in lines:
        fields = line.split("\t")
        if len(fields) != _FIELDS:
            unread += bool(line.strip())
            continue
        name, epoch, version, release, arch, installed, source = fields
        if name == "gpg-pubkey":
            continue
        found.append(
            InstalledPackage(
                name=name,
                version=evr(epoch, version, release),
                arch="" if arch == "(none)" else arch,
                epoch=epoch if epoch.strip("0") else "",
                upstream=version,
                release=release,
                source=source.removesuffix(".src.rpm").rsplit("-", 2)[0] if source != "(none)" else name,
                installed_at=moment(installed),
            )
        )
    return _with_superseded(sorted(found, key=lambda package: package.key)), unread


def _with_superseded(packages: list[InstalledPackage]) -> list[InstalledPackage]:
    """Mark older versions of what is installed more than once: kernels are, beside one another."""
    newest: dict[Key, str] = {}
    for package in packages:
        known = newest.get(package.key)
        if known is None or rpm_version_key(package.version) > rpm_version_key(known):
            newest[package.key] = package.version
    return [
        package if newest[package.key] == package.version else replace(package, superseded=True)
        for package in packages
    ]


def split_nevra(text: str) -> tuple[Key, str] | None:
    """Split `name-[epoch:]version-release.arch` into the package and its version; None if it is no such thing."""
    stem, dot, arch = text.rpartition(".")
    parts = stem.rsplit("-", 2)
    if not dot or len(parts) != 3 or not all(parts):
        return None
    epoch, colon, version = parts[1].rpartition(":")
    return (parts[0], arch), evr(epoch if colon else "", version, parts[2])


def notices_of(told: Iterable[tuple[str, Advisory]]) -> Notices:
    """Sort advisories by the packages that they name, given as NEVRA texts."""
    found: dict[Key, list[tuple[str, Advisory]]] = defaultdict(list)
    for nevra, advisory in told:
        parts = split_nevra(nevra)
        if parts is not None and (parts[1], advisory) not in found[parts[0]]:
            found[parts[0]].append((parts[1], advisory))
    return found


@dataclass(slots=True)
class Offers:
    """All that is newer, and what advisories say of it.

    Attributes:
        offers: of repositories, excluded and locked ones too.
        notices: of repositories.
        candidates: what the manager itself would choose.
    """

    offers: Iterable[Offer]
    notices: Notices
    candidates: Mapping[Key, str]
    _by_package: dict[Key, list[Offer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the offers by package."""
        for offer in self.offers:
            self._by_package.setdefault((offer.name, offer.arch), []).append(offer)

    def installed(self, package: InstalledPackage) -> InstalledPackage:
        """Add the advisories that name the installed version."""
        advisories = tuple(
            advisory
            for version, advisory in self.notices.get(package.key, ())
            if _same(version, package.version)
        )
        security = any(advisory.classification == "security" for advisory in advisories)
        return replace(package, advisories=advisories, security=security) if advisories else package

    def update(self, package: InstalledPackage) -> AvailableUpdate | None:
        """Return what could take a package's place; None if it is as new as can be had."""
        now = rpm_version_key(package.version)
        versions = self._offered(package, now)
        for text, advisory in self.notices.get(package.key, ()):
            if rpm_version_key(text) > now:
                _attach(versions, text, advisory)
        if package.superseded or not versions:
            return None
        candidate = self.candidates.get(package.key, "")
        return AvailableUpdate(
            name=package.name,
            arch=package.arch,
            installed=package.version,
            candidate=candidate if candidate and rpm_version_key(candidate) > now else "",
            versions=tuple(sorted(versions, key=lambda v: rpm_version_key(v.version), reverse=True)),
        )

    def _offered(self, package: InstalledPackage, now: RpmVersionKey) -> list[AvailableVersion]:
        found: dict[str, AvailableVersion] = {}
        for offer in self._by_package.get(package.key, ()):
            if rpm_version_key(offer.version) <= now:
                continue
            origin = Origin(repository=offer.repository, url=offer.url)
            known = found.get(offer.version)
            found[offer.version] = (
                replace(known, origins=(*known.origins, origin))
                if known
                else AvailableVersion(
                    version=offer.version, origins=(origin,), date=offer.date, size=offer.size
                )
            )
        return list(found.values())


def _attach(versions: list[AvailableVersion], text: str, advisory: Advisory) -> None:
    """Give an advisory to the version it names; where repositories no longer have that, to the next newer one.

    Where nothing is as new as that, the version stands there without any origin: it is missing, and cannot be had.
    """
    wanted = rpm_version_key(text)
    good = [version for version in versions if rpm_version_key(version.version) >= wanted]
    best = min(good, key=lambda v: rpm_version_key(v.version)) if good else AvailableVersion(version=text)
    advised = replace(
        best,
        advisories=(*best.advisories, advisory),
        security=best.security or advisory.classification == "security",
    )
    if good:
        versions[versions.index(best)] = advised
    else:
        versions.append(advised)


def _same(one: str, other: str) -> bool:
    return one == other or rpm_version_key(one) == rpm_version_key(other)


def rpm_faults(section: Section) -> tuple[Fault, ...]:
    """Say that rpm cannot read its own database, if it cannot.

    Args:
        section: `rpm -qa`.
    """
    bad = [line.removeprefix("error: ") for line in section.errors.splitlines() if line.startswith("error: ")]
    if not bad:
        return ()
    return (Fault(what=f"rpm cannot read its database ({bad[-1]})", mend="rpm --rebuilddb"),)
