"""An index of the kept reports: who was judged when, and where that is told. Reports are the truth; the index can be made again from them.

However many reports there are, how things stand is told by reading only those that hold the newest word on a host, and how it came to
that by their summaries, which the index holds.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from fleetctl.errors import StateFolderError

__all__ = ["Kept", "ReportIndex", "Word", "part_of"]

_FILE: Final = ".index.db"
_POLICIES: Final = "Custom:policy"
_VERSION: Final = 2
_PATIENCE: Final = 10.0  # seconds to wait for another process that writes
_FIELDS: Final = (
    "ComplianceType",
    "CommandId",
    "CapturedTime",
    "Summary",
    "ResourceSummaries",
    "ComplianceItems",
)

# A report that could not be read has no type. Words are kept in the order in which they are asked for.
_TABLES: Final = (
    """CREATE TABLE reports (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, changed INTEGER NOT NULL,
        type TEXT, run TEXT, captured TEXT, summary TEXT
    )""",
    """CREATE TABLE words (
        type TEXT NOT NULL, host TEXT NOT NULL, part TEXT NOT NULL, time TEXT NOT NULL,
        report INTEGER NOT NULL REFERENCES reports (id), PRIMARY KEY (type, host, part, time, report)
    ) WITHOUT ROWID""",
    f"PRAGMA user_version = {_VERSION}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A report in short.

    Attributes:
        path: where the whole of it is.
        captured: as the report writes it.
        summary: its `Summary`.
    """

    path: Path
    type: str
    run_id: str
    captured: str
    summary: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the head of the report."""
        return {
            "ComplianceType": self.type,
            "CommandId": self.run_id,
            "CapturedTime": self.captured,
            "Summary": dict(self.summary),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The newest verdict about a host, and the report that tells it.

    Attributes:
        part: name of the policy that it is about; empty where a report tells all of its type.
    """

    type: str
    host: str
    part: str
    path: Path


