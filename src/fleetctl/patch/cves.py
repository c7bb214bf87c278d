"""Which CVEs are open over a fleet, the most pressing first: exploited ones, then likely ones, then grave and common ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fleetctl.errors import NotFoundError
from fleetctl.feeds.ask import Asked
from fleetctl.feeds.importing import GROUP
from fleetctl.feeds.model import Exploited, Score
from fleetctl.feeds.severity import SEVERITIES, severity_word
from fleetctl.model import Host
from fleetctl.patch.cve import Known, of_own_release, views
from fleetctl.patch.cve_host import HostView, Matched
from fleetctl.patch.cve_match import Standing, VersionKey, judge
from fleetctl.patch.cve_standing import ADVISORIES
from fleetctl.spec.plugins import load

__all__ = ["Filter", "Open", "Ranking", "ranking"]

_UNIMPORTANT: Final = "unimportant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which open CVEs are listed.

    Attributes:
        exploited: only those that CISA's catalog lists.
        epss: only those at least this likely to be exploited; None does not ask.
        fixable: only those for which a host has an update.
        unimportant: also those that the vendor calls unimportant.
    """

    exploited: bool = False
    epss: float | None = None
    fixable: bool = False
    unimportant: bool = False


@dataclass(slots=True, kw_only=True)
class Open:
    """One CVE that is open on some hosts.

    Attributes:
        hosts: affected, in the fleet's order.
        updates: how many of them have an update for it.
        fix: whether any source knows a version that mends it.
    """

    cve: str
    severity: str = ""
    hosts: dict[str, bool] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    fix: bool = False
    exploited: Exploited | None = None
    score: Score | None = None

    @property
    def updates(self) -> int:
        """How many of its hosts have an update for all that is open there."""
        return sum(self.hosts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The open CVEs of a fleet.

    Attributes:
        cves: the most pressing first.
        hosts: how many were looked at.
        unimportant: how many were left out for being so.
        unknown: hosts of which it cannot be told, and why.
    """

    cves: tuple[Open, ...]
    hosts: int
    unimportant: int = 0
    unknown: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Finding:
    cve: str
    fixed: str
    severity: str
    source: str


@dataclass(frozen=True, slots=True)
class _Share:
    """Hosts that have the same version of a package: judged once. `newest` is the newest version that each could have."""

    findings: tuple[_Finding, ...]
    name: str
    key: VersionKey
    newest: dict[str, str] = field(default_factory=dict)


def ranking(hosts: Sequence[Host], known: Known, wanted: Filter) -> Ranking:
    """Return what is open on hosts.

    Args:
        hosts: of the inventory.
        known: what they are judged by.
        wanted: which of them are listed.

    Raises:
        NotFoundError: they are to be chosen by a feed that is not kept: an empty list would look like good news.
    """
    kept = {feed.kind for feed in known.asked.feeds}
    for kind, asked_for in (("kev", wanted.exploited), ("epss", wanted.epss is not None)):
        if asked_for and kind not in kept:
            raise NotFoundError(
                f"--{kind} asks for a feed that is not kept",
                hint=f"fetch {load(GROUP, kind).url}\nthen: fleetctl feeds import FILE",
            )
    gather = _Gather(known.asked)
    unknown = []
    for host, view in views(hosts, known):
        if why := gather.add(view):
            unknown.append((host.name, why))
    order = {host.name: place for place, host in enumerate(hosts)}
    found = gather.opened(order)
    exploited = known.asked.exploited()
    for one in found:
        one.exploited = exploited.get(one.cve)
        one.score = known.asked.score(one.cve)
    fitting = [one for one in found if _wanted(one, wanted)]
    listed = [one for one in fitting if wanted.unimportant or not _is_unimportant(one)]
    return Ranking(
        cves=tuple(sorted(listed, key=_place)),
        hosts=len(hosts),
        unimportant=len(fitting) - len(listed),
        unknown=tuple(sorted(unknown, key=lambda told: order[told[0]])),
    )


def _is_unimportant(one: Open) -> bool:
    return one.severity == _UNIMPORTANT and one.exploited is None


def _wanted(one: Open, wanted: Filter) -> bool:
    likely = wanted.epss is None or (one.score is not None and one.score.probability >= wanted.epss)
    return (
        likely
        and (one.exploited is not None or not wanted.exploited)
        and (one.updates > 0 or not wanted.fixable)
    )


def _place(one: Open) -> tuple[object, ...]:
    probability = one.score.probability if one.score else 0.0
    severity = SEVERITIES.index(one.severity)
    return (one.exploited is None, -probability, severity, -len(one.hosts), one.cve)


class _Gather:
    """Collects what is open; what hosts have in common is judged once."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._covered = [name for _, name in asked.ecosystems()]
        self._shares: dict[tuple[str, str, str, str], _Share] = {}

    def add(self, view: HostView) -> str:
        """Take a host in; return why it cannot be told of it, empty where it can."""
        if not view.installed:
            return view.trouble
        advised = self._advised(view)
        covered = view.releases is not None and any(map(view.releases.fullmatch, self._covered))
        if covered:
            newest = _newest(view)
            for name in view.names():
                if (matched := view.match(name)) is not None:
                    self._matched(view, matched, newest)
        if covered or advised:
            return ""
        return f"no feed is kept about {view.system or 'its system'}, and its own package lists name no CVE"

    def opened(self, order: dict[str, int]) -> list[Open]:
        """Return all CVEs that are open somewhere."""
        found: dict[str, Open] = {}
        for share in self._shares.values():
            for finding in share.findings:
                one = found.setdefault(finding.cve, Open(cve=finding.cve, severity=finding.severity))
                one.severity = min(one.severity, finding.severity, key=SEVERITIES.index)
                one.packages.add(share.name)
                one.sources.add(finding.source)
                one.fix = one.fix or bool(finding.fixed)
                for host, newest in share.newest.items():
                    mends = bool(finding.fixed and newest) and share.key(newest) >= share.key(finding.fixed)
                    one.hosts[host] = one.hosts.get(host, True) and mends
        for one in found.values():
            one.hosts = dict(sorted(one.hosts.items(), key=lambda told: order[told[0]]))
        return list(found.values())

    def _matched(self, view: HostView, matched: Matched, newest: Mapping[tuple[str, str], str]) -> None:
        pattern = view.releases.pattern if view.releases else ""
        at = (view.manager, pattern, matched.name, matched.version)
        if at not in self._shares:
            self._shares[at] = _Share(tuple(self._judged(view, matched)), matched.name, view.key)
        if not self._shares[at].findings:  # nine of ten
            return
        offered = [
            newest.get((package.name, package.arch), "")
            for package in matched.packages
            if not view.by_source or package.built_as_is
        ]
        self._shares[at].newest[view.host] = max(filter(None, offered), key=view.key, default="")

    def _judged(self, view: HostView, matched: Matched) -> Iterator[_Finding]:
        said = self._asked.about_package(matched.name)
        for cve, claims in said.items():
            for one in of_own_release(view, claims):
                told = judge(one.claim, matched.version, view.key)
                if told.standing is Standing.AFFECTED:
                    yield _Finding(cve, told.fixed, one.claim.severity, one.feed.title)

    def _advised(self, view: HostView) -> bool:
        """Take in what the host's own package lists say; tell whether they name any CVE."""
        look = view.look
        if look is None:
            return False
        for update in look.state.updates:
            version = view.version_of(update.name)
            for newer in update.versions:
                findings = tuple(
                    _Finding(cve, newer.version, severity_word(advisory.severity), ADVISORIES)
                    for advisory in newer.advisories
                    for cve in advisory.cve_ids
                )
                if findings and version and view.key(version) < view.key(newer.version):
                    at = (view.manager, ADVISORIES, f"{update.name}.{update.arch}", newer.version)
                    share = self._shares.setdefault(at, _Share(findings, update.name, view.key))
                    share.newest[view.host] = update.versions[0].version
        return any(
            advisory.cve_ids
            for advisories in (
                *(package.advisories for package in look.state.installed),
                *(version.advisories for update in look.state.updates for version in update.versions),
            )
            for advisory in advisories
        )


def _newest(view: HostView) -> dict[tuple[str, str], str]:
    """Return the newest version of each package that the host's repositories had when it was scanned last."""
    updates = view.look.state.updates if view.look is not None else ()
    return {(update.name, update.arch): update.versions[0].version for update in updates if update.versions}
