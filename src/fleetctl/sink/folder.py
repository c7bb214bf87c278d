"""`file:///FOLDER`: another folder, such as a share that is mounted. Needs nothing but the standard library."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import threading
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

from fleetctl.errors import UsageError
from fleetctl.sink.protocol import SinkConflict, SinkFailed, Source, split_url

__all__ = ["FolderSink"]

_CHUNK = 1 << 20
# What link(2) says where a file system knows no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class FolderSink:
    """Puts objects as files, readable by their owner alone.

    Args:
        url: `file:///FOLDER`; made with its first object.
        options: takes none.

    Raises:
        UsageError: the URL names no folder, or an option was given.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        if options:
            raise UsageError(f"a file:// sink has no setting '{min(options)}'", hint="take it out")
        self._root = Path(split_url(url).path)

    async def put(self, key: str, source: Source) -> None:
        """Put a file, whole or not at all, on disk when this returns."""
        loop = asyncio.get_running_loop()
        put: asyncio.Future[None] = loop.create_future()

        def work() -> None:
            fault: Exception | None = None
            try:
                self._put(key, source)
            except Exception as exc:  # noqa: BLE001 - raised where it is awaited
                fault = exc
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, put, fault)

        # A thread that may be left behind: a share whose server is gone blocks for ever, and must not keep the program from ending.
        threading.Thread(target=work, name="sink", daemon=True).start()
        await put

    async def close(self) -> None:
        """Nothing is held open."""

    def _put(self, key: str, source: Source) -> None:
        path = self._root / key
        temporary = path.with_name(f".{secrets.token_hex(16)}.part")
        try:
            for folder in reversed([above for above in path.parents if not above.exists()]):
                folder.mkdir(mode=0o700, exist_ok=True)  # each one: what hosts print is for its owner alone
            if path.exists():
                self._compare(key, path, source)
                return
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(handle, "wb") as file, _open(source) as content:
                    shutil.copyfileobj(content, file, _CHUNK)
                    file.flush()
                    os.fsync(file.fileno())
                self._name(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        except FileExistsError:
            self._compare(key, path, source)
        except OSError as exc:
            raise SinkFailed(f"{path} cannot be written: {exc.strerror}") from exc

    @staticmethod
    def _name(temporary: Path, path: Path) -> None:
        """Give the file its name, unless something has it: link(2) is the one call that cannot replace."""
        try:
            os.link(temporary, path)
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists", str(path)) from exc
            temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):  # not every share can
                os.fsync(folder)
        finally:
            os.close(folder)

    @staticmethod
    def _compare(key: str, path: Path, source: Source) -> None:
        try:
            with path.open("rb") as there, _open(source) as here:
                while True:
                    old, new = there.read(_CHUNK), here.read(_CHUNK)
                    if old != new:
                        raise SinkConflict(key, grown=new.startswith(old) and not there.read(1))
                    if not old:
                        return
        except OSError as exc:
            raise SinkFailed(f"{path} stands there and cannot be read: {exc.strerror}") from exc


def _settle(put: asyncio.Future[None], fault: Exception | None) -> None:
    if put.done():
        return
    if fault is None:
        put.set_result(None)
    else:
        put.set_exception(fault)


def _open(source: Source) -> IO[bytes]:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")
