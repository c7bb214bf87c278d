"""Read the advisories of dnf 4 (`updateinfo`, text) and dnf 5 (`advisory`, JSON)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from fleetctl.packages.facts import moment
from fleetctl.packages.model import Advisory

__all__ = ["json_list", "read_advised", "read_advisories", "when"]

_LABEL: Final = re.compile(
    r"^ *(Update ID|Type|Updated|Bugs|CVEs|Severity|Description|Rights|Files|Installed)?: ?(.*)$"
)
# dnf 4 writes `Important/Sec.` for security advisories, the plain type for all others; ` i` marks those that are installed.
_LISTED: Final = re.compile(r"^(?:i )? *(\S+) +(\S+) +(\S+-\S+-\S+\.\S+)$")


def json_list(text: str) -> list[dict[str, Any]] | None:
    """Return dnf 5's JSON; None if it is none. Some versions print nothing at all where the list is empty."""
    if not text.strip():
        return []
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else None


def when(text: str) -> datetime | None:
    """Read a date as dnf prints it, in UTC: `2024-01-10 00:00:00`, without seconds, or seconds since 1970."""
    if (seconds := moment(text)) is not None:
        return seconds
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def read_advisories(text: str, *, generation: int) -> dict[str, Advisory] | None:
    """Return what there is to say of each advisory, by id; None if it cannot be read."""
    if generation == 5:
        told = json_list(text)
        return None if told is None else {entry.id: entry for entry in map(_from_json, told) if entry.id}
    return {entry.id: entry for entry in _from_text(text.splitlines())}


def read_advised(
    text: str, known: dict[str, Advisory], *, generation: int
) -> list[tuple[str, Advisory]] | None:
    """Return which advisory names which version (as NEVRA); what is not known by id is made from the list itself."""
    if generation == 5:
        told = json_list(text)
        if told is None:
            return None
        rows = [
            (
                _word(entry, "name"),
                _word(entry, "type"),
                _word(entry, "severity"),
                _word(entry, "nevra"),
                entry,
            )
            for entry in told
        ]
        return [
            (nevra, known.get(name) or _advisory(name, kind, grade, issued=_issued(entry)))
            for name, kind, grade, nevra, entry in rows
            if name and nevra
        ]
    listed = filter(None, map(_listed, text.splitlines()))
    return [(nevra, known.get(advisory.id, advisory)) for nevra, advisory in listed]


@lru_cache(maxsize=65536)  # a fleet's hosts are told the same advisories over and over
def _listed(line: str) -> tuple[str, Advisory] | None:
    """Read one row of dnf 4's list: the version as NEVRA, and the advisory as far as the list tells."""
    row = _LISTED.match(line)
    if row is None:
        return None
    grade, _, security = row[2].partition("/")
    kind = "security" if security else row[2]
    return row[3], _advisory(row[1], kind, grade if security else "")


def _advisory(name: str, kind: str, grade: str, **more: Any) -> Advisory:
    return Advisory(id=name, classification=kind, severity=_grade(grade), **more)


def _grade(word: str) -> str:
    """Return a severity as vendors write it; `None` and `Unknown` are their words for none."""
    return "" if word.casefold() in {"none", "unknown", ""} else word.capitalize()


def _word(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _issued(entry: dict[str, Any]) -> datetime | None:
    value = entry.get("Issued", entry.get("buildtime"))
    return moment(str(value)) if isinstance(value, int) else when(value) if isinstance(value, str) else None


def _from_json(entry: dict[str, Any]) -> Advisory:
    references = entry.get("references")
    ids: dict[str, list[str]] = {"cve": [], "bugzilla": []}
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("Type") in ids:
            ids[str(reference["Type"])].append(_word(reference, "Id"))
    return _advisory(
        _word(entry, "Name"),
        _word(entry, "Type"),
        _word(entry, "Severity"),
        title=_word(entry, "Title"),
        issued=_issued(entry),
        cve_ids=tuple(filter(None, ids["cve"])),
        bugzilla_ids=tuple(filter(None, ids["bugzilla"])),
    )


def _from_text(lines: Iterable[str]) -> Iterator[Advisory]:
    told: dict[str, list[str]] = {}
    label = ""
    for line in lines:
        found = _LABEL.match(line)
        if found is None:
            label = ""
            continue
        if found[1] == "Update ID" and told:
            yield _from_labels(told)
            told = {}
        label = found[1] or label
        told.setdefault(label, []).append(found[2].strip())
    if told:
        yield _from_labels(told)


def _from_labels(told: dict[str, list[str]]) -> Advisory:
    def first(label: str) -> str:
        return told.get(label, [""])[0]

    return _advisory(
        first("Update ID"),
        first("Type"),
        first("Severity"),
        issued=when(first("Updated")),
        cve_ids=tuple(told.get("CVEs", ())),
        bugzilla_ids=tuple(bug.partition(" - ")[0] for bug in told.get("Bugs", ())),
    )
