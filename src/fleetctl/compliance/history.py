"""What the kept reports say together: the newest verdict about each host, and how it came to that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetctl.compliance.index import Kept, ReportIndex, Word
from fleetctl.errors import StateFolderError

__all__ = ["Standing", "kept_reports", "read_report", "standing", "trend"]


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
    return found


def _take(found: Standing, report: Mapping[str, Any], words: Iterable[Word]) -> None:
    mine = {word.host: (word.type, word.host) for word in words}
    found.items.update({key: [] for key in mine.values()})
    for resource in report["ResourceSummaries"]:
        if (key := mine.get(resource["ResourceId"])) is not None:
            found.resources[key] = resource
    for item in report["ComplianceItems"]:
        if (key := mine.get(item["ResourceId"])) is not None:
            found.items[key].append(item)


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