class ReportIndex:
    """The reports of one folder, as they are when it is opened.

    Args:
        folder: `.fleetctl/reports/compliance`; it need not exist.

    Attributes:
        damaged: reports that cannot be read; they hide no others.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._db = _opened(folder)
        self.damaged: list[Path] = []

    def __enter__(self) -> Self:
        """Look which reports came and went."""
        try:
            self._sync()
        except sqlite3.Error as exc:
            self._db.close()
            raise _unusable(self.folder, exc) from exc
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._db.close()

    def add(self, path: Path, report: Mapping[str, Any]) -> None:
        """Take a report that was just written, so that nobody need read it again for this, and close the index.

        Raises:
            StateFolderError: the index cannot be written; the report is found when it is opened next.
        """
        try:
            with _transaction(self._db):
                self._put(path, report)
        except (sqlite3.Error, OSError) as exc:
            raise _unusable(self.folder, exc) from exc
        finally:
            self._db.close()

    def kept(self, *, type_: str | None = None, last: int | None = None) -> list[Kept]:
        """Return reports, the newest first.

        Args:
            type_: only of this type.
            last: only so many.
        """
        rows = self._db.execute(
            "SELECT name, type, run, captured, summary FROM reports WHERE type IS NOT NULL AND (?1 IS NULL OR type = ?1)"
            " ORDER BY captured DESC, id DESC LIMIT ?2",
            (type_, -1 if last is None else last),
        )
        return [
            Kept(
                path=self.folder / name, type=kind, run_id=run, captured=captured, summary=json.loads(summary)
            )
            for name, kind, run, captured, summary in rows
        ]

    def newest(self, *, type_: str | None = None, host: str | None = None) -> list[Word]:
        """Return the newest word on each host, by type, host and part: who checks one policy says nothing of the others.

        Args:
            type_: only of this type.
            host: only this one.
        """
        rows = self._db.execute(
            "SELECT words.type, host, part, name, max(time || printf('#%012d', report)) FROM words JOIN reports ON reports.id = report"
            " WHERE (?1 IS NULL OR words.type = ?1) AND (?2 IS NULL OR host = ?2) GROUP BY words.type, host, part",
            (type_, host),
        )
        return [
            Word(type=kind, host=name, part=part, path=self.folder / file)
            for kind, name, part, file, _ in rows
        ]

    def _sync(self) -> None:
        there = (
            {path.name: path.stat() for path in self.folder.glob("*.json")} if self.folder.is_dir() else {}
        )
        known = {
            name: (id_, size, changed)
            for id_, name, size, changed in self._db.execute("SELECT id, name, size, changed FROM reports")
        }
        seen = {name: (status.st_size, status.st_mtime_ns) for name, status in there.items()}
        gone = [known[name][0] for name in known if known[name][1:] != seen.get(name)]
        new = sorted(name for name in seen if name not in known or known[name][1:] != seen[name])
        if gone:
            with _transaction(self._db):
                self._db.executemany("DELETE FROM words WHERE report = ?", [(id_,) for id_ in gone])
                self._db.executemany("DELETE FROM reports WHERE id = ?", [(id_,) for id_ in gone])
        for name in new:  # a transaction each: what is read once is not read again, whatever happens
            with _transaction(self._db):
                self._put(self.folder / name, _read(self.folder / name))
        damaged = self._db.execute("SELECT name FROM reports WHERE type IS NULL ORDER BY name")
        self.damaged = [self.folder / name for (name,) in damaged]

    def _put(self, path: Path, report: Mapping[str, Any] | None) -> None:
        status = path.stat()
        told = _told(report) if report is not None else None
        head = told[0] if told else (None, None, None, None)
        row = self._db.execute(
            "INSERT OR IGNORE INTO reports (name, size, changed, type, run, captured, summary) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (path.name, status.st_size, status.st_mtime_ns, *head),
        )
        if told and row.rowcount:
            self._db.executemany(
                "INSERT OR IGNORE INTO words VALUES (?, ?, ?, ?, ?)",
                [(head[0], *word, row.lastrowid) for word in told[1]],
            )


def part_of(item: Mapping[str, Any]) -> str:
    """Return the part of its type that an item belongs to: the policy, of checks of policies."""
    return str(item["Details"].get("PolicyName", "")) if item["ComplianceType"] == _POLICIES else ""


def _told(report: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, str, str]]] | None:
    """Return what is indexed of a report; None where it is none."""
    try:
        if any(name not in report for name in _FIELDS):
            return None
        head = (
            str(report["ComplianceType"]),
            str(report["CommandId"]),
            _moment(report["CapturedTime"]),
            json.dumps(report["Summary"]),
        )
        parts: dict[str, dict[str, None]] = {}
        for item in report["ComplianceItems"]:
            parts.setdefault(item["ResourceId"], {})[part_of(item)] = None
        words = [
            (str(host["ResourceId"]), part, _moment(host["ExecutionSummary"]["ExecutionTime"]))
            for host in report["ResourceSummaries"]
            for part in parts.get(host["ResourceId"], ("",))
        ]
    except (KeyError, TypeError, ValueError):
        return None
    return head, words


def _moment(text: str) -> str:
    """Return a moment as text that sorts by time."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _opened(folder: Path) -> sqlite3.Connection:
    """Open the index; make it anew where it is damaged or another version's, and in memory where the folder is not ours to write."""
    path = folder / _FILE
    for _ in range(2):
        try:
            return _prepared(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None))
        except sqlite3.OperationalError:
            break  # read-only, no such folder, no room
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                path.unlink()
    return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        _stop_at_others(db)
        with _transaction(db):
            if db.execute("PRAGMA user_version").fetchone() == (0,):  # nobody was faster
                for table in _TABLES:
                    db.execute(table)
    except BaseException:
        db.close()
        raise
    return db


def _stop_at_others(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in {0, _VERSION}:
        raise sqlite3.DatabaseError(f"it is of version {version}")


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _unusable(folder: Path, exc: Exception) -> StateFolderError:
    path = folder / _FILE
    return StateFolderError(f"{path} cannot be used: {exc}", hint=f"it is made anew without it: rm {path}")
