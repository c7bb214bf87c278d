"""What the kept reports say together: the newest verdict about each host, and how it came to that."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fleetctl.compliance.index import Kept, ReportIndex, Word, part_of
from fleetctl.compliance.model import Severity, SeverityCounts
from fleetctl.errors import StateFolderError

__all__ = ["Standing", "kept_reports", "leave_out_policies", "read_report", "standing", "trend"]


@dataclass(slots=True, kw_only=True)
class Standing:
    """How things stand, by the newest word on each host.

    Attributes:
        resources: (type, host) -> its summary.
        items: (type, host) -> its items.
        damaged: reports that could not be read.
    """

    resources: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    items: dict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)


def standing(folder: Path, *, type_: str | None = None, host: str | None = None) -> Standing:
    """Return the newest word on each host, whichever report it is in; one report at a time is read.

    Args:
        folder: `.fleetctl/reports/compliance`.
        type_: only of this type.
        host: only this one.

    Raises:
        StateFolderError: a report that was there a moment ago is not.
    """
    with ReportIndex(folder) as index:
        words = index.newest(type_=type_, host=host)
        found = Standing(damaged=index.damaged)
    by_report: dict[Path, list[Word]] = {}
    for word in words:
        by_report.setdefault(word.path, []).append(word)
    for path in sorted(by_report):
        _take(found, read_report(path), by_report[path])
    told: dict[tuple[str, str], set[Path]] = {}
    for word in words:
        told.setdefault((word.type, word.host), set()).add(word.path)
    _counted(found, (key for key, paths in told.items() if len(paths) > 1))
    return found


def _take(found: Standing, report: Mapping[str, Any], words: Iterable[Word]) -> None:
    mine = {(word.host, word.part): (word.type, word.host) for word in words}
    hosts = {host: key for (host, _), key in mine.items()}
    for resource in report["ResourceSummaries"]:
        if (key := hosts.get(resource["ResourceId"])) is not None:
            known = found.resources.get(key)
            found.resources[key] = resource if known is None else _later(known, resource)
            found.items.setdefault(key, [])
    for item in report["ComplianceItems"]:
        if (key := mine.get((item["ResourceId"], part_of(item)))) is not None:
            found.items[key].append(item)


def leave_out_policies(found: Standing, *, but: Container[str]) -> set[str]:
    """Leave out what was found by policies that are no more, and return their names.

    Args:
        found: is changed.
        but: names of the policies that there are.
    """
    gone: set[str] = set()
    for key, items in list(found.items.items()):
        left = [item for item in items if not (part := part_of(item)) or part in but]
        if len(left) == len(items):
            continue
        gone |= {part_of(item) for item in items} - {part_of(item) for item in left}
        found.items[key] = left
        if left:
            _counted(found, [key])
        else:
            del found.items[key], found.resources[key]
    return gone


def _later(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the summary of the later look at a host."""
    return max(one, other, key=lambda told: datetime.fromisoformat(told["ExecutionSummary"]["ExecutionTime"]))


def _counted(found: Standing, keys: Iterable[tuple[str, str]]) -> None:
    """Count the items of hosts whose policies were checked in several reports: no report has these numbers."""
    for key in keys:
        items = found.items[key]
        seen = [item["Status"] for item in items]
        words = ("NON_COMPLIANT", "UNKNOWN")
        found.resources[key] = {
            **found.resources[key],
            "Status": next((word for word in words if word in seen), "COMPLIANT"),
            "OverallSeverity": _worst(items),
            "CompliantSummary": _counts("Compliant", items, "COMPLIANT"),
            "NonCompliantSummary": _counts("NonCompliant", items, "NON_COMPLIANT"),
            "WaivedCount": seen.count("WAIVED"),
            "UnknownCount": seen.count("UNKNOWN"),
        }


def _counts(kind: str, items: Iterable[Mapping[str, Any]], status: str) -> dict[str, Any]:
    graves = [item["Severity"] for item in items if item["Status"] == status]
    by_severity = {
        f"{severity.value.capitalize()}Count": graves.count(severity.value) for severity in Severity
    }
    return {f"{kind}Count": len(graves), "SeveritySummary": by_severity}


def _worst(items: Iterable[Mapping[str, Any]]) -> str:
    graves = {Severity(item["Severity"]) for item in items if item["Status"] == "NON_COMPLIANT"}
    return SeverityCounts.of(graves).worst.value


def read_report(path: Path) -> dict[str, Any]:
    """Read a report that is kept.

    Raises:
        StateFolderError: it cannot be read.
    """
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise StateFolderError(f"the compliance report {path} cannot be read: {exc}") from exc
    return report


def kept_reports(
    folder: Path, *, type_: str | None = None, last: int | None = None, damaged: list[Path] | None = None
) -> list[Kept]:
    """Return the heads of the reports of a folder, the newest first.

    Args:
        folder: `.fleetctl/reports/compliance`.
        type_: only of this type.
        last: only so many.
        damaged: takes the files that could not be read.
    """
    with ReportIndex(folder) as index:
        if damaged is not None:
            damaged += index.damaged
        return index.kept(type_=type_, last=last)


def trend(folder: Path, report: Mapping[str, Any], *, last: int = 60) -> list[Mapping[str, Any]]:
    """Return the heads of kept reports of the same type, the oldest first, that of `report` itself the last.

    Args:
        folder: `.fleetctl/reports/compliance`.
        report: up to which.
        last: so many at most.
    """
    with ReportIndex(folder) as index:
        kept = index.kept(type_=report["ComplianceType"])
    earlier = [
        old for old in kept if (old.captured, old.run_id) < (report["CapturedTime"], report["CommandId"])
    ]
    # A run that was carried on with has several reports; the last of them counts.
    once = {old.run_id: old for old in reversed(earlier) if old.run_id != report["CommandId"]}
    return [*(old.to_json() for old in list(once.values())[-(last - 1) :]), report]
