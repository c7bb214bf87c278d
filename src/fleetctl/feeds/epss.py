"""FIRST's exploit prediction scores (EPSS): how likely each CVE is exploited in the next 30 days."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import ClassVar, Final

from fleetctl.feeds.files import Document, FeedFile
from fleetctl.feeds.model import Entry, Score, cve_id, day
from fleetctl.feeds.protocol import Sample

__all__ = ["Epss"]

_HEAD: Final = ["cve", "epss", "percentile"]
_DATE: Final = re.compile(r"score_date:([0-9T:+.Z-]+)")


class Epss:
    """Reads `epss_scores-current.csv.gz`."""

    name: ClassVar[str] = "epss"
    title: ClassVar[str] = "EPSS"
    url: ClassVar[str] = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"

    def recognises(self, sample: Sample) -> bool:
        """Tell it by its first line."""
        lines = sample.text.splitlines()
        if sample.shape or not lines:
            return False
        return lines[0].startswith("#model_version") or lines[0].split(",") == _HEAD

    def partial(self, sample: Sample) -> bool:  # noqa: ARG002 - a FeedKind
        """It always comes whole."""
        return False

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield one entry for each CVE."""
        for document in file.documents():
            yield from _read(document)


def _read(document: Document) -> Iterator[Entry]:
    lines = document.lines()
    first = next(lines, "")
    begin = 2
    dated = None
    if first.startswith("#"):
        found = _DATE.search(first)
        dated = day(found[1]) if found else None
        if dated is None:
            document.fail("the first line has no score_date", line=1)
        first = next(lines, "")
        begin = 3
    if first.strip().split(",") != _HEAD:
        document.fail(f"the head '{','.join(_HEAD)}' is missing", line=begin - 1)
    for number, row in enumerate(csv.reader(lines), begin):
        if not row:
            continue
        cve = cve_id(row[0])
        score, percentile = (_share(row[1]), _share(row[2])) if len(row) == len(_HEAD) else (None, None)
        if cve is None or score is None or percentile is None:
            document.fail(f"not of the form CVE,0.5,0.9: {','.join(row)[:60]}", line=number)
        yield Entry(id=cve, marks=(Score(cve=cve, probability=score, percentile=percentile),), dated=dated)


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
