"""What is installed on the hosts that are no Debian, and what their repository offers.

The tables of `lab.catalogue` for rpm and pacman: the same parts are played under the same names, and the families add
traps of their own. Tests compare fleetctl's answers with these tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lab.advisories import ADVISORIES

__all__ = ["DNF", "FAMILIES", "PACKAGES", "RPM", "Package", "Release", "packages", "updates"]

#: Kinds of hosts, and how each packs its packages.
FAMILIES: Final = {"rocky": "rpm", "fedora": "rpm", "suse": "rpm", "arch": "pacman"}
ALL: Final = frozenset(FAMILIES)
RPM: Final = frozenset({"rocky", "fedora", "suse"})
DNF: Final = frozenset({"rocky", "fedora"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a package.

    Attributes:
        version: `[EPOCH:]VERSION-RELEASE`.
        advisory: name of the advisory that brought it; empty means none.
        requires: names of packages that it needs.
        before: body of the script that runs before it is installed or updated.
        after: body of the script that runs after it was.
        conffile: content of `/etc/NAME.conf`; empty means it has none.
    """

    version: str
    advisory: str = ""
    requires: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    conffile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package.

    Attributes:
        why: what it stands for.
        on: the kinds of hosts that know it.
        installed: the version on a fresh host; None means it is not installed.
        offers: newer versions in the repository, oldest first.
        later: the only version that a mirror has which moved on (`mirror_fault("moved-on")`).
        held: dnf: versionlock; zypper: addlock; pacman: IgnorePkg.
        excluded: named in `excludepkgs=` of dnf.conf.
        edited: its conffile was changed on the host.
        service: it brings a service, `NAME.service`, which runs from boot on and which no update restarts.
        provides: what else it is.
    """

    name: str
    why: str
    on: frozenset[str] = ALL
    installed: Release | None = None
    offers: tuple[Release, ...] = ()
    later: Release | None = None
    held: bool = False
    excluded: bool = False
    edited: bool = False
    service: bool = False
    provides: tuple[str, ...] = ()

    @property
    def releases(self) -> tuple[Release, ...]:
        """All versions in the repository, oldest first; a host's own is among them."""
        return (*((self.installed,) if self.installed else ()), *self.offers)

    @property
    def candidate(self) -> str:
        """The newest version that the repository offers."""
        return self.releases[-1].version

    @property
    def security(self) -> str:
        """The newest version that a security advisory brought, or an empty string."""
        found = [
            offer.version
            for offer in self.offers
            if offer.advisory and ADVISORIES[offer.advisory].kind == "security"
        ]
        return found[-1] if found else ""


def packages(kind: str) -> tuple[Package, ...]:
    """The packages that a kind of host knows."""
    return tuple(package for package in PACKAGES if kind in package.on)


def updates(kind: str) -> dict[str, tuple[str, str]]:
    """Installed version and candidate of everything that a newer version exists of, held and excluded ones included."""
    return {
        package.name: (package.installed.version, package.candidate)
        for package in packages(kind)
        if package.installed and package.offers
    }


FIRST: Final = Release(version="1.0-1")
FAILS: Final = 'echo "{}: this script fails on purpose" >&2\nexit 1\n'
#: Runs for as long as `/run/fl-slow` says, in seconds, and shows with `/run/fl-slow.on` that it does.
SLEEPS: Final = """\
touch /run/fl-slow.on
sleep "$(cat /run/fl-slow 2>/dev/null || echo 0)" || true
rm -f /run/fl-slow.on
"""


def _kernel(
    name: str, first: str, second: str, *, kind: frozenset[str], provides: tuple[str, ...] = ()
) -> Package:
    return Package(
        name=name,
        why="the distribution's kernel, a dummy: several versions are installed side by side where the family does so",
        on=kind,
        installed=Release(version=first),
        offers=(Release(version=second, advisory="FLSA-2024:0002"),),
        provides=provides,
    )


