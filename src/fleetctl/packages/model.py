"""What is known of a host's packages, in words that hold for every package manager.

Versions are the manager's own full text (`1:2.0-1+deb12u1`, `0:1.0-2.el9`, `1.2-r0`); only the manager's `version_key` orders them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

__all__ = [
    "Advisory",
    "AvailableUpdate",
    "AvailableVersion",
    "Fault",
    "Hold",
    "HostFacts",
    "InstalledPackage",
    "Origin",
    "PackageState",
    "RebootVerdict",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a version can be had.

    Attributes:
        repository: as the manager names it: apt's `bookworm-security/main`, dnf's repository id, zypper's alias.
        origin, label, suite, codename, component: of an apt Release file (`o=`, `l=`, `a=`, `n=`, `c=`).
        site: host name of the source.
        security: whether it is the vendor's security pocket.
    """

    repository: str
    origin: str = ""
    label: str = ""
    suite: str = ""
    codename: str = ""
    component: str = ""
    site: str = ""
    url: str = ""
    security: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """A vendor's notice that a version answers (`updateinfo.xml`; apt has none).

    Attributes:
        classification: the vendor's word: `security`, `bugfix`, `enhancement`, `recommended`.
        severity: the vendor's word (`Critical`, `Important`); empty if it gives none.
        issued: aware UTC; SSM counts approval delays from it.
        reboot: whether the vendor says that it needs a reboot.
    """

    id: str
    classification: str = ""
    severity: str = ""
    cve_ids: tuple[str, ...] = ()
    bugzilla_ids: tuple[str, ...] = ()
    issued: datetime | None = None
    reboot: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackage:
    """One package on a host.

    Attributes:
        version: full text; `epoch`, `upstream` (SSM: Version) and `release` are its parts.
        source: name of the source package; the same as `name` where the manager knows no other.
        source_version: of the source package; empty where it is `version`, or not known.
        status: the manager's own word (dpkg's `ii`, `iF`); empty where there is none.
        broken: why it is not properly installed; empty if it is.
        origins: where the installed version can be had now; empty if nowhere (local, or superseded).
        repository: it was installed from, where the manager remembers; `origins` is where it can be had today.
        security: whether the vendor's security pocket offers the installed version, or a security advisory names it.
        advisories: that the installed version answers, where the manager knows.
        installed_at: aware UTC, where the manager knows.
        superseded: a newer version is installed beside it (kernels): nobody should judge this one.
    """

    name: str
    version: str
    arch: str = ""
    epoch: str = ""
    upstream: str = ""
    release: str = ""
    source: str = ""
    source_version: str = ""
    section: str = ""
    priority: str = ""
    status: str = ""
    broken: str = ""
    origins: tuple[Origin, ...] = ()
    repository: str = ""
    security: bool = False
    advisories: tuple[Advisory, ...] = ()
    installed_at: datetime | None = None
    superseded: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Name and architecture: what tells it from every other package of the host that is not superseded."""
        return self.name, self.arch


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableVersion:
    """A version newer than the installed one.

    Attributes:
        security: it comes from the vendor's security pocket, or a security advisory names it.
        pin: the manager's preference for it, where it has one (apt's pin priority).
        phased: percentage of hosts that are offered it now (Ubuntu's phased updates), or None.
        date: when the vendor published it, aware UTC, where known.
        size: bytes to download, where known.
    """

    version: str
    origins: tuple[Origin, ...] = ()
    security: bool = False
    pin: int | None = None
    phased: int | None = None
    advisories: tuple[Advisory, ...] = ()
    date: datetime | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableUpdate:
    """An installed package for which there are newer versions.

    Attributes:
        installed: version on the host.
        candidate: what the manager itself would choose; empty if it would not move.
        versions: every newer version, the newest first.
        held: why the manager will not move it (`hold`, `versionlock`, `exclude`, `pin`); empty if it will.
        kept_back: the manager's own upgrade leaves it as it is (dependencies, phasing).
    """

    name: str
    arch: str
    installed: str
    candidate: str = ""
    versions: tuple[AvailableVersion, ...] = ()
    held: str = ""
    kept_back: bool = False
    section: str = ""
    priority: str = ""

    @property
    def security_fix(self) -> AvailableVersion | None:
        """The newest version from the security pocket, however well hidden by newer builds, pins or holds."""
        return next((version for version in self.versions if version.security), None)

    @property
    def security(self) -> bool:
        """Whether a security fix is available."""
        return self.security_fix is not None

    @property
    def shadowed(self) -> bool:
        """Whether judging by the candidate alone would miss the security fix."""
        fix = self.security_fix
        return fix is not None and fix.version != self.candidate

    @property
    def advisory_ids(self) -> tuple[str, ...]:
        """Advisories of all newer versions, without repeats."""
        return _unique(advisory.id for version in self.versions for advisory in version.advisories)

    @property
    def cve_ids(self) -> tuple[str, ...]:
        """CVEs that the newer versions close, as far as advisories say."""
        return _unique(
            cve for version in self.versions for advisory in version.advisories for cve in advisory.cve_ids
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A rule on the host that keeps a package where it is.

    Attributes:
        name: of the package, or the pattern that the rule is written as.
        kind: `hold`, `pin`, `versionlock`, `exclude`, `include` (nothing but this), `lock`, `ignore`.
    """

    name: str
    kind: str
    arch: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in a host's package database that is broken or was left half done.

    Attributes:
        what: is wrong, in one sentence.
        mend: the command line that root should run; empty if no single one does it.
        packages: that it is about, as far as known.
    """

    what: str
    mend: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootVerdict:
    """Whether the host waits for a reboot, and who says so.

    Attributes:
        needed: None if it cannot be told.
        packages: that asked for it.
        reasons: one sentence each.
    """

    needed: bool | None = None
    packages: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a host is; empty where it did not say.

    Attributes:
        os_id, os_like, version_id, codename, pretty_name: of os-release.
        kernel, kernel_build: `uname -r`, `uname -v`.
        time: the host's own clock, aware UTC.
        root: whether it was asked as root.
    """

    os_id: str = ""
    os_like: tuple[str, ...] = ()
    version_id: str = ""
    codename: str = ""
    pretty_name: str = ""
    kernel: str = ""
    kernel_build: str = ""
    machine: str = ""
    node: str = ""
    boot_id: str = ""
    uptime_seconds: int | None = None
    virtualisation: str = ""
    time: datetime | None = None
    root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageState:
    """All that one look at a host's packages has told.

    Attributes:
        manager: entry point name (`apt`); empty if the host has none that is known.
        holds: rules that keep packages back, whether or not there is an update.
        services: that still run old code.
        faults: what is broken or half done; the host can be judged all the same.
        metadata_time: when the package lists were last refreshed, aware UTC; of several lists, the one that is most out of date.
        blind: why nothing on the host tells security updates from others; empty if something does. Such a state can only be judged by a
            baseline that asks for every update.
        errors: why this state must not be judged; each names what failed.
        warnings: what a reader should know.
        unseen: what was not visible, for lack of rights or of a tool.
    """

    manager: str
    facts: HostFacts = field(default_factory=HostFacts)
    installed: tuple[InstalledPackage, ...] = ()
    updates: tuple[AvailableUpdate, ...] = ()
    holds: tuple[Hold, ...] = ()
    reboot: RebootVerdict = field(default_factory=RebootVerdict)
    services: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    metadata_time: datetime | None = None
    blind: str = ""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[InstalledPackage, ...]:
        """Packages that are not properly installed."""
        return tuple(package for package in self.installed if package.broken)

    @property
    def metadata_age_seconds(self) -> int | None:
        """Age of the package lists by the host's own clock, never below 0; None if unknown."""
        if self.metadata_time is None or self.facts.time is None:
            return None
        return max(0, int((self.facts.time - self.metadata_time).total_seconds()))


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
