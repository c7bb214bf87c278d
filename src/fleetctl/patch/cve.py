"""How the hosts of a fleet stand to one CVE, by all that is known of them and of it; no host is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fleetctl.feeds.ask import Asked, Said
from fleetctl.feeds.model import Feed
from fleetctl.inventory.choose import Snapshot
from fleetctl.model import Host
from fleetctl.patch.choose import Baselines
from fleetctl.patch.cve_advisories import advised
from fleetctl.patch.cve_host import HostView, Installed, view_of
from fleetctl.patch.cve_match import Judged, Standing, judge
from fleetctl.patch.cve_standing import HostStanding, PackageStanding, Verdict, worst_of_packages
from fleetctl.patch.cve_update import Offers
from fleetctl.patch.looks import earlier_looks, last_looks
from fleetctl.store.runs import Runs

__all__ = ["Known", "of_own_release", "standings", "views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that a fleet is judged by.

    Attributes:
        runs: the last scans are read from these.
        kept: inventories.
        asked: feeds.
        baselines: say what is approved.
        state_folder: where first-seen dates are kept.
        now: aware UTC.
    """

    runs: Runs
    kept: Snapshot
    asked: Asked
    baselines: Baselines
    state_folder: Path
    now: datetime


def views(hosts: Sequence[Host], known: Known) -> Iterator[tuple[Host, HostView]]:
    """Yield what is known of each host; those that were never scanned come last."""
    by_name = {host.name: host for host in hosts}
    for name, look in last_looks(known.runs, by_name):
        yield by_name.pop(name), view_of(name, look, known.kept)
    for name, host in by_name.items():
        yield host, view_of(name, None, known.kept)


def standings(cve: str, hosts: Sequence[Host], known: Known) -> list[HostStanding]:
    """Say how each host stands to a CVE, in the order of the hosts.

    Args:
        cve: its id.
        hosts: of the inventory.
        known: what they are judged by.
    """
    said = known.asked.about_cve(cve)
    covers = known.asked.ecosystems()
    told = {}
    for host, view in views(hosts, known):
        told[host.name] = _host(cve, view, said=said, covers=covers, offers=_offers(host, view, known))
    told |= _told_before(cve, [host for host in hosts if _may_have_told(told[host.name])], known)
    return [told[host.name] for host in hosts]


def _offers(host: Host, view: HostView, known: Known) -> Offers:
    return Offers(host, view, baselines=known.baselines, state_folder=known.state_folder, now=known.now)


def _may_have_told(told: HostStanding) -> bool:
    """Tell whether an earlier look could name what the last one does not: dnf names advisories that are installed without their CVEs."""
    silent = told.standing is Standing.UNKNOWN and not told.packages
    return silent and bool(told.view.manager) and not told.view.by_source


def _told_before(cve: str, hosts: Sequence[Host], known: Known) -> dict[str, HostStanding]:
    """Judge hosts by the advisories that they named at an earlier look, as long as a fix was missing there."""
    by_name = {host.name: host for host in hosts}
    wanted = set(by_name)
    found = {}
    for name, look in earlier_looks(known.runs, wanted, naming=cve.encode()):
        ((_, view),) = views([by_name[name]], known)
        listed: dict[str, tuple[tuple[Installed, ...], str, list[Verdict]]] = {}
        for package, packages, verdict in advised(cve, view, look):
            _add(listed, package, (packages, view.version_of(package)), verdict)
        if listed:
            wanted.discard(name)
            found[name] = _judged(view, listed, _offers(by_name[name], view, known))
    return found


def of_own_release(view: HostView, said: Iterable[Said]) -> list[Said]:
    """Return the claims that are about a host's release; Ubuntu Pro's stand in for those that they repeat."""
    if view.releases is None:
        return []
    own = [one for one in said if view.releases.fullmatch(one.claim.ecosystem)]
    pro = {(one.feed.id, one.claim.package) for one in own if _is_pro(one)}
    return [one for one in own if _is_pro(one) or (one.feed.id, one.claim.package) not in pro]


def _is_pro(said: Said) -> bool:
    return said.claim.ecosystem.startswith("Ubuntu:Pro")


