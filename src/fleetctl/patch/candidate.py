"""One version of one package, as the filters of a baseline see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from fleetctl.packages.model import Advisory, AvailableUpdate, AvailableVersion, HostFacts, InstalledPackage
from fleetctl.patch.baseline import FilterKey

__all__ = ["Candidate", "version_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One version of one package, as filters see it: every value is text, and a key may have several.

    Attributes:
        present: it is the installed one.
    """

    name: str
    arch: str
    version: str
    security: bool
    section: str = ""
    priority: str = ""
    product: str = ""
    repositories: tuple[str, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    date: datetime | None = None
    present: bool = False

    @classmethod
    def newer(cls, update: AvailableUpdate, version: AvailableVersion, facts: HostFacts) -> Candidate:
        """See a version that could be installed."""
        return cls(
            name=update.name,
            arch=update.arch,
            version=version.version,
            security=version.security,
            section=update.section,
            priority=update.priority,
            product=_product(facts),
            repositories=tuple(origin.repository for origin in version.origins),
            advisories=version.advisories,
            date=version.date,
        )

    @classmethod
    def installed(cls, package: InstalledPackage, facts: HostFacts) -> Candidate:
        """See the version that is installed."""
        return cls(
            name=package.name,
            arch=package.arch,
            version=package.version,
            security=package.security,
            section=package.section,
            priority=package.priority,
            product=_product(facts),
            repositories=_repositories(package),
            advisories=package.advisories,
            present=True,
        )

    def values(self, key: FilterKey) -> tuple[str, ...]:
        """Return what a filter of that key is compared with."""
        return _VALUES[key](self)

    def names(self) -> tuple[str, ...]:
        """Return all that lists of patches may call it.

        SSM: "Package name formats for approved and rejected patch lists": the name, parts of its NEVRA in eleven forms, the ids of its
        advisories, their CVEs and bugs. Digits alone are always a bug's number. `name=version` is apt's own form.
        """
        told = (name for notice in self.notices() for name in notice)
        return (*version_names(self.name, self.arch, self.version), *told)

    def notices(self) -> Iterator[tuple[str, ...]]:
        """Yield what each of its advisories is called: its id, its CVEs and bugs."""
        for advisory in self.advisories:
            yield advisory.id, *advisory.cve_ids, *advisory.bugzilla_ids

    def released(self) -> datetime | None:
        """Return when the vendor published it: by the newest of its advisories, else by the version's own date (SSM: build time)."""
        dates = [advisory.issued for advisory in self.advisories if advisory.issued]
        return max(dates) if dates else self.date


def version_names(name: str, arch: str, version: str) -> tuple[str, ...]:
    """Return all forms of a version that need no advisory; see `Candidate.names`."""
    epoch, colon, rest = version.partition(":")
    epoch, rest = (epoch, rest) if colon and epoch.isdigit() else ("0", version)
    upstream, dash, _ = rest.rpartition("-")
    bare = {upstream if dash else rest, rest, f"{epoch}:{rest}"}
    return (
        name,
        f"{name}.{arch}",
        f"{name}={version}",
        *(f"{name}-{text}" for text in bare),
        *(text for text in bare if not text.isdecimal()),
        f"{name}-{rest}.{arch}",
        f"{name}-{epoch}:{rest}.{arch}",
        f"{epoch}:{name}-{rest}.{arch}",
        f"{name}.{arch}:{epoch}:{rest}",
        f"{name}.{arch}:{rest}",
    )


def _repositories(package: InstalledPackage) -> tuple[str, ...]:
    """Return where an installed version can be had, and where it came from."""
    if not package.origins:
        return (package.repository,) if package.repository else ()
    told = (*(origin.repository for origin in package.origins), package.repository)
    return tuple(dict.fromkeys(name for name in told if name))


# SSM's words where they are not os-release's ID with a capital.
_PRODUCTS: Final = {
    "amzn": "AmazonLinux",
    "rhel": "RedhatEnterpriseLinux",
    "rocky": "RockyLinux",
    "almalinux": "AlmaLinux",
    "ol": "OracleLinux",
    "centos": "CentOS",
    "sles": "Suse",
    "opensuse-leap": "Suse",
    "opensuse-tumbleweed": "Suse",
}


def _product(facts: HostFacts) -> str:
    """Return SSM's PRODUCT: `Debian12`, `Ubuntu22.04`, `RockyLinux9.4`."""
    return _product_of(facts.os_id, facts.version_id)


@lru_cache(maxsize=256)
def _product_of(os_id: str, version_id: str) -> str:
    return f"{_PRODUCTS.get(os_id, os_id.capitalize())}{version_id}"


def _classification(candidate: Candidate) -> tuple[str, ...]:
    """Return the vendor's words; where it has none (apt), what the pocket says."""
    told = tuple([advisory.classification for advisory in candidate.advisories if advisory.classification])
    return told or ("security" if candidate.security else "other",)


_VALUES: Final[dict[FilterKey, Callable[[Candidate], tuple[str, ...]]]] = {
    FilterKey.ADVISORY_ID: lambda c: tuple([advisory.id for advisory in c.advisories]),
    FilterKey.ARCH: lambda c: (c.arch,),
    FilterKey.BUGZILLA_ID: lambda c: tuple(
        [bug for advisory in c.advisories for bug in advisory.bugzilla_ids]
    ),
    FilterKey.CLASSIFICATION: _classification,
    FilterKey.CVE_ID: lambda c: tuple([cve for advisory in c.advisories for cve in advisory.cve_ids]),
    FilterKey.EPOCH: lambda c: (c.version.partition(":")[0] if ":" in c.version else "0",),
    FilterKey.MSRC_SEVERITY: lambda _: (),
    FilterKey.NAME: lambda c: (c.name,),
    FilterKey.PATCH_ID: lambda c: (c.name,),
    FilterKey.PATCH_SET: lambda _: (),
    FilterKey.PRIORITY: lambda c: (c.priority,),
    FilterKey.PRODUCT: lambda c: (c.product,),
    FilterKey.PRODUCT_FAMILY: lambda _: (),
    FilterKey.RELEASE: lambda c: (c.version.rpartition("-")[2] if "-" in c.version else "",),
    FilterKey.REPOSITORY: lambda c: c.repositories,
    FilterKey.SECTION: lambda c: (c.section,),
    FilterKey.SECURITY: lambda c: ("true" if c.security else "false",),
    FilterKey.SEVERITY: lambda c: tuple([advisory.severity for advisory in c.advisories]),
    FilterKey.VERSION: lambda c: (c.version,),
}
