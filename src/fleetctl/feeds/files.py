"""Open the file of a feed, packed or not, and read it in pieces: whatever it holds, memory stays bounded."""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn, Protocol

from fleetctl.errors import FeedError, Where

__all__ = ["Document", "FeedFile"]

_CHUNK: Final = 1 << 18
# Real feeds pack to a tenth or a thirtieth; zlib's limit is a thousandth. Little files may pack as they like.
_MOST_RATIO: Final = 250
_ALWAYS_ALLOWED: Final = 64 << 20
_BOMB: Final = f"it unpacks to more than {_MOST_RATIO} times its size: that is no feed"
_LONGEST_LINE: Final = 1 << 20
# RuntimeError: what zipfile says of passwords and of ways of packing that it does not know.
_BROKEN: Final = (EOFError, zlib.error, zipfile.BadZipFile, OSError, RuntimeError)


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Document:
    """One text inside a file: the whole of it, or a member of an archive.

    Attributes:
        name: of the file, with the member of the archive.
        packed: its size on disk, in bytes; 0 where it is not packed.
    """

    def __init__(self, raw: _Bytes, *, name: str, packed: int = 0) -> None:
        self.name = name
        self.packed = packed
        self._raw = raw
        self._unpacked = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()

    def read(self, size: int = _CHUNK) -> str:
        """Return some more text; empty at the end.

        Raises:
            FeedError: it is cut short, damaged, no UTF-8, or a bomb.
        """
        while True:
            try:
                data = self._raw.read(size)
            except _BROKEN as exc:
                self.fail(_why(exc))
            self._unpacked += len(data)
            if self.packed and self._unpacked > max(_ALWAYS_ALLOWED, self.packed * _MOST_RATIO):
                self.fail(_BOMB)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError:
                self.fail(f"it is no UTF-8 text (before byte {self._unpacked})")
            if text or not data:
                return text

    def lines(self) -> Iterator[str]:
        """Yield lines with their ends, as `csv` wants them.

        Raises:
            FeedError: as `read`; or a line is longer than a megabyte.
        """
        rest = ""
        while text := self.read():
            *whole, rest = (rest + text).split("\n")
            for line in whole:
                yield line + "\n"
            if len(rest) > _LONGEST_LINE:
                self.fail("a line of it is longer than a megabyte: that is no feed")
        if rest:
            yield rest

    def fail(self, message: str, *, line: int = 0, column: int = 0) -> NoReturn:
        """Say what is wrong with it, and where."""
        raise FeedError(message, where=Where(self.name, line, column))


class FeedFile:
    """A file that may be a feed: plain, `.gz`, or a `.zip` of JSON files; told by its first bytes, not by its name.

    Raises:
        FeedError: it cannot be read, or is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.is_dir():
                raise FeedError(f"{path} is a folder", hint="name the files in it")
            if path.exists() and not path.is_file():  # it is read several times
                raise FeedError(f"{path} is no plain file", hint="write it to a file first")
            with path.open("rb") as file:
                head = file.read(4)
            status = path.stat()
        except OSError as exc:
            raise FeedError(f"{path} cannot be read: {exc.strerror}") from exc
        if not head:
            raise FeedError(f"{path} is empty", hint="fetch it again")
        self.changed = datetime.fromtimestamp(status.st_mtime, UTC)
        self._size = status.st_size
        self.archive = head.startswith(b"PK\x03\x04") or head == b"PK\x05\x06"
        self._gzip = head.startswith(b"\x1f\x8b")

    def documents(self) -> Iterator[Document]:
        """Yield what is in it, one after the other; each is good until the next is asked for.

        Raises:
            FeedError: it is damaged.
        """
        if self.archive:
            yield from self._members()
            return
        try:
            with self._opened() as raw:
                yield Document(raw, name=str(self.path), packed=self._size if self._gzip else 0)
        except OSError as exc:
            raise FeedError(f"{self.path} cannot be read: {exc.strerror}") from exc

    @contextmanager
    def _opened(self) -> Iterator[_Bytes]:
        with self.path.open("rb") as file:
            if not self._gzip:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked

    def _members(self) -> Iterator[Document]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                for member in self._checked(archive):
                    name = f"{self.path}:{member.filename}"
                    with archive.open(member) as raw:
                        yield Document(raw, name=name, packed=max(1, member.compress_size))
        except FeedError:
            raise
        except _BROKEN as exc:
            raise FeedError(_why(exc), where=Where(str(self.path))) from exc

    def _checked(self, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        """Return the JSON files of an archive; zipfile reads no more of one than it says of itself."""
        found = [m for m in archive.infolist() if not m.is_dir() and m.filename.endswith(".json")]
        if not found:
            raise FeedError("there is no .json file in it", where=Where(str(self.path)))
        if sum(member.file_size for member in found) > max(_ALWAYS_ALLOWED, self._size * _MOST_RATIO):
            raise FeedError(_BOMB, where=Where(str(self.path)))
        return found


def _why(exc: Exception) -> str:
    if isinstance(exc, EOFError):
        return "it is cut short: fetch it again"
    if isinstance(exc, RuntimeError):
        return f"it cannot be unpacked: {exc}"
    return f"it is damaged, fetch it again: {exc}"
