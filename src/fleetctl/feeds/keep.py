"""Keep what a feed's file says: all of it in the place of what was kept before, or nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from fleetctl.errors import FeedError, Where
from fleetctl.feeds.database import feed_of, stamp, transaction
from fleetctl.feeds.model import Claim, Entry, Exploited, Feed

__all__ = ["Kept", "keep", "remove"]

_ROW: Final = "id, kind, scope, source, dated, dated_by, imported, entries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of a file.

    Attributes:
        feeds: as they are kept now.
        entries: that the file had, also those that say nothing of use.
        unused: how many of these.
        other: distributions that the file only touches: their own exports tell all of them, so that they are left as they are.
        withdrawn: entries that are no longer kept.
    """

    feeds: tuple[Feed, ...] = ()
    entries: int = 0
    unused: int = 0
    other: tuple[str, ...] = ()
    withdrawn: int = 0


@dataclass(slots=True)
class _Part:
    """A feed in the making."""

    id: int
    entries: int = 0
    dated: datetime | None = None
    ecosystems: set[str] = field(default_factory=set)


def keep(
    path: Path,
    entries: Iterable[Entry],
    *,
    kind: str,
    source: Path,
    dated: tuple[datetime, str] | None,
    changed: datetime,
    now: datetime,
    partial: bool = False,
) -> Kept:
    """Keep entries; nothing is changed where reading them fails.

    Args:
        path: of the database.
        entries: of one file.
        kind: who reads them.
        source: the file.
        dated: of what date it is, and who says so; None: what the entries say.
        changed: when the file was changed last: stands in where they say nothing.
        now: aware UTC.
        partial: they are added to what is kept; by default they replace it.

    Raises:
        FeedError: of the entries, or they say nothing that fleetctl can use.
        StateFolderError: the database cannot be used.
    """
    with transaction(path) as db:
        writer = _Writer(db, kind=kind, source=source.name, now=now, partial=partial)
        for entry in entries:
            writer.add(entry)
        kept = writer.close(dated, changed)
        if not kept.feeds and not kept.withdrawn:
            raise FeedError(
                "nothing in it is about a CVE and a package of a distribution that fleetctl knows",
                where=Where(str(source)),
            )
        return kept


def remove(path: Path, kind: str, scope: str | None = None) -> list[Feed]:
    """Forget feeds of a kind, or only the one of a scope; return what they were."""
    with transaction(path) as db:
        rows = db.execute(f"SELECT {_ROW} FROM feeds WHERE kind = ?", (kind,)).fetchall()  # noqa: S608
        found = [feed for feed in map(feed_of, rows) if scope in {None, feed.scope}]
        for feed in found:
            _drop(db, feed.id)
    return found


