"""CISA's catalog of known exploited vulnerabilities, as JSON or CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from fleetctl.feeds.files import Document, FeedFile
from fleetctl.feeds.json_stream import JsonStream
from fleetctl.feeds.model import Entry, Exploited, cve_id, day
from fleetctl.feeds.protocol import Sample
from fleetctl.feeds.shape import WrongShape, listing, mapping, text

__all__ = ["Kev"]

_NEEDED: Final = ("cveID", "dateAdded")


class Kev:
    """Reads `known_exploited_vulnerabilities.json` and `.csv`."""

    name: ClassVar[str] = "kev"
    title: ClassVar[str] = "CISA known exploited vulnerabilities"
    url: ClassVar[str] = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"

    def recognises(self, sample: Sample) -> bool:
        """Tell it by its members, or by the head of the table."""
        if sample.shape:
            return "vulnerabilities" in sample.members and "catalogVersion" in sample.members
        head = next(csv.reader(sample.text.splitlines()[:1]), [])
        return set(_NEEDED) <= set(head)

    def partial(self, sample: Sample) -> bool:  # noqa: ARG002 - a FeedKind
        """It always comes whole."""
        return False

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield one entry for each vulnerability. The table has no date of its own: that of its newest line stands in."""
        for document in file.documents():
            if _is_json(file):
                yield from _json(document)
            else:
                yield from _table(document)


def _is_json(file: FeedFile) -> bool:
    for document in file.documents():
        return document.read(64).lstrip().startswith("{")
    return False


def _json(document: Document) -> Iterator[Entry]:
    stream = JsonStream(document)
    told = dict(stream.members())
    try:
        released = day(text(told.get("dateReleased"), "dateReleased"))
        listed = listing(told.get("vulnerabilities"), "vulnerabilities")
        for number, item in enumerate(listed):
            yield _entry(mapping(item, f"vulnerabilities[{number}]"), f"vulnerabilities[{number}]", released)
    except WrongShape as exc:
        document.fail(str(exc))
    count = told.get("count")
    if isinstance(count, int) and count != len(listed):
        document.fail(f"it says that it has {count} vulnerabilities, and has {len(listed)}")


def _table(document: Document) -> Iterator[Entry]:
    reader = csv.DictReader(document.lines(), strict=True)
    try:
        for row in reader:
            yield _entry(row, "", day(row.get("dateAdded") or ""))
    except (WrongShape, csv.Error) as exc:
        document.fail(str(exc), line=reader.line_num)


def _entry(item: Mapping[str, Any], where: str, dated: Any) -> Entry:
    front = f"{where}: " if where else ""
    told = text(item.get("cveID"), f"{front}cveID")
    added = text(item.get("dateAdded"), f"{front}dateAdded")
    cve = cve_id(told)
    if cve is None:
        raise WrongShape(f"{front}'{told}' is no CVE")
    if day(added) is None:
        raise WrongShape(f"{front}{cve}: dateAdded: '{added}' is no date")
    return Entry(
        id=cve,
        dated=dated,
        marks=(
            Exploited(
                cve=cve,
                added=added,
                due=str(item.get("dueDate") or ""),
                ransomware=str(item.get("knownRansomwareCampaignUse") or "").strip().lower() == "known",
                name=str(item.get("vulnerabilityName") or ""),
            ),
        ),
    )
