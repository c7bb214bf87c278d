"""How a fleet stands to one CVE, ready to be told in any format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fleetctl.feeds.ask import Asked
from fleetctl.feeds.model import Exploited, Score
from fleetctl.feeds.severity import SEVERITIES
from fleetctl.feeds.telling import feed_json
from fleetctl.patch.cve_match import Standing
from fleetctl.patch.cve_standing import HostStanding, PackageStanding, Verdict
from fleetctl.report.protocol import Case, Telling

__all__ = [
    "COLUMNS",
    "cve_exit_code",
    "cve_report",
    "gravest",
    "marks_json",
    "source_text",
    "tell_cve",
]

COLUMNS: Final = (
    "InstanceId", "Status", "Package", "InstalledVersion", "FixedVersion", "PackageStatus", "UpdateVersion", "Approved", "Held",
    "Sources", "Seen", "SeenBy", "Reason",
)  # fmt: skip
_COUNTS: Final = {
    Standing.AFFECTED: "AffectedCount",
    Standing.FIXED: "FixedCount",
    Standing.NOT_AFFECTED: "NotAffectedCount",
    Standing.UNKNOWN: "UnknownCount",
}


def cve_exit_code(hosts: Iterable[HostStanding]) -> int:
    """Return 5 where a host is affected, else 3 where it cannot be told of one, else 0."""
    told = {host.standing for host in hosts}
    return 5 if Standing.AFFECTED in told else 3 if Standing.UNKNOWN in told else 0


def cve_report(cve: str, hosts: Sequence[HostStanding], asked: Asked, *, now: datetime) -> dict[str, Any]:
    """Return the whole, JSON-ready.

    Args:
        cve: its id.
        hosts: as `cve.standings` says.
        asked: feeds.
        now: when it is told, aware UTC.
    """
    counted = Counter(host.standing for host in hosts)
    severities = [v.severity for host in hosts for p in host.packages for v in p.verdicts]
    return {
        "Cve": cve,
        "Made": now.isoformat(timespec="seconds"),
        "Severity": gravest(severities),
        **marks_json(asked.exploited().get(cve), asked.score(cve)),
        "Feeds": [feed_json(feed, now) for feed in asked.feeds],
        "Summary": {name: counted[standing] for standing, name in _COUNTS.items()},
        "Hosts": [_host(host) for host in hosts],
    }


def gravest(severities: Iterable[str]) -> str:
    """Return the gravest of some severities; empty where none is known."""
    return min(severities, key=SEVERITIES.index, default="")


def marks_json(exploited: Exploited | None, score: Score | None) -> dict[str, Any]:
    """Return what is known of a CVE wherever it is."""
    listed = exploited and {
        "DateAdded": exploited.added,
        "DueDate": exploited.due,
        "Ransomware": exploited.ransomware,
        "Name": exploited.name,
    }
    return {
        "KnownExploited": listed,
        "Epss": score.probability if score else None,
        "EpssPercentile": score.percentile if score else None,
    }


def tell_cve(report: Mapping[str, Any]) -> Telling:
    """Tell a report: one row a package, and every host has at least one."""
    return Telling(
        data=report,
        rows=list(_rows(report)),
        columns=COLUMNS,
        cases=list(_cases(report)),
        title=f"fleetctl patch cve {report['Cve']}",
    )


def _host(host: HostStanding) -> dict[str, Any]:
    view = host.view
    return {
        "InstanceId": view.host,
        "Status": host.standing.value,
        "Reason": host.reason,
        "Platform": view.system,
        "Seen": view.seen.isoformat(timespec="seconds") if view.seen else None,
        "SeenBy": view.seen_by or None,
        "ScanTime": view.scanned.isoformat(timespec="seconds") if view.scanned else None,
        "ScanId": view.scan_id or None,
        "InventoryTime": view.inventoried.isoformat(timespec="seconds") if view.inventoried else None,
        "Packages": [_package(package) for package in host.packages],
    }


def _package(package: PackageStanding) -> dict[str, Any]:
    return {
        "Name": package.name,
        "InstalledPackages": sorted({installed.name for installed in package.packages}),
        "InstalledVersion": package.version,
        "FixedVersion": package.fixed,
        "Status": package.standing.value,
        "SourcesDisagree": package.disagree,
        "Update": package.offer.to_json() if package.offer else None,
        "Note": package.note,
        "Verdicts": [_verdict(verdict) for verdict in package.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "Source": verdict.source,
        "Date": verdict.dated.isoformat(timespec="seconds"),
        "Status": verdict.standing.value,
        "FixedVersion": verdict.fixed,
        "Advisory": verdict.advisory,
        "Severity": verdict.severity,
        "Note": verdict.note,
    }


def _rows(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for host in report["Hosts"]:
        own = {name: host[name] for name in ("InstanceId", "Status", "Seen", "SeenBy", "Reason")}
        for package in host["Packages"]:
            update = package["Update"] or {}
            yield {
                **own,
                "Package": package["Name"],
                "InstalledVersion": package["InstalledVersion"],
                "FixedVersion": package["FixedVersion"],
                "PackageStatus": package["Status"],
                "UpdateVersion": update.get("Version", ""),
                "Approved": update.get("Approved", ""),
                "Held": update.get("Held", ""),
                "Sources": "; ".join(source_text(verdict) for verdict in package["Verdicts"]),
            }
        if not host["Packages"]:
            yield own


def source_text(verdict: Mapping[str, Any]) -> str:
    """Return what one source says, for people: `debian-tracker:Debian of 2026-11-20: AFFECTED`."""
    more = ", ".join(text for text in (verdict["Advisory"], verdict["Note"]) if text)
    return f"{verdict['Source']} of {verdict['Date'][:10]}: {verdict['Status']}" + (
        f" ({more})" if more else ""
    )


def _cases(report: Mapping[str, Any]) -> Iterator[Case]:
    for host in report["Hosts"]:
        affected = [package for package in host["Packages"] if package["Status"] == "AFFECTED"]
        yield Case(
            name=host["InstanceId"],
            suite=f"fleetctl.patch.cve.{report['Cve']}",
            failure="\n".join(f"{p['Name']} {p['InstalledVersion']}" for p in affected),
            error=host["Reason"] or "not known" if host["Status"] == "UNKNOWN" else "",
            kind=host["Status"] if host["Status"] in {"AFFECTED", "UNKNOWN"} else "",
        )