class _Writer:
    """Takes entries one by one, inside a transaction."""

    def __init__(
        self, db: sqlite3.Connection, *, kind: str, source: str, now: datetime, partial: bool
    ) -> None:
        self._db = db
        self._kind = kind
        self._source = source
        self._now = stamp(now)
        self._partial = partial
        self._parts: dict[str, _Part] = {}
        self._total = self._used = self._withdrawn = 0

    def add(self, entry: Entry) -> None:
        """Keep one entry, once for each distribution that it is about."""
        self._total += 1
        scopes: dict[str, list[Claim]] = {}
        for claim in entry.claims if entry.cves else ():
            scopes.setdefault(entry.scope or claim.ecosystem.partition(":")[0], []).append(claim)
        if entry.marks:
            scopes.setdefault(entry.scope, [])
        if self._partial:
            self._forget(entry.id)
        self._used += bool(scopes)
        for scope, claims in scopes.items():
            part = self._part(scope)
            part.entries += 1
            if entry.dated is not None and (part.dated is None or entry.dated > part.dated):
                part.dated = entry.dated
            if claims:
                self._claims(part, entry, claims)
        for mark in entry.marks:
            id_ = self._parts[entry.scope].id
            if isinstance(mark, Exploited):
                values = (mark.cve, id_, mark.added, mark.due, mark.ransomware, mark.name)
                self._db.execute("INSERT OR REPLACE INTO exploited VALUES (?, ?, ?, ?, ?, ?)", values)
            else:
                told = (mark.cve, id_, mark.probability, mark.percentile)
                self._db.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", told)

    def close(self, dated: tuple[datetime, str] | None, changed: datetime) -> Kept:
        """Put the new feeds in the place of the old ones."""
        whole = {scope for scope, part in self._parts.items() if part.entries == self._used}
        kept = self._parts if self._partial or not whole else {s: self._parts[s] for s in whole}
        for scope, part in self._parts.items():
            if scope not in kept:
                _drop(self._db, part.id)
        for scope, part in kept.items():
            when, who = dated or ((part.dated, "feed") if part.dated else (changed, "file"))
            if not self._partial:
                old = "SELECT id FROM feeds WHERE kind = ? AND scope = ? AND id != ?"
                for (id_,) in self._db.execute(old, (self._kind, scope, part.id)).fetchall():
                    _drop(self._db, id_)
            count = "(SELECT count(*) FROM entries WHERE feed = ?1)" if part.ecosystems else str(part.entries)
            self._db.execute(
                f"UPDATE feeds SET entries = {count}, dated = max(dated, ?2), dated_by = ?3 WHERE id = ?1",  # noqa: S608
                (part.id, stamp(when), who),
            )
            rows = [(part.id, name) for name in part.ecosystems]
            self._db.executemany("INSERT OR IGNORE INTO ecosystems VALUES (?, ?)", rows)
        ids = {part.id for part in kept.values()}
        rows = self._db.execute(f"SELECT {_ROW} FROM feeds ORDER BY kind, scope").fetchall()  # noqa: S608
        return Kept(
            feeds=tuple(feed for feed in map(feed_of, rows) if feed.id in ids),
            entries=self._total,
            unused=self._total - self._used,
            other=tuple(sorted(self._parts.keys() - kept.keys())),
            withdrawn=self._withdrawn,
        )

    def _part(self, scope: str) -> _Part:
        if scope not in self._parts:
            found = None
            if self._partial:
                known = "SELECT id FROM feeds WHERE kind = ? AND scope = ?"
                found = self._db.execute(known, (self._kind, scope)).fetchone()
            id_ = found[0] if found else self._new(scope)
            self._parts[scope] = _Part(id_)
        return self._parts[scope]

    def _new(self, scope: str) -> int:
        values = (self._kind, scope, self._source, "", "feed", self._now)
        columns = "kind, scope, source, dated, dated_by, imported, entries"
        done = self._db.execute(f"INSERT INTO feeds ({columns}) VALUES (?, ?, ?, ?, ?, ?, 0)", values)  # noqa: S608
        return int(done.lastrowid or 0)

    def _claims(self, part: _Part, entry: Entry, claims: list[Claim]) -> None:
        done = self._db.execute("INSERT INTO entries (feed, name) VALUES (?, ?)", (part.id, entry.id))
        self._db.executemany(
            "INSERT OR IGNORE INTO names VALUES (?, ?)", [(cve, done.lastrowid) for cve in entry.cves]
        )
        self._db.executemany(
            "INSERT INTO claims VALUES (?, ?, ?, ?)",
            [(done.lastrowid, claim.ecosystem, claim.package, _packed(claim)) for claim in claims],
        )
        part.ecosystems.update(claim.ecosystem for claim in claims)

    def _forget(self, name: str) -> None:
        """Take out what was kept of an entry: it is told anew, or was withdrawn."""
        found = self._db.execute(
            "SELECT entries.id, feed FROM entries JOIN feeds ON feeds.id = feed WHERE name = ? AND kind = ?",
            (name, self._kind),
        ).fetchall()
        for id_, feed in found:
            self._withdrawn += 1
            self._db.execute("DELETE FROM names WHERE entry = ?", (id_,))
            self._db.execute("DELETE FROM claims WHERE entry = ?", (id_,))
            self._db.execute("DELETE FROM entries WHERE id = ?", (id_,))
            self._db.execute("UPDATE feeds SET entries = entries - 1 WHERE id = ?", (feed,))


def _packed(claim: Claim) -> str:
    told = {
        "ranges": claim.ranges,
        "versions": claim.versions,
        "undetermined": claim.undetermined,
        "severity": claim.severity,
        "advisory": claim.advisory,
        "note": claim.note,
    }
    return json.dumps({name: value for name, value in told.items() if value}, separators=(",", ":"))


def _drop(db: sqlite3.Connection, feed: int) -> None:
    for table in ("names", "claims"):
        db.execute(f"DELETE FROM {table} WHERE entry IN (SELECT id FROM entries WHERE feed = ?)", (feed,))  # noqa: S608
    for table in ("entries", "ecosystems", "exploited", "scores"):
        db.execute(f"DELETE FROM {table} WHERE feed = ?", (feed,))  # noqa: S608
    db.execute("DELETE FROM feeds WHERE id = ?", (feed,))
