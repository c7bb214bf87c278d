"""What the kept reports say together: the newest verdict about each host, and how it came to that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

__all__ = ["Standing", "kept_reports", "standing", "trend"]


@dataclass(slots=True, kw_only=True)
class Standing:
    """How things stand, by the newest word on each host.

    Attributes:
        resources: (type, host) -> its summary.
        items: (type, host) -> its items.
        reports: type -> its reports, the oldest first.
    """

    resources: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    items: dict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    reports: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)


def kept_reports(
    folder: Path, *, last: int | None = None, damaged: list[Path] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the reports of a folder, the newest first (their names sort by time); one that is damaged hides no other.

    Args:
        folder: `.fleetctl/reports/compliance`.
        last: only so many files.
        damaged: takes the files that could not be read.
    """
    names = sorted(folder.glob("*.json"), reverse=True) if folder.is_dir() else []
    for path in islice(names, last):
        try:
            report = json.loads(path.read_bytes())
            known = all(
                name in report
                for name in ("ComplianceType", "ResourceSummaries", "ComplianceItems", "Summary")
            )
        except (OSError, ValueError, TypeError):
            known, report = False, {}
        if known:
            yield report
        elif damaged is not None:
            damaged.append(path)


def standing(reports: Iterable[Mapping[str, Any]]) -> Standing:
    """Put reports together; the first word on a host is the one that counts.

    Args:
        reports: the newest first.
    """
    found = Standing()
    for report in reports:
        type_ = report["ComplianceType"]
        found.reports.setdefault(type_, []).insert(0, report)
        fresh = {
            (type_, host["ResourceId"]): host
            for host in report["ResourceSummaries"]
            if (type_, host["ResourceId"]) not in found.resources
        }
        found.resources.update(fresh)
        found.items.update({key: [] for key in fresh})
        _add(found, report["ComplianceItems"], type_=type_, fresh=frozenset(fresh))
    return found


def _add(
    found: Standing, items: Sequence[Mapping[str, Any]], *, type_: str, fresh: frozenset[tuple[str, str]]
) -> None:
    for item in items:
        if (key := (type_, item["ResourceId"])) in fresh:
            found.items[key].append(item)


def trend(folder: Path, report: Mapping[str, Any], *, last: int = 60) -> list[Mapping[str, Any]]:
    """Return kept reports of the same type, the oldest first, `report` itself the last.

    Args:
        folder: `.fleetctl/reports/compliance`.
        report: the newest.
        last: how many files to look at.
    """
    same = [
        old
        for old in kept_reports(folder, last=last)
        if old["ComplianceType"] == report["ComplianceType"] and old["CommandId"] < report["CommandId"]
    ]
    return [*reversed(same), report]
