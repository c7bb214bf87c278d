"""Pack a folder for a host, and unpack what a host sent, which is not to be trusted."""

from __future__ import annotations

import os
import shutil
import tarfile
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from typing import IO

__all__ = ["NotSafe", "pack", "unpack"]


class NotSafe(Exception):  # noqa: N818 - a finding about an archive
    """An archive that wants to write where it was not asked to, or that is damaged."""


def pack(folder: Path, into: IO[bytes]) -> int:
    """Write a folder's files, folders and links as a tar archive, owned by nobody; return the bytes of its files."""
    size = 0
    with tarfile.open(fileobj=into, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            member = archive.gettarinfo(str(path), arcname=str(path.relative_to(folder)))
            if not (member.isfile() or member.isdir() or member.issym()):
                continue
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if member.isfile():
                size += member.size
                with path.open("rb") as file:
                    archive.addfile(member, file)
            else:
                archive.addfile(member)
    return size


def unpack(archive: IO[bytes], into: Path) -> tuple[int, tuple[str, ...]]:
    """Unpack files, folders and links, none of them outside of `into`.

    Links are made last, so that nothing is written through one, and only if they stay inside. Devices, sockets and
    links that lead out are left out. Owners and set-id bits are not taken over.

    Returns:
        The bytes of the files, and the names of what was left out.

    Raises:
        NotSafe: a name that leads outside, or an archive that ends too early.
        OSError: it cannot be written.
    """
    links: list[tuple[Path, str]] = []
    modes: list[tuple[Path, int]] = []
    left_out: list[str] = []
    size = 0
    try:
        with tarfile.open(fileobj=archive, mode="r|") as members:
            for member in members:
                path = _inside(member.name, into)
                if member.isdir():
                    _plain_parents(path, into)
                    path.mkdir(exist_ok=True)
                    modes.append((path, member.mode & 0o777))
                elif member.isfile():
                    size += _file(members, member, path, into)
                elif member.issym() and _stays(member, into):
                    links.append((path, member.linkname))
                elif member.islnk() and _is_plain(original := _inside(member.linkname, into)):
                    _plain_parents(path, into)
                    _fresh(path)
                    shutil.copy(original, path, follow_symlinks=False)
                else:
                    left_out.append(member.name)
    except tarfile.TarError as exc:
        raise NotSafe(f"the archive is damaged: {exc}") from exc
    for path, target in links:
        _plain_parents(path, into)
        _fresh(path)
        path.symlink_to(target)
    for path, mode in reversed(modes):
        path.chmod(mode | 0o700)
    return size, tuple(left_out)


def _inside(name: str, into: Path) -> Path:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise NotSafe(f"the archive has a name that leads outside: {name!r}")
    return into.joinpath(*pure.parts)


def _plain_parents(path: Path, into: Path) -> None:
    """Make the folders above; one that is a link is not written through."""
    for part in reversed(path.relative_to(into).parents):
        parent = into / part
        if parent != into and parent.is_symlink():
            raise NotSafe(f"{parent} is a link, and is not written through")
        parent.mkdir(exist_ok=True)


def _fresh(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()


def _file(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path, into: Path) -> int:
    _plain_parents(path, into)
    _fresh(path)
    source = members.extractfile(member)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, member.mode & 0o777 | 0o600), "wb") as file:
        if source is not None:
            shutil.copyfileobj(source, file, 1 << 20)
    path.chmod(member.mode & 0o777)
    return member.size


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _stays(member: tarfile.TarInfo, into: Path) -> bool:
    """Tell whether a link ends inside, whatever other links it leads over.

    `..` may stand at its beginning only, where it counts real folders: behind a name it goes up from wherever that name
    leads to (`d` -> `.`, then `d/d/d/../../../etc`).
    """
    link = PurePosixPath(member.linkname)
    if link.is_absolute() or ".." in list(dropwhile(lambda part: part == "..", link.parts)):
        return False
    start = into.joinpath(*PurePosixPath(member.name).parent.parts)
    led = os.path.normpath(start / member.linkname)
    return led == str(into) or led.startswith(f"{into}{os.sep}")
