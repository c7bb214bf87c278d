"""The open CVEs of a fleet, ready to be told in any format."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fleetctl.feeds.ask import Asked
from fleetctl.feeds.telling import feed_json
from fleetctl.patch.cve_telling import marks_json
from fleetctl.patch.cves import Open, Ranking
from fleetctl.report.protocol import Telling

__all__ = ["COLUMNS", "cves_exit_code", "cves_report", "tell_cves"]

COLUMNS: Final = (
    "Cve", "KnownExploited", "DueDate", "Epss", "Severity", "HostCount", "UpdateCount", "FixExists", "Packages", "Hosts", "Sources",
)  # fmt: skip


def cves_exit_code(told: Ranking) -> int:
    """Return 5 where a CVE is listed, else 3 where it cannot be told of a host, else 0."""
    return 5 if told.cves else 3 if told.unknown else 0


def cves_report(told: Ranking, asked: Asked, *, now: datetime, top: int | None = None) -> dict[str, Any]:
    """Return the whole, JSON-ready.

    Args:
        told: the ranking.
        asked: feeds.
        now: when it is told, aware UTC.
        top: only so many; the summary counts all.
    """
    return {
        "Made": now.isoformat(timespec="seconds"),
        "Feeds": [feed_json(feed, now) for feed in asked.feeds],
        "Summary": {
            "HostCount": told.hosts,
            "CveCount": len(told.cves),
            "UnimportantCount": told.unimportant,
        },
        "Cves": [_one(one) for one in told.cves[:top]],
        "Unknown": [{"InstanceId": host, "Reason": reason} for host, reason in told.unknown],
    }


def tell_cves(report: Mapping[str, Any]) -> Telling:
    """Tell a report: one row a CVE."""
    rows = []
    for one in report["Cves"]:
        joined = {name: " ".join(one[name]) for name in ("Packages", "Hosts", "Sources")}
        listed = one["KnownExploited"] or {}
        rows.append({**one, **joined, "KnownExploited": bool(listed), "DueDate": listed.get("DueDate", "")})
    return Telling(data=report, rows=rows, columns=COLUMNS, title="fleetctl patch cves")


def _one(one: Open) -> dict[str, Any]:
    return {
        "Cve": one.cve,
        "Severity": one.severity,
        **marks_json(one.exploited, one.score),
        "HostCount": len(one.hosts),
        "Hosts": list(one.hosts),
        "Packages": sorted(one.packages),
        "UpdateCount": one.updates,
        "FixExists": one.fix,
        "Sources": sorted(one.sources),
    }
