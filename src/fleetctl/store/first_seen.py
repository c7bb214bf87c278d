"""When fleetctl first saw a version, where its vendor gives no date: what approval delays are counted from there.

One table in one SQLite file of its own, read whole (a year of Debian's security updates is some ten thousand rows) and written with
one short transaction for what is new. Nothing is ever joined with it and an import of SQLAlchemy would cost more than all its queries,
so it is sqlite3, with `user_version` as the version of its schema.

Nothing here raises: a record that cannot be read or written is a trouble that verdicts mention, never the end of a scan.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["FirstSeenDates", "Seen"]

Seen: TypeAlias = tuple[str, str, str]
"""Name, version, repository."""

_FILE: Final = "first-seen.db"
_SCHEMA_VERSION: Final = 1
_PATIENCE: Final = 20.0  # seconds to wait for another controller's transaction; each takes milliseconds
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS seen (manager TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,"
    " repository TEXT NOT NULL, first TEXT NOT NULL, PRIMARY KEY (manager, name, version, repository)) WITHOUT ROWID"
)
# The earliest date stays, whichever of two controllers comes first.
_INSERT: Final = (
    "INSERT INTO seen VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET first = min(first, excluded.first)"
)


class FirstSeenDates:
    """The dates below one folder. May be used from any thread, and by several processes at once.

    Args:
        folder: it lies in; it must exist.
        record: write what is new; False only reads.

    Attributes:
        path: the file.
        trouble: what a reader of verdicts should know about the record, in one sentence; empty if nothing is wrong with it.
    """

    def __init__(self, folder: Path, *, record: bool = True) -> None:
        self.path = folder / _FILE
        self.trouble = ""
        self._record = record
        self._lock = threading.Lock()
        self._known: dict[str, dict[Seen, datetime]] = {}

    def dates(self, manager: str) -> Mapping[Seen, datetime]:
        """Return what was seen of one package manager, aware UTC."""
        with self._lock:
            return self._of(manager)

    def note(self, manager: str, seen: Iterable[Seen], now: datetime) -> None:
        """Remember what is new among versions that were just seen; it is on disk when this returns.

        Args:
            manager: the package manager that offers them.
            seen: versions without a vendor's date.
            now: aware.
        """
        with self._lock:
            known = self._of(manager)
            new = [item for item in dict.fromkeys(seen) if item not in known]
            if not new:
                return
            # A copy: who holds the mapping of before may be in the middle of walking through it.
            self._known[manager] = {**known, **dict.fromkeys(new, now)}
            if self._record:
                self._write(manager, new, now)

    def _of(self, manager: str) -> dict[Seen, datetime]:
        if manager not in self._known:
            self._known[manager] = self._read(manager)
        return self._known[manager]

    def _read(self, manager: str) -> dict[Seen, datetime]:
        if not self.path.exists():
            return {}
        try:
            with self._open() as db:
                rows = db.execute(
                    "SELECT name, version, repository, first FROM seen WHERE manager = ?", (manager,)
                ).fetchall()
            return {(name, version, repo): _moment(first) for name, version, repo, first in rows}
        except (OSError, ValueError, TypeError, AttributeError, sqlite3.Error) as exc:
            self._explain(exc)
            return {}

    def _write(self, manager: str, new: list[Seen], now: datetime) -> None:
        stamp = now.astimezone(UTC).isoformat(timespec="seconds")
        rows = [(manager, *item, stamp) for item in new]
        try:
            with self._open() as db, db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(_INSERT, rows)
        except (OSError, ValueError, sqlite3.Error) as exc:
            self._explain(exc)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # The default journal, not WAL: a state folder may lie on a file system that several machines share.
        with contextlib.closing(sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise ValueError(f"it was written by a newer fleetctl (schema {version})")
            if version < _SCHEMA_VERSION:
                if not self._record:
                    raise ValueError("it holds nothing")
                db.execute("BEGIN IMMEDIATE")
                db.execute(_TABLE)
                db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
                db.execute("COMMIT")
                self.path.chmod(0o600)
            yield db

    def _explain(self, exc: Exception) -> None:
        """Say what is wrong; a file that is no database is put aside, so that dates are kept from now on."""
        damaged = isinstance(exc, sqlite3.DatabaseError) and not isinstance(exc, sqlite3.OperationalError)
        aside = self._put_aside() if damaged and self._record else None
        what = f"put aside as {aside.name}" if aside else "left as it is"
        self.trouble = (
            f"the record of first-seen dates {self.path} cannot be used ({exc}; {what}): versions without a vendor's date count as"
            " seen today"
        )

    def _put_aside(self) -> Path | None:
        """Rename the damaged file, unless another controller has just done so."""
        aside = self.path.with_name(f"{_FILE}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        with contextlib.suppress(OSError), self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._is_damaged():
                return None
            os.replace(self.path, aside)  # noqa: PTH105 - Path.replace of the same
            for journal in (
                "-journal",
                "-wal",
                "-shm",
            ):  # of the damaged file: they must not be played into a new one
                self.path.with_name(_FILE + journal).unlink(missing_ok=True)
            return aside
        return None

    def _is_damaged(self) -> bool:
        try:
            with self._open() as db:
                db.execute("SELECT count(*) FROM seen").fetchone()
        except sqlite3.OperationalError:
            return False
        except sqlite3.DatabaseError:
            return True
        except (OSError, ValueError):
            return False
        return False


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