PACKAGES: Final = (
    Package(
        name="fl-app",
        why="a plain bug fix",
        installed=FIRST,
        offers=(Release(version="1.1-1", advisory="FLBA-2024:0005"),),
        later=Release(version="1.2-1", advisory="FLBA-2024:0011"),
    ),
    Package(
        name="fl-lib",
        why="a security fix",
        installed=FIRST,
        offers=(Release(version="1.0-2", advisory="FLSA-2024:0001"),),
        later=Release(version="1.0-3", advisory="FLSA-2024:0012"),
    ),
    Package(
        name="fl-kernel",
        why="a security fix that asks for a reboot",
        installed=FIRST,
        offers=(Release(version="1.0-2", advisory="FLSA-2024:0002"),),
        # `dnf needs-restarting -r` knows a list of names, zypper this hint; the name `kernel` would make it installonly.
        provides=("linux-firmware", "installhint(reboot-needed)"),
    ),
    _kernel("kernel", "5.14.0-1", "5.14.0-2", kind=DNF),
    _kernel(
        "kernel-default",
        "6.4.0-1",
        "6.4.0-2",
        kind=frozenset({"suse"}),
        provides=("multiversion(kernel)", "installhint(reboot-needed)"),
    ),
    _kernel("linux", "6.6.1.arch1-1", "6.6.2.arch1-1", kind=frozenset({"arch"})),
    Package(
        name="fl-held",
        why="held, and its security fix is hidden behind a newer bug fix",
        installed=FIRST,
        offers=(
            Release(version="1.0-2", advisory="FLSA-2024:0003"),
            Release(version="1.1-1", advisory="FLBA-2024:0006"),
        ),
        held=True,
    ),
    Package(
        name="fl-shadow",
        why="its security fix is hidden behind a newer bug fix",
        installed=FIRST,
        offers=(
            Release(version="1.0-2", advisory="FLSA-2024:0003"),
            Release(version="1.1-1", advisory="FLBA-2024:0006"),
        ),
    ),
    Package(
        name="fl-excluded",
        why="a security fix that the host's configuration hides, advisory and all",
        on=DNF,
        installed=FIRST,
        offers=(Release(version="1.0-2", advisory="FLSA-2024:0007"),),
        excluded=True,
    ),
    Package(
        name="fl-broken",
        why="a security fix whose post-install script fails: rpm and pacman keep it installed all the same",
        installed=FIRST,
        offers=(Release(version="2.0-1", advisory="FLSA-2024:0004", after=FAILS.format("fl-broken")),),
    ),
    Package(
        name="fl-conf",
        why="its conffile changed upstream and on the host, which keeps its own; no advisory speaks of the update",
        installed=Release(version="1.0-1", conffile="value=1\n"),
        offers=(Release(version="2.0-1", conffile="value=2\n"),),
        edited=True,
    ),
    Package(
        name="fl-needs",
        why="the update needs a package that is not there",
        installed=FIRST,
        offers=(Release(version="1.1-1", requires=("fl-newdep",)),),
    ),
    Package(name="fl-newdep", why="only wanted by the update of fl-needs", offers=(FIRST,)),
    Package(
        name="fl-epoch",
        why="an epoch makes a smaller number newer",
        installed=Release(version="5.0-1"),
        offers=(Release(version="1:1.0-1", advisory="FLEA-2024:0010"),),
    ),
    Package(
        name="fl-tilde",
        why="a `~` version is older than the version without it",
        on=RPM,
        installed=Release(version="2.0~rc1-1"),
        offers=(Release(version="2.0-1"),),
    ),
    Package(
        name="fl-tilde",
        why="pacman has no `~`: letters make a version older",
        on=frozenset({"arch"}),
        installed=Release(version="2.0rc1-1"),
        offers=(Release(version="2.0-1"),),
    ),
    Package(
        name="fl-daemon",
        why="a security fix of a service that keeps running its old program until it is restarted",
        installed=FIRST,
        offers=(Release(version="1.0-2", advisory="FLSA-2024:0008"),),
        service=True,
    ),
    Package(
        name="fl-manager",
        why="plays the package manager: zypper installs its patch first and alone, and exits 103",
        on=frozenset({"suse"}),
        installed=FIRST,
        offers=(Release(version="1.0-2", advisory="FLBA-2024:0009"),),
    ),
    Package(
        name="fl-same",
        why="nothing newer is there",
        installed=FIRST,
        provides=("/bin/sh",),  # rpm wants a package for whatever runs a package's scripts
    ),
    Package(
        name="fl-refuses",
        why="not installed; install 1.0-1 and you have an update whose script refuses it before anything happens",
        on=RPM,
        offers=(FIRST, Release(version="2.0-1", before=FAILS.format("fl-refuses"))),
    ),
    Package(
        name="fl-slow",
        why="not installed; while its script sleeps, the package manager holds its locks",
        offers=(Release(version="1.0-1", after=SLEEPS),),
    ),
)
