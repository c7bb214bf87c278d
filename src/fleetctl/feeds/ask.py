"""Ask the feeds that are kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from fleetctl.feeds.database import FILE, feed_of, opened
from fleetctl.feeds.model import Claim, Exploited, Feed, Score

__all__ = ["Asked", "Said", "asking", "feeds_of"]

_ROW: Final = "id, kind, scope, source, dated, dated_by, imported, entries"
_CLAIMS: Final = """SELECT entries.feed, ecosystem, package, claim
    FROM claims JOIN entries ON entries.id = claims.entry"""


class Said(NamedTuple):
    """A claim, and the feed that makes it."""

    feed: Feed
    claim: Claim


@contextmanager
def asking(folder: Path) -> Iterator[Asked]:
    """Open the feeds below a state folder to read; where there are none, nothing is made.

    Raises:
        StateFolderError: they cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        yield Asked(None)
        return
    with opened(path) as db:
        db.execute("BEGIN")  # one state of things, whoever imports meanwhile
        yield Asked(db)


def feeds_of(folder: Path) -> list[Feed]:
    """Return the feeds that are kept, by kind and scope."""
    with asking(folder) as asked:
        return list(asked.feeds)


class Asked:
    """Answers about CVEs, as the feeds stood when it was opened.

    Args:
        db: None where there are no feeds.

    Attributes:
        feeds: by kind and scope.
    """

    def __init__(self, db: sqlite3.Connection | None) -> None:
        self._db = db
        rows = db.execute(f"SELECT {_ROW} FROM feeds ORDER BY kind, scope").fetchall() if db else []  # noqa: S608
        self.feeds = tuple(map(feed_of, rows))
        self._by_id = {feed.id: feed for feed in self.feeds}

    def ecosystems(self) -> list[tuple[Feed, str]]:
        """Return which distributions and releases each feed tells of."""
        rows = self._db.execute("SELECT feed, name FROM ecosystems ORDER BY name") if self._db else ()
        return [(self._by_id[feed], name) for feed, name in rows]

    def about_cve(self, cve: str) -> list[Said]:
        """Return all claims about a CVE."""
        query = f"{_CLAIMS} JOIN names ON names.entry = claims.entry WHERE cve = ?"
        return self._said(query, cve)

    def about_package(self, package: str) -> dict[str, list[Said]]:
        """Return all claims about a package, by the CVEs that they are about."""
        query = _CLAIMS.replace("SELECT", "SELECT names.cve,", 1)
        query += " JOIN names ON names.entry = claims.entry WHERE package = ?"
        found: dict[str, list[Said]] = {}
        for cve, feed, *told in self._db.execute(query, (package,)) if self._db else ():
            found.setdefault(cve, []).append(Said(self._by_id[feed], _unpacked(*told)))
        return found

    def exploited(self) -> dict[str, Exploited]:
        """Return all CVEs that are known to be exploited."""
        columns = "cve, added, due, ransomware, name"
        rows = self._db.execute(f"SELECT {columns} FROM exploited ORDER BY feed") if self._db else ()  # noqa: S608
        return {
            cve: Exploited(cve=cve, added=added, due=due, ransomware=bool(ransomware), name=name)
            for cve, added, due, ransomware, name in rows
        }

    def score(self, cve: str) -> Score | None:
        """Return how likely a CVE is exploited soon; None where no feed says."""
        query = "SELECT probability, percentile FROM scores WHERE cve = ? ORDER BY feed DESC"
        row = self._db.execute(query, (cve,)).fetchone() if self._db else None
        return Score(cve=cve, probability=row[0], percentile=row[1]) if row else None

    def _said(self, query: str, value: str) -> list[Said]:
        rows = self._db.execute(query, (value,)) if self._db else ()
        return [
            Said(self._by_id[feed], _unpacked(ecosystem, package, text))
            for feed, ecosystem, package, text in rows
        ]


@lru_cache(maxsize=4096)  # an advisory says the same about each of its CVEs
def _unpacked(ecosystem: str, package: str, text: str) -> Claim:
    told = json.loads(text)
    return Claim(
        ecosystem=ecosystem,
        package=package,
        ranges=tuple(tuple((kind, version) for kind, version in events) for events in told.get("ranges", ())),
        versions=tuple(told.get("versions", ())),
        undetermined=told.get("undetermined", False),
        severity=told.get("severity", ""),
        advisory=told.get("advisory", ""),
        note=told.get("note", ""),
    )
