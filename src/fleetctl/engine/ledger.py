"""The append-only record of a run: intent before the act, result after, each line bound to the one before.

`events.jsonl` is a chain (`fleetctl.store.chain`) whose first record is bound to `run.json`. A controller that carries on with a run
goes on in the same file.

One flush to disk serves every record that waits for one: hundreds of hosts start in a few commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fleetctl.errors import DamagedError, StateFolderError
from fleetctl.store.chain import Chain, cut_torn, hash_of, inspect, seal
from fleetctl.store.runs import sync_folder

__all__ = ["Ledger"]

# Seconds that a result may wait for company on its way to disk.
_FLUSH_AFTER = 0.05


def _look_away(task: asyncio.Task[None]) -> None:
    """Retrieve a failure that nobody waited for; the next `commit` meets the same full disk and raises it."""
    if not task.cancelled():
        task.exception()


class Ledger:
    """Writes one run's events.

    Args:
        path: `events.jsonl`; made here, must not exist. To go on with one that does: `Ledger.reopen`.
        first: what the first record is bound to: the bytes of `run.json`.
        after: what stands in it already, where it is gone on with.

    Raises:
        StateFolderError: it cannot be made.
    """

    def __init__(self, path: Path, *, first: bytes, after: Chain | None = None) -> None:
        chain = after or Chain(head=hash_of(first))
        how = os.O_CREAT if after else os.O_CREAT | os.O_EXCL
        self._path = path
        self._previous = chain.head
        self._sequence = chain.sequence
        self._lines: list[bytes] = []
        self._appended = 0
        self._durable = 0
        self._flushing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._size = chain.size
        # A thread of its own: the loop's are shared with name resolution, where a dead name server would hold up every start.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | how, 0o600)
            sync_folder(path.parent)
        except OSError as exc:
            raise StateFolderError(f"{path} cannot be made: {exc.strerror}") from exc

    @classmethod
    def reopen(cls, path: Path, *, first: bytes) -> Ledger:
        """Go on with a ledger that another controller left, perhaps in the middle of a line.

        A torn last line, as a power cut leaves it, is cut off, and a `repaired` record says so.

        Raises:
            DamagedError: something else is wrong with it: it was changed, or lost records.
            StateFolderError: it cannot be read or written.
        """
        chain = inspect(path, first=hash_of(first))
        if not chain.sound:
            worst = next(flaw for flaw in chain.flaws if flaw.kind != "torn")
            raise DamagedError(
                f"{path} is damaged: {worst.message}",
                hint=f"see all of it with: fleetctl runs verify {path.parent.name}",
            )
        if chain.torn:
            cut_torn(path, chain)
        ledger = cls(path, first=first, after=chain)
        if chain.torn:
            ledger.append("repaired", dropped=chain.torn)
        return ledger

    @property
    def head(self) -> str:
        """The hash of the last record that was appended: what vouches for the whole ledger."""
        return self._previous

    @property
    def sequence(self) -> int:
        """The `seq` of the last record that was appended."""
        return self._sequence

    def append(self, type_: str, **fields: Any) -> None:
        """Add a record; it is on disk after the next `commit`. Fields that are None or empty text are left out."""
        self._sequence += 1
        line = seal(type_, fields, sequence=self._sequence, previous=self._previous)
        self._previous = hash_of(line)
        self._lines.append(line)
        self._appended += 1

    async def commit(self) -> None:
        """Return when everything appended so far is on disk.

        Raises:
            StateFolderError: it cannot be written (disk full); nothing more must be started.
        """
        wanted = self._appended
        while self._durable < wanted:
            if self._flushing is None:
                self._flushing = asyncio.ensure_future(self._flush())
            await asyncio.shield(self._flushing)

    def flush_soon(self) -> None:
        """Bring what was appended to disk shortly, without anybody waiting for it: results, which come after the act."""
        if self._timer is None and self._flushing is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER, self._flush_now)

    def _flush_now(self) -> None:
        self._timer = None
        if self._lines and self._flushing is None:
            self._flushing = asyncio.ensure_future(self._flush())
            self._flushing.add_done_callback(_look_away)

    async def _flush(self) -> None:
        lines, self._lines = self._lines, []
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._writer, self._write, b"\n".join(lines) + b"\n"
            )
            self._durable += len(lines)
        except BaseException:
            self._lines[:0] = lines
            raise
        finally:
            self._flushing = None

    def _write(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fdatasync(self._fd)
            self._size += len(data)
        except OSError as exc:
            # All or nothing: the same lines are written again at the next chance, and must not follow half of themselves.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise StateFolderError(
                f"{self._path} cannot be written: {exc.strerror}",
                hint="free some disk space; started hosts were let finish",
            ) from exc

    async def close(self) -> None:
        """Write what is left, and close."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self.commit()
        finally:
            self._writer.shutdown(wait=False)
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
