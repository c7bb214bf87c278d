"""The audit log: one chain over all runs of a state folder, so that a run that was edited, or removed, is missed.

audit/audit.jsonl               who ran what, when, where, with what result; the last record of each run's ledger
audit/checkpoints/42.txt        what the log was after record 42, in words that anybody can read
audit/checkpoints/42.txt.sig    an SSH signature of it
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import StateFolderError
from fleetctl.store.chain import Chain, cut_torn, end_of, hash_of, inspect, records, seal
from fleetctl.store.owner import user_name
from fleetctl.store.runs import RunFolder, sync_folder
from fleetctl.store.standing import standing

__all__ = ["BEGINNING", "AuditLog", "Entry"]

# What record 1 is bound to: the SHA-256 of this text.
BEGINNING: Final = b"fleetctl audit log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record as it was written: its `seq`, and the hash that the record after it will carry."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The audit log of one state folder.

    Args:
        path: `audit.jsonl`; made with the first record. Its folder must exist.
    """

    path: Path

    @classmethod
    def below(cls, folder: Path) -> AuditLog:
        """Return the audit log of a folder that exists: `.fleetctl/audit`."""
        return cls(folder / "audit.jsonl")

    @property
    def first(self) -> str:
        """What record 1 carries as `prev`."""
        return hash_of(BEGINNING)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints; it may not exist."""
        return self.path.parent / "checkpoints"

    def add(self, type_: str, **fields: Any) -> None:
        """Add a record, as `enter` does: what the engine wants of an audit log (`fleetctl.engine.order.Audit`).

        Raises:
            StateFolderError, DamagedError: it cannot be written.
        """
        self.enter(type_, **fields)

    def enter(self, type_: str, **fields: Any) -> Entry:
        """Add a record, and return where it stands; it is on disk when this returns. Controllers that add at the same time wait for one another.

        A torn last line, as a power cut leaves it, is cut off, and a `repaired` record says so. Lines at the end that are no records
        are left for `audit verify` to find: work must not stop for them.

        Args:
            type_: `run-started`, `run-continued`, `run-ended`, `run-removed`, `run-pruned`, `checkpoint`.
            **fields: those that are None or empty text are left out.

        Raises:
            StateFolderError: it cannot be written.
            DamagedError: there is no record anywhere near its end.
        """
        with self._locked() as fd:
            chain = end_of(self.path, first=self.first)
            lines: list[bytes] = []
            if chain.torn:
                cut_torn(self.path, chain)
                self._seal(chain, lines, "repaired", {"dropped": chain.torn})
            self._seal(chain, lines, type_, fields)
            self._write(fd, b"".join(line + b"\n" for line in lines), size=chain.size)
            return Entry(sequence=chain.sequence, hash=chain.head)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield what stands in it, the oldest first, without comparing hashes.

        Raises:
            StateFolderError: it cannot be read.
        """
        return records(self.path)

    def note_removal(self, run: RunFolder, type_: str = "run-removed", **fields: Any) -> None:
        """Enter that a run is about to be removed, by whom, and what its ledger ended with; call it before anything goes.

        Raises:
            StateFolderError, DamagedError: it cannot be written: the run must stay.
        """
        end = standing(run.events)
        self.add(
            type_,
            run=run.run_id,
            user=user_name(),
            host=socket.gethostname(),
            head=end.head,
            sequence=end.sequence or None,
            **fields,
        )

    def lines(self) -> Iterator[str]:
        """Yield its lines to the byte, without their ends; those that hold no text are escaped.

        Raises:
            StateFolderError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                for line in file:
                    yield line.removesuffix(b"\n").decode("utf-8", "backslashreplace")
        except FileNotFoundError:
            return
        except OSError as exc:
            raise StateFolderError(f"{self.path} cannot be read: {exc.strerror}") from exc

    def inspect(
        self,
        *,
        see: Callable[[int, Mapping[str, Any]], None] | None = None,
        marks: Collection[int] = (),
    ) -> Chain:
        """Look through the whole chain; see `fleetctl.store.chain.inspect`."""
        return inspect(self.path, first=self.first, see=see, marks=marks, base="where it begins")

    def _seal(self, chain: Chain, lines: list[bytes], type_: str, fields: Mapping[str, Any]) -> None:
        line = seal(type_, fields, sequence=chain.sequence + 1, previous=chain.head)
        chain.sequence += 1
        chain.head = hash_of(line)
        lines.append(line)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Yield the log, opened to append, while nobody else adds to it."""
        try:
            made = not self.path.exists()
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                # Held for milliseconds. Where a file system knows no locks, two that add at once leave a fork, which `audit verify` finds.
                with contextlib.suppress(OSError):
                    fcntl.flock(fd, fcntl.LOCK_EX)
                if made:
                    sync_folder(self.path.parent)
                yield fd
            finally:
                os.close(fd)
        except OSError as exc:
            raise StateFolderError(f"{self.path} cannot be written: {exc.strerror}") from exc

    def _write(self, fd: int, data: bytes, *, size: int) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)  # all or nothing
            raise StateFolderError(
                f"{self.path} cannot be written: {exc.strerror}", hint="is the disk full?"
            ) from exc
