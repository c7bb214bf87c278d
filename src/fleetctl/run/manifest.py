"""What is to be copied: local files with their digests, and what a host says it has."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fleetctl.errors import UsageError

__all__ = ["Item", "Manifest", "digest", "local_manifest", "safe_relative"]

_DIGEST_LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-f]{64}) [ *](?P<name>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file to push.

    Attributes:
        source: the local file.
        name: its path below the destination, `/` between parts; the file's own name where it is pushed by itself.
        size: in bytes.
        mode: its permission bits.
        sha256: of its content, hexadecimal.
    """

    source: Path
    name: str
    size: int
    mode: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one push sends, the same to every host.

    Attributes:
        kind: `file` (one file, under the destination's name), `tree` (one folder, under the destination's name), or `into`
            (the destination is a folder that takes everything).
        folders: below the destination, parents first.
    """

    kind: str
    items: tuple[Item, ...]
    folders: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(item.size for item in self.items)

    def lines(self) -> bytes:
        """Return what `sha256sum -c` reads."""
        return b"".join(
            f"{item.sha256}  ./{item.name}\n".encode("utf-8", "surrogateescape") for item in self.items
        )


def local_manifest(sources: Sequence[Path], *, into: bool) -> Manifest:
    """Read what is to be pushed; links are followed.

    Args:
        sources: files and folders.
        into: whether the destination is a folder that takes them under their own names (it was written with a `/` at its
            end); several sources always are.

    Raises:
        UsageError: a source does not exist, cannot be read, is no file or folder, or has a name that cannot travel.
    """
    into = into or len(sources) > 1
    items: list[Item] = []
    folders: list[str] = []
    for source in sources:
        name = source.name or source.resolve().name
        if source.is_dir():
            start = name if into else ""
            for kind, path, relative in _walk(source, start):
                if kind == "folder":
                    folders.append(relative)
                else:
                    items.append(_item(path, relative))
        else:
            items.append(_item(source, name))
    twice = next((name for name, count in Counter(item.name for item in items).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"two sources would both become '{twice}'", hint="push them one after the other")
    single = "tree" if sources[0].is_dir() else "file"
    return Manifest(kind="into" if into else single, items=tuple(items), folders=tuple(folders))


def _walk(folder: Path, start: str) -> Iterator[tuple[str, Path, str]]:
    """Yield folders before what is in them, in the order of names; a loop of links is an error."""
    seen: set[tuple[int, int]] = set()

    def visit(path: Path, relative: str) -> Iterator[tuple[str, Path, str]]:
        try:
            status = path.stat()
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as exc:
            raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
        if (status.st_dev, status.st_ino) in seen:
            raise UsageError(
                f"{path} leads into itself by a link", hint="push the parts of the folder one by one"
            )
        seen.add((status.st_dev, status.st_ino))
        if relative:
            yield "folder", path, relative
        for entry in entries:
            below = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir():
                yield from visit(Path(entry.path), below)
            else:
                yield "file", Path(entry.path), below
        seen.discard((status.st_dev, status.st_ino))

    yield from visit(folder, start)


def _item(path: Path, name: str) -> Item:
    if "\n" in name or "\r" in name:
        raise UsageError(f"{name!r}: a file name with a line break cannot be pushed", hint="rename it")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is neither a file nor a folder", hint="leave it out")
        return Item(
            source=path,
            name=name,
            size=status.st_size,
            mode=stat.S_IMODE(status.st_mode) & 0o777,
            sha256=digest(path),
        )
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_relative(line: str) -> tuple[str, str] | None:
    """Read one line of a host's listing: `SHA256  ./NAME` or `./NAME`.

    A host must not be able to write outside the folder that is its own: absolute names, `..`, empty parts and names with
    control characters are not taken.

    Returns:
        The digest (empty if the host has none) and the relative name, or None if the line cannot be taken.
    """
    found = _DIGEST_LINE.fullmatch(line)
    name = found["name"] if found else line
    if (
        found and found["escaped"]
    ):  # GNU sha256sum: the line starts with a backslash, and the name has escapes
        name = re.sub(r"\\(.)", lambda char: {"n": "\n", "r": "\r"}.get(char[1], char[1]), name)
    if name == ".":
        return (found["digest"] if found else ""), ""
    parts = PurePosixPath(name).parts
    if not name.startswith("./") or not parts or ".." in parts or any(ord(char) < 32 for char in name):
        return None
    return (found["digest"] if found else ""), "/".join(parts)
