"""How packages and hosts stand to one CVE, and by whose word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fleetctl.patch.cve_host import HostView, Installed
from fleetctl.patch.cve_match import Standing
from fleetctl.patch.cve_update import Offer

__all__ = ["ADVISORIES", "HostStanding", "PackageStanding", "Verdict", "worst_of_packages"]

ADVISORIES: Final = "host-advisories"
"""Name of the source that the host's own package lists are."""

# Of several sources about one package, and of several packages of one host, the worst counts. What one source says for certain
# outweighs that another does not know; of a host, a package of which nobody knows outweighs one that is mended.
_OF_SOURCES: Final = (Standing.AFFECTED, Standing.FIXED, Standing.UNKNOWN, Standing.NOT_AFFECTED)
_OF_PACKAGES: Final = (Standing.AFFECTED, Standing.UNKNOWN, Standing.FIXED, Standing.NOT_AFFECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one source says about one package.

    Attributes:
        source: title of the feed, or `host-advisories`.
        dated: of the feed's content, or of the scan.
        fixed: the version that mends, or did.
        advisory: the vendor's notice.
        severity: as the feed words it.
        note: of the feed.
    """

    source: str
    dated: datetime
    standing: Standing
    fixed: str = ""
    advisory: str = ""
    severity: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageStanding:
    """How one package of a host stands.

    Attributes:
        name: of the source package where feeds name these.
        packages: installed, that it is about.
        version: on the host, in the form that feeds compare.
        verdicts: of all sources.
        offer: the update that mends it; None where it is not affected, or none can be had.
        note: what a reader should know.
    """

    name: str
    packages: tuple[Installed, ...]
    version: str
    verdicts: tuple[Verdict, ...]
    offer: Offer | None = None
    note: str = ""

    @property
    def standing(self) -> Standing:
        """The worst that a source says."""
        return _worst((verdict.standing for verdict in self.verdicts), _OF_SOURCES)

    @property
    def fixed(self) -> str:
        """The version that mends it, by the source that decided; empty where there is none."""
        told = [verdict.fixed for verdict in self.verdicts if verdict.standing is self.standing]
        return next((text for text in told if text), "")

    @property
    def disagree(self) -> bool:
        """Whether sources contradict one another."""
        return len({verdict.standing for verdict in self.verdicts} - {Standing.UNKNOWN}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStanding:
    """How one host stands.

    Attributes:
        view: what it was judged by, in brief.
        packages: that any source names.
        reason: why, where no package says it.
    """

    view: HostView
    packages: tuple[PackageStanding, ...] = ()
    standing: Standing = Standing.UNKNOWN
    reason: str = ""


def worst_of_packages(packages: Iterable[PackageStanding]) -> Standing:
    """Return how a host stands of which at least one package is named."""
    return _worst((package.standing for package in packages), _OF_PACKAGES)


def _worst(told: Iterable[Standing], order: Sequence[Standing]) -> Standing:
    return min(told, key=order.index)
