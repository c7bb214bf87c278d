"""Read rpm's own database, and join it with what repositories and their advisories say: for dnf and zypper alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

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

__all__ = [
    "TWICE",
    "Key",
    "Notices",
    "Offer",
    "Offers",
    "Rpm",
    "notices_of",
    "read_rpms",
    "rpm_faults",
    "rpm_unmet",
    "split_nevra",
]

TWICE = "installed in two versions at once, as a transaction that was cut short leaves it"
"""What is wrong with a package that should be there once."""

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


class Rpm(NamedTuple):
    """One row of `rpm -qa`, as the scripts ask for it.

    Attributes:
        key: name and architecture.
        superseded: a newer version of it is installed beside it, as kernels are.
    """

    key: Key
    version: str
    epoch: str
    upstream: str
    release: str
    source: str
    installed_at: str
    superseded: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.key[0]


def read_rpms(lines: Iterable[str]) -> tuple[list[Rpm], int]:
    """Read `rpm -qa`, sorted by name, and how many lines could not be read. Keys of packagers are left out."""
    found: list[Rpm] = []
    unread = 0
    for line in lines:
        fields = line.split("\t")
        if len(fields) != _FIELDS:
            unread += bool(line.strip())
            continue
        name, epoch, version, release, arch, installed, source = fields
        if name != "gpg-pubkey":
            text = evr(epoch, version, release)
            stem = source.removesuffix(".src.rpm").rsplit("-", 2)[0] if source != "(none)" else name
            key = (name, "" if arch == "(none)" else arch)
            found.append(Rpm(key, text, epoch, version, release, stem, installed))
    return _with_superseded(sorted(found)), unread


def _with_superseded(rpms: list[Rpm]) -> list[Rpm]:
    """Mark older versions of what is installed more than once."""
    newest: dict[Key, str] = {}
    for rpm in rpms:
        known = newest.setdefault(rpm.key, rpm.version)
        if known != rpm.version and rpm_version_key(rpm.version) > rpm_version_key(known):
            newest[rpm.key] = rpm.version
    if len(newest) == len(rpms):
        return rpms
    return [rpm if newest[rpm.key] == rpm.version else rpm._replace(superseded=True) for rpm in rpms]


@lru_cache(maxsize=65536)  # a fleet's hosts are told the same advisories over and over
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
    found: dict[Key, list[tuple[str, Advisory]]] = {}
    for nevra, advisory in told:
        parts = split_nevra(nevra)
        if parts is None:
            continue
        listed = found.setdefault(parts[0], [])
        if (parts[1], advisory) not in listed:
            listed.append((parts[1], advisory))
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

    def installed(
        self, rpm: Rpm, *, repository: str = "", origins: tuple[Origin, ...] = (), broken: str = ""
    ) -> InstalledPackage:
        """Return an installed package, with the advisories that name its version."""
        advisories = tuple(
            advisory
            for version, advisory in self.notices.get(rpm.key, ())
            if version == rpm.version or rpm_version_key(version) == rpm_version_key(rpm.version)
        )
        return InstalledPackage(
            name=rpm.key[0],
            arch=rpm.key[1],
            version=rpm.version,
            epoch=rpm.epoch if rpm.epoch.strip("0") else "",
            upstream=rpm.upstream,
            release=rpm.release,
            source=rpm.source,
            broken=broken,
            origins=origins,
            repository=repository,
            security=any(advisory.classification == "security" for advisory in advisories),
            advisories=advisories,
            installed_at=moment(rpm.installed_at),
            superseded=rpm.superseded,
        )

    def update(self, package: Rpm) -> AvailableUpdate | None:
        """Return what could take a package's place; None if it is as new as can be had."""
        if package.superseded or not (package.key in self._by_package or package.key in self.notices):
            return None  # nine of ten
        now = rpm_version_key(package.version)
        versions = self._offered(package, now)
        for text, advisory in self.notices.get(package.key, ()):
            if rpm_version_key(text) > now:
                _attach(versions, text, advisory)
        if not versions:
            return None
        candidate = self.candidates.get(package.key, "")
        return AvailableUpdate(
            name=package.key[0],
            arch=package.key[1],
            installed=package.version,
            candidate=candidate if candidate and rpm_version_key(candidate) > now else "",
            versions=tuple(sorted(versions, key=lambda v: rpm_version_key(v.version), reverse=True)),
        )

    def _offered(self, package: Rpm, now: RpmVersionKey) -> list[AvailableVersion]:
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


def rpm_faults(section: Section) -> tuple[Fault, ...]:
    """Say that rpm cannot read its own database, if it cannot.

    Args:
        section: `rpm -qa`.
    """
    bad = [line.removeprefix("error: ") for line in section.errors.splitlines() if line.startswith("error: ")]
    if not bad:
        return ()
    return (Fault(what=f"rpm cannot read its database ({bad[-1]})", mend="rpm --rebuilddb"),)


def rpm_unmet(section: Section) -> tuple[str, ...]:
    """Return what installed packages need and do not have.

    Args:
        section: `rpm -Va --nofiles`.
    """
    lines = (line.strip() for line in section.lines if line.startswith("\t"))
    return tuple(line.replace("(installed) ", "") for line in lines if " is needed by " in line)
