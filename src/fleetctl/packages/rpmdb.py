"""Read rpm's own database, and join it with what repositories and their advisories say: for dnf and zypper alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from fleetctl.packages.rpmversion import evr, rpm_version_key
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
_Told: TypeAlias = tuple[tuple[Advisory, ...], list[tuple[str, Advisory]]]

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
        text: name, epoch, version, release and architecture as rpm told them, with tabs between them.
        superseded: a newer version of it is installed beside it, as kernels are.
    """

    key: Key
    version: str
    epoch: str
    upstream: str
    release: str
    source: str
    installed_at: str
    text: str
    superseded: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.key[0]


def read_rpms(lines: Iterable[str]) -> tuple[list[Rpm], int]:
    """Read `rpm -qa`, sorted by name, and how many lines could not be read. Keys of packagers are left out."""
    found: list[Rpm] = []
    unread = 0
    for line in sorted(lines):
        fields = line.split("\t")
        if len(fields) != _FIELDS:
            unread += bool(line.strip())
            continue
        name, epoch, version, release, arch, installed, source = fields
        if name != "gpg-pubkey":
            stem = name if source == "(none)" else source.rsplit("-", 2)[0]
            key = (name, "" if arch == "(none)" else arch)
            text = line.rsplit("\t", 2)[0]
            found.append(
                Rpm(
                    key,
                    f"{version}-{release}" if epoch == "0" else evr(epoch, version, release),
                    epoch,
                    version,
                    release,
                    stem,
                    installed,
                    text,
                )
            )
    return _with_superseded(found), unread


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
    _sorted: dict[tuple[Key, str], _Told] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the offers by package."""
        for offer in self.offers:
            self._by_package.setdefault((offer.name, offer.arch), []).append(offer)

    def installed(
        self, rpm: Rpm, *, repository: str = "", origins: tuple[Origin, ...] = (), broken: str = ""
    ) -> InstalledPackage:
        """Return an installed package, with the advisories that name its version."""
        advisories = self._told(rpm)[0] if rpm.key in self.notices else ()
        return InstalledPackage(
            name=rpm.key[0],
            arch=rpm.key[1],
            version=rpm.version,
            epoch="" if rpm.epoch == "0" or not rpm.epoch.strip("0") else rpm.epoch,
            upstream=rpm.upstream,
            release=rpm.release,
            source=rpm.source,
            broken=broken,
            origins=origins,
            repository=repository,
            security=bool(advisories) and any(a.classification == "security" for a in advisories),
            advisories=advisories,
            installed_at=moment(rpm.installed_at),
            superseded=rpm.superseded,
        )

    def update(self, package: Rpm) -> AvailableUpdate | None:
        """Return what could take a package's place; None if it is as new as can be had."""
        offers = self._by_package.get(package.key, ())
        notices = self._told(package)[1] if package.key in self.notices else ()
        if package.superseded or not (offers or notices):
            return None  # nine of ten
        now = rpm_version_key(package.version)
        newer: dict[str, list[Offer]] = {}
        for offer in offers:
            if rpm_version_key(offer.version) > now:
                newer.setdefault(offer.version, []).append(offer)
        advised: dict[str, list[Advisory]] = {}
        for text, advisory in notices:
            advised.setdefault(_carrier(newer, text), []).append(advisory)
        if not newer:
            return None
        candidate = self.candidates.get(package.key, "")
        return AvailableUpdate(
            name=package.key[0],
            arch=package.key[1],
            installed=package.version,
            candidate=candidate if candidate and rpm_version_key(candidate) > now else "",
            versions=tuple(
                _available(text, newer[text], advised.get(text, ()))
                for text in sorted(newer, key=rpm_version_key, reverse=True)
            ),
        )

    def _told(self, rpm: Rpm) -> _Told:
        """Return the advisories of the version that is installed, and those of newer ones with what they name."""
        found = self._sorted.get((rpm.key, rpm.version))
        if found is None:
            now = rpm_version_key(rpm.version)
            same: list[Advisory] = []
            newer: list[tuple[str, Advisory]] = []
            for text, advisory in self.notices[rpm.key]:
                if text == rpm.version or (key := rpm_version_key(text)) == now:
                    same.append(advisory)
                elif key > now:
                    newer.append((text, advisory))
            found = self._sorted[rpm.key, rpm.version] = (tuple(same), newer)
        return found


def _carrier(newer: dict[str, list[Offer]], text: str) -> str:
    """Return the version that an advisory is put to: the one it names; where repositories no longer have that, the next newer one.

    Where nothing is as new as that, the version joins the others without any offer: it is missing, and cannot be had.
    """
    if text not in newer:
        wanted = rpm_version_key(text)
        good = [version for version in newer if rpm_version_key(version) >= wanted]
        if good:
            return min(good, key=rpm_version_key)
        newer[text] = []
    return text


def _available(version: str, offers: list[Offer], advisories: Sequence[Advisory]) -> AvailableVersion:
    return AvailableVersion(
        version=version,
        origins=tuple(_origin(offer.repository, offer.url) for offer in offers),
        security=any(advisory.classification == "security" for advisory in advisories),
        advisories=tuple(advisories),
        date=offers[0].date if offers else None,
        size=offers[0].size if offers else None,
    )


@lru_cache(maxsize=1024)
def _origin(repository: str, url: str) -> Origin:
    return Origin(repository=repository, url=url)


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
