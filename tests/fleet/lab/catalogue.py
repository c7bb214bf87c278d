"""What is installed on the Debian hosts of the fleet, and what their repository offers.

Tests compare fleetctl's answers with these tables, so each package stands for one trap of patch management.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["EXTRAS", "LATER", "PACKAGES", "SUITES", "Package", "Release"]

SUITES: Final = {"deb12": "bookworm", "deb13": "trixie"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a package.

    Attributes:
        version: `{u}` stands for the suffix of the suite, such as `+deb12u1`.
        security: published in the suite `SUITE-security`, whose label is `Debian-Security`.
        urgency: as its changelog says.
        change: text of its changelog entry.
        depends: its Depends field.
        postinst: body of its post-install script; empty means it has none.
        conffile: content of `/etc/NAME.conf`; empty means it has none.
    """

    version: str
    security: bool = False
    urgency: str = "low"
    change: str = "Initial release."
    depends: str = ""
    postinst: str = ""
    conffile: str = ""

    def on(self, suite: str) -> str:
        """Its version in a suite."""
        return self.version.format(u={"bookworm": "+deb12u1", "trixie": "+deb13u1"}[suite])


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package.

    Attributes:
        why: what it stands for.
        installed: the version on a fresh host; None means it is not installed.
        offers: newer versions in the repository, oldest first; the last one is apt's candidate.
        held: `apt-mark hold` was said.
        edited: its conffile was changed on the host.
    """

    name: str
    why: str
    installed: Release | None = None
    offers: tuple[Release, ...] = ()
    held: bool = False
    edited: bool = False

    def candidate(self, suite: str) -> str:
        """The version that `apt-cache policy` calls the candidate."""
        best = self.offers[-1] if self.offers else self.installed
        assert best
        return best.on(suite)

    def security(self, suite: str) -> str:
        """The newest version that the security suite offers, or an empty string."""
        return next((offer.on(suite) for offer in reversed(self.offers) if offer.security), "")


ASK_REBOOT = """
if [ "$1" = configure ] && [ -n "$2" ]; then
  echo '*** System restart required ***' > /run/reboot-required
  echo fl-kernel >> /run/reboot-required.pkgs
fi
"""
FIRST = Release(version="1.0-1")
PACKAGES: Final = (
    Package(
        name="fl-app",
        why="a plain bug fix",
        installed=FIRST,
        offers=(Release(version="1.1-1", urgency="medium", change="Bug fix only."),),
    ),
    Package(
        name="fl-lib",
        why="a security fix",
        installed=FIRST,
        offers=(
            Release(
                version="1.0-1{u}",
                security=True,
                urgency="high",
                change="SECURITY: CVE-2024-0001: heap overflow.",
            ),
        ),
    ),
    Package(
        name="fl-kernel",
        why="a security fix that asks for a reboot",
        installed=FIRST,
        offers=(
            Release(
                version="1.0-1{u}",
                security=True,
                urgency="high",
                change="SECURITY: CVE-2024-0002: needs a reboot.",
                postinst=ASK_REBOOT,
            ),
        ),
    ),
    Package(
        name="fl-held",
        why="held, and its security fix is hidden behind a newer bug fix: the candidate is not a security update",
        installed=FIRST,
        offers=(
            Release(version="1.0-1{u}", security=True, urgency="high", change="SECURITY: CVE-2024-0003."),
            Release(version="1.1-1", change="Bug fix only."),
        ),
        held=True,
    ),
    Package(
        name="fl-broken",
        why="a security fix whose post-install script fails",
        installed=FIRST,
        offers=(
            Release(
                version="2.0-1",
                security=True,
                urgency="high",
                change="SECURITY: CVE-2024-0004, but its postinst fails.",
                postinst='echo "fl-broken: postinst fails on purpose" >&2\nexit 1\n',
            ),
        ),
    ),
    Package(
        name="fl-conf",
        why="its conffile changed upstream and on the host: dpkg would ask",
        installed=Release(version="1.0-1", conffile="value=1\n"),
        offers=(Release(version="2.0-1", change="New default.", conffile="value=2\n"),),
        edited=True,
    ),
    Package(
        name="fl-needs",
        why="the update needs a package that is not there: `apt-get upgrade` keeps it back",
        installed=FIRST,
        offers=(Release(version="1.1-1", change="Needs fl-newdep.", depends="fl-newdep"),),
    ),
    Package(name="fl-newdep", why="only wanted by the update of fl-needs", offers=(FIRST,)),
    Package(
        name="fl-epoch",
        why="an epoch makes a smaller number newer",
        installed=Release(version="5.0-1"),
        offers=(Release(version="1:1.0-1", change="Upstream began to count anew."),),
    ),
    Package(
        name="fl-tilde",
        why="a `~` version is older than the version without it",
        installed=Release(version="2.0~rc1-1"),
        offers=(Release(version="2.0-1", change="The real thing."),),
    ),
    Package(name="fl-same", why="nothing newer is there", installed=FIRST),
)
#: Not installed; while its script sleeps, apt and dpkg hold their locks. `lab.locks` uses it.
SLEEPS = """
touch /run/fl-slow.on
sleep "$(cat /run/fl-slow 2>/dev/null || echo 0)" || true
rm -f /run/fl-slow.on
"""
EXTRAS: Final = (
    Package(
        name="fl-slow",
        why="takes as long to install as it is told",
        offers=(Release(version="1.0-1", postinst=SLEEPS),),
    ),
)
#: The only versions that a mirror has which moved on (`Machine.mirror_fault("moved-on")`).
LATER: Final = {
    "fl-app": Release(version="1.2-1", urgency="medium", change="Another bug fix."),
    "fl-lib": Release(
        version="1.0-1{u}.1",
        security=True,
        urgency="high",
        change="SECURITY: CVE-2024-0012: the fix was not complete.",
    ),
}
