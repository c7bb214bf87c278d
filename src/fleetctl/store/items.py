"""What hosts told of themselves, over time: content by its hash, and an index of who told it when.

One SQLite file. A content (all items of one type) is written once, however many hosts and dates share it; a look at a host that
found nothing new costs one small record. Contents lie beside their index and not in files, so that one transaction holds both:
a power cut leaves neither half, and deleting cannot take away what another controller adds at that moment.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from fleetctl.errors import DamagedError, StateFolderError

__all__ = ["Capture", "Deletion", "Items", "content_hash"]

_FILE: Final = "items.db"
_SCHEMA_VERSION: Final = 1
_PATIENCE = 60.0  # seconds to wait for another controller's transaction; each takes milliseconds

_TABLES: Final = (
    "CREATE TABLE contents (hash TEXT PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE captures (
        host TEXT NOT NULL, type TEXT NOT NULL, captured TEXT NOT NULL, run TEXT NOT NULL,
        hash TEXT NOT NULL REFERENCES contents (hash), PRIMARY KEY (host, type, captured, run)
    ) WITHOUT ROWID""",
    "CREATE INDEX captures_hash ON captures (hash)",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)
_COLUMNS: Final = "host, type, captured, run, captures.hash, count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One host's items of one type, as they were at one moment.

    Attributes:
        captured: aware UTC.
        run: the run that looked.
        hash: SHA-256 of the content, hex; equal contents have equal hashes.
        count: of items.
    """

    host: str
    type: str
    captured: datetime
    run: str
    hash: str
    count: int


class Deletion(NamedTuple):
    """How much of a type is, or would be, deleted."""

    captures: int
    hosts: int


def content_hash(items: Sequence[Mapping[str, str]]) -> tuple[str, bytes]:
    """Return the hash of items, and the bytes that it is made of: JSON in one form, in the order given."""
    data = json.dumps(list(map(dict, items)), sort_keys=True, separators=(",", ":")).encode()
    return sha256(data).hexdigest(), data


class Items:
    """All captures below one folder. Every call opens the file anew: it may be used from any thread.

    Args:
        folder: it lies in; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE

    def keep(
        self,
        host: str,
        contents: Mapping[str, Sequence[Mapping[str, str]]],
        *,
        captured: datetime,
        run: str,
    ) -> dict[str, Capture]:
        """Keep what a host told, all of it or nothing; it is on disk when this returns.

        Args:
            host: its name.
            contents: items by type.
            captured: when it was asked, aware.
            run: the run that asked.

        Raises:
            StateFolderError: it cannot be kept.
        """
        packed = {}
        for type_, items in contents.items():
            digest, data = content_hash(items)
            packed[type_] = (digest, len(items), zlib.compress(data, 6))
        stamp = _stamp(captured)
        with self._transaction() as db:
            for type_, (digest, count, data) in packed.items():
                db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", (digest, count, data))
                db.execute(
                    "INSERT OR REPLACE INTO captures VALUES (?, ?, ?, ?, ?)",
                    (host, type_, stamp, run, digest),
                )
        return {
            type_: Capture(
                host=host,
                type=type_,
                captured=datetime.fromisoformat(stamp),
                run=run,
                hash=digest,
                count=count,
            )
            for type_, (digest, count, _) in packed.items()
        }

    def latest(self, *, host: str | None = None, at: datetime | None = None) -> list[Capture]:
        """Return the newest capture of each host and type.

        Args:
            host: only this one's.
            at: as it stood then; captures after it do not count.
        """
        where, values = ["1"], []
        if host is not None:
            where.append("host = ?")
            values.append(host)
        if at is not None:
            where.append("captured <= ?")
            values.append(_stamp(at))
        # With max(), SQLite takes bare columns from the row that has it.
        columns = "host, type, max(captured) AS captured, run, hash"
        newest = f"SELECT {columns} FROM captures WHERE {' AND '.join(where)} GROUP BY host, type"  # noqa: S608 - all parts are ours
        return self._captures(
            f"SELECT {_COLUMNS} FROM ({newest}) AS captures JOIN contents USING (hash) ORDER BY host, type",  # noqa: S608
            values,
        )

    def history(self, host: str, *, type_: str | None = None) -> list[Capture]:
        """Return every capture of a host, the oldest first."""
        only = " AND type = ?" if type_ is not None else ""
        return self._captures(
            f"SELECT {_COLUMNS} FROM captures JOIN contents USING (hash) WHERE host = ?{only} ORDER BY captured, type",  # noqa: S608
            [host, *([type_] if type_ is not None else [])],
        )

    def read(self, hash_: str) -> tuple[Mapping[str, str], ...]:
        """Return a content.

        Raises:
            DamagedError: it is not what its hash says, or not there.
        """
        with self._open() as db:
            row = db.execute("SELECT data FROM contents WHERE hash = ?", (hash_,)).fetchone()
        try:
            data = zlib.decompress(row[0]) if row else b""
        except zlib.error:
            data = b""
        if sha256(data).hexdigest() != hash_:
            raise DamagedError(
                f"{self.path} is damaged: content {hash_[:12]} is not what was kept",
                hint="move the file away and collect anew: fleetctl inventory collect all",
            )
        return tuple(json.loads(data))

    def delete(
        self,
        *,
        hosts: Sequence[str] = (),
        type_: str | None = None,
        before: datetime | None = None,
        dry_run: bool = False,
    ) -> dict[str, Deletion]:
        """Forget captures, and contents that no capture needs any more.

        Args:
            hosts: of these; of all where there are none.
            type_: only of this type.
            before: only those older.
            dry_run: only count them.

        Returns:
            What these are, by type.
        """
        where, values = ["1"], list(hosts)
        if hosts:
            where.append(f"host IN ({', '.join('?' * len(hosts))})")
        if type_ is not None:
            where.append("type = ?")
            values.append(type_)
        if before is not None:
            where.append("captured < ?")
            values.append(_stamp(before))
        condition = " AND ".join(where)
        counted = f"SELECT type, count(*), count(DISTINCT host) FROM captures WHERE {condition} GROUP BY type"  # noqa: S608
        with self._transaction() as db:
            found = {
                type_: Deletion(captures, hosts) for type_, captures, hosts in db.execute(counted, values)
            }
            if found and not dry_run:
                db.execute(f"DELETE FROM captures WHERE {condition}", values)  # noqa: S608
                db.execute("DELETE FROM contents WHERE hash NOT IN (SELECT hash FROM captures)")
        return found

    def _captures(self, query: str, values: Sequence[str]) -> list[Capture]:
        with self._open() as db:
            rows = db.execute(query, values).fetchall()
        return [
            Capture(
                host=host,
                type=type_,
                captured=datetime.fromisoformat(captured),
                run=run,
                hash=hash_,
                count=count,
            )
            for host, type_, captured, run, hash_, count in rows
        ]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
            ) as db:
                db.execute("PRAGMA synchronous = FULL")
                self._prepare(db)
                yield db
        except sqlite3.Error as exc:
            raise StateFolderError(
                f"{self.path} cannot be used: {exc}", hint="is the disk full, or the file no database?"
            ) from exc

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables of a new file; refuse one that a newer fleetctl made."""
        version = _version(db)
        if version == 0:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            if _version(db) == 0:  # nobody was faster
                for table in _TABLES:
                    db.execute(table)
            db.execute("COMMIT")
        elif version > _SCHEMA_VERSION:
            raise StateFolderError(
                f"{self.path} was made by a newer fleetctl (form {version}; this one knows {_SCHEMA_VERSION})",
                hint="use that one, or name another state folder with --state",
            )


def _version(db: sqlite3.Connection) -> Any:
    return db.execute("PRAGMA user_version").fetchone()[0]


def _stamp(moment: datetime) -> str:
    """Return a moment as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
