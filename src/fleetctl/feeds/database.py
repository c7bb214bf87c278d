"""The file in which feeds are kept: one SQLite file of its own, because nothing else is joined with it and it can be fetched anew.

An entry's CVEs and the packages that it is about stand in two tables: a kernel's advisory has hundreds of each, and their product
would be a hundred times the size.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import StateFolderError
from fleetctl.feeds.model import Feed

__all__ = ["FILE", "feed_of", "opened", "stamp", "transaction"]

FILE: Final = "feeds.db"
_SCHEMA_VERSION: Final = 1
_PATIENCE: Final = 120.0  # seconds to wait for another import
_TABLES: Final = (
    """CREATE TABLE feeds (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, scope TEXT NOT NULL, source TEXT NOT NULL, dated TEXT NOT NULL,
        dated_by TEXT NOT NULL, imported TEXT NOT NULL, entries INTEGER NOT NULL
    )""",
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, feed INTEGER NOT NULL, name TEXT NOT NULL)",
    "CREATE UNIQUE INDEX entries_name ON entries (feed, name)",
    "CREATE TABLE names (cve TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (cve, entry)) WITHOUT ROWID",
    "CREATE INDEX names_entry ON names (entry)",
    "CREATE TABLE claims (entry INTEGER NOT NULL, ecosystem TEXT NOT NULL, package TEXT NOT NULL, claim TEXT NOT NULL)",
    "CREATE INDEX claims_entry ON claims (entry)",
    "CREATE INDEX claims_package ON claims (package)",
    "CREATE TABLE ecosystems (feed INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (feed, name)) WITHOUT ROWID",
    """CREATE TABLE exploited (
        cve TEXT NOT NULL, feed INTEGER NOT NULL, added TEXT NOT NULL, due TEXT NOT NULL, ransomware INTEGER NOT NULL,
        name TEXT NOT NULL, PRIMARY KEY (cve, feed)
    ) WITHOUT ROWID""",
    """CREATE TABLE scores (
        cve TEXT NOT NULL, feed INTEGER NOT NULL, probability REAL NOT NULL, percentile REAL NOT NULL, PRIMARY KEY (cve, feed)
    ) WITHOUT ROWID""",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, made where it is not there.

    Raises:
        StateFolderError: it cannot be used, or a newer fleetctl made it.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as db:
            version = _version(db)
            if version == 0:
                _prepare(db, path)
            elif version > _SCHEMA_VERSION:
                raise StateFolderError(
                    f"{path} was made by a newer fleetctl (form {version}; this one knows {_SCHEMA_VERSION})",
                    hint="use that one, or move the file away and import the feeds again",
                )
            yield db
    except sqlite3.Error as exc:
        raise StateFolderError(
            f"{path} cannot be used: {exc}",
            hint="is the disk full? Feeds can be fetched anew: move the file away and import them again",
        ) from exc


@contextlib.contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file to change it: all that is done is kept, or nothing is.

    Raises:
        StateFolderError: as `opened`.
    """
    with opened(path) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def feed_of(row: tuple[Any, ...]) -> Feed:
    """Make a feed of a row of `SELECT id, kind, scope, source, dated, dated_by, imported, entries`."""
    id_, kind, scope, source, dated, dated_by, imported, entries = row
    return Feed(
        id=id_,
        kind=kind,
        scope=scope,
        source=source,
        dated=datetime.fromisoformat(dated),
        dated_by=dated_by,
        imported=datetime.fromisoformat(imported),
        entries=entries,
    )


def stamp(moment: datetime) -> str:
    """Return a moment as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA journal_mode = WAL")  # an import takes minutes, and others read meanwhile
    db.execute("BEGIN IMMEDIATE")
    if _version(db) == 0:  # nobody was faster
        for table in _TABLES:
            db.execute(table)
    db.execute("COMMIT")
    path.chmod(0o600)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