def _host(
    cve: str, view: HostView, *, said: Sequence[Said], covers: Sequence[tuple[Feed, str]], offers: Offers
) -> HostStanding:
    if not view.installed:
        return HostStanding(view=view.brief, reason=view.trouble)
    found: dict[str, tuple[tuple[Installed, ...], str, list[Verdict]]] = {}
    own = of_own_release(view, said)
    for one in own:
        if (matched := view.match(one.claim.package)) is not None:
            judged = judge(one.claim, matched.version, view.key)
            _add(found, matched.name, (matched.packages, matched.version), _of_feed(one, judged))
    for name, packages, verdict in advised(cve, view, view.look):
        _add(found, name, (packages, view.version_of(name)), verdict)
    if not found:
        standing, reason = _unnamed(view, own, said, covers)
        return HostStanding(view=view.brief, standing=standing, reason=reason)
    return _judged(view, found, offers)


def _judged(
    view: HostView, found: dict[str, tuple[tuple[Installed, ...], str, list[Verdict]]], offers: Offers
) -> HostStanding:
    packages = tuple(_package(view, name, *found[name], offers=offers) for name in sorted(found))
    return HostStanding(view=view.brief, packages=packages, standing=worst_of_packages(packages))


def _add(
    found: dict[str, tuple[tuple[Installed, ...], str, list[Verdict]]],
    name: str,
    what: tuple[tuple[Installed, ...], str],
    verdict: Verdict,
) -> None:
    verdicts = found.setdefault(name, (*what, []))[2]
    if verdict not in verdicts:
        verdicts.append(verdict)


def _package(
    view: HostView,
    name: str,
    packages: tuple[Installed, ...],
    version: str,
    verdicts: list[Verdict],
    *,
    offers: Offers,
) -> PackageStanding:
    told = PackageStanding(name=name, packages=packages, version=version, verdicts=tuple(verdicts))
    offer = offers.mending(packages, told.fixed) if told.standing is Standing.AFFECTED else None
    waiting = view.look.state.reboot.packages if view.look and view.look.state.reboot.needed else ()
    names = {package.name for package in packages}
    note = "a reboot is pending: the old version still runs" if names & set(waiting) else ""
    if told.standing is Standing.AFFECTED and offer is None and (why := _blind_to_updates(view)):
        note = f"updates are not known: {why}"
    return PackageStanding(
        name=name, packages=packages, version=version, verdicts=told.verdicts, offer=offer, note=note
    )


def _blind_to_updates(view: HostView) -> str:
    """Say why it is not known which updates a host could have; empty where it is."""
    if view.look is None:
        return "it was never scanned"
    return "; ".join(view.look.state.errors)


def _of_feed(said: Said, judged: Judged) -> Verdict:
    return Verdict(
        source=said.feed.title,
        dated=said.feed.dated,
        standing=judged.standing,
        fixed=judged.fixed,
        advisory=said.claim.advisory,
        severity=said.claim.severity,
        note=said.claim.note,
    )


def _unnamed(
    view: HostView, own: Sequence[Said], said: Sequence[Said], covers: Sequence[tuple[Feed, str]]
) -> tuple[Standing, str]:
    """Say how a host stands of which no source names a package."""
    covering = {feed.id: feed for feed, name in covers if view.releases and view.releases.fullmatch(name)}
    near = own or [one for one in said if one.feed.id in covering]
    if near:
        names = sorted({one.claim.package for one in near})
        about = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        titles = ", ".join(sorted({f"{one.feed.title} of {one.feed.dated:%Y-%m-%d}" for one in near}))
        if not any(view.match(name) for name in names):
            return Standing.NOT_AFFECTED, f"it is about {about}, which is not installed ({titles})"
        return Standing.UNKNOWN, f"{titles} names {about}, but not for {view.system}"
    if covering:
        titles = ", ".join(sorted(f"{f.title} of {f.dated:%Y-%m-%d}" for f in covering.values()))
        return Standing.UNKNOWN, f"no source names it: neither {titles} nor the host's own package lists"
    return (
        Standing.UNKNOWN,
        f"no feed is kept about {view.system or 'its system'}, and its own package lists do not name it",
    )
