"""Copy files to and from a host with nothing but its shell: no sftp, no scp, and one round trip a file.

A file is written beside its target and moved into place, so that it is replaced whole or not at all; its size is compared
after, and its SHA-256 where the host can tell it. A folder travels as one tar archive, or file by file to a host without tar.
"""

# Single calls on local files are not worth a thread.
# ruff: noqa: ASYNC240

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import IO, Final

from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.archive import NotSafe, pack, unpack
from fleetctl.transport.protocol import Connection, ExecFailed

__all__ = ["Progress", "get", "put"]

Progress = Callable[[int], None]
"""Told the bytes that have just been copied."""

_NO_TAR: Final = 3
_ERR_KEPT: Final = 8 * 1024
_ENGLISH: Final = {"LC_ALL": "C"}


async def put(
    connection: Connection,
    source: Path,
    target: str,
    *,
    mode: str | None = None,
    owner: str | None = None,
    become: Become | None = None,
    tag: str,
    progress: Progress | None = None,
) -> None:
    """Copy a file or folder to a host.

    As with `cp`, a target that is a folder gets it under its own name. A target that ends in `/` must be a folder.

    Args:
        connection: to the host.
        source: a local file, or a folder with everything in it.
        target: path on the host; relative to the login folder; `~/` is the home of who writes it.
        mode: octal permission bits such as `0640`; None: an existing file keeps its own, a new one gets the source's.
        owner: `user`, `user:group` or `:group`; None leaves it.
        become: the user to write as.
        tag: of the invocation.
        progress: called when a file has arrived.

    Raises:
        ExecFailed: it could not be copied; nothing of the old file is harmed.
    """
    order = _Order(connection=connection, become=become, tag=tag, mode=mode or "", owner=owner or "")
    try:
        if source.is_dir():
            await _put_folder(order, source, target, progress)
        else:
            await _put_file(order, source, target, progress)
    except OSError as exc:
        raise _local(exc, source, "read") from exc


async def get(
    connection: Connection,
    source: str,
    target: Path,
    *,
    become: Become | None = None,
    tag: str,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Copy a file or folder from a host.

    A target that is a folder gets it under its own name. Nothing is ever written outside of the target, whatever the host
    sends.

    Args:
        connection: to the host.
        source: path on the host; relative to the login folder.
        target: local path; the folder it is in must exist.
        become: the user to read as.
        tag: of the invocation.
        progress: called with each piece that comes.

    Returns:
        What a folder holds that was not copied: devices, and links that lead out of it.

    Raises:
        ExecFailed: it could not be copied; a file that was there before is as it was.
    """
    if target.is_dir():
        target = target / _base(source)
    order = _Order(connection=connection, become=become, tag=tag)
    try:
        return await _get(order, source, target, progress)
    except OSError as exc:
        raise _local(exc, target, "written") from exc


@dataclass(slots=True, kw_only=True)
class _Order:
    """What all commands of one copy share."""

    connection: Connection
    become: Become | None
    tag: str
    mode: str = ""
    owner: str = ""

    async def run(
        self, name: str, args: tuple[str, ...], *, sink: _Taken, stdin: Path | bytes | None = None
    ) -> Exit:
        script = resources.files("fleetctl.transport").joinpath(f"scripts/{name}").read_text(encoding="utf-8")
        command = Command(
            script=script, args=args, env=_ENGLISH, become=self.become, stdin=stdin, tag=self.tag
        )
        return await self.connection.exec(command, sink)


@dataclass(slots=True, kw_only=True)
class _Taken:
    """Takes what a script prints: a first line, then bytes for a file."""

    file: IO[bytes] | None = None
    progress: Progress | None = None
    first: bytes = b""
    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    err: bytearray = field(default_factory=bytearray)
    _headed: bool = False

    def stdout(self, data: bytes) -> None:
        """Take bytes."""
        if not self._headed:
            self.first, end, data = (self.first + data).partition(b"\n")
            self._headed = bool(end)
        if data and self.file is not None:
            self.size += len(data)
            self.digest.update(data)
            self.file.write(data)
            if self.progress:
                self.progress(len(data))

    def stderr(self, data: bytes) -> None:
        """Take messages; the last of them count."""
        self.err = (self.err + data)[-_ERR_KEPT:]

    @property
    def said(self) -> list[str]:
        """The lines of stderr."""
        return [line.strip() for line in self.err.decode(errors="replace").splitlines() if line.strip()]


async def _put_file(order: _Order, source: Path, target: str, progress: Progress | None) -> None:
    status = source.stat()
    digest = await asyncio.to_thread(_sha256, source, status.st_size, status.st_mtime_ns)
    permissions = f"{status.st_mode & 0o777:o}"
    args = (target, source.name, str(status.st_size), digest, permissions, order.mode, order.owner)
    taken = _Taken()
    ended = await order.run("put.sh", args, sink=taken, stdin=source)
    if not ended.ok:
        raise _refused(taken, ended, f"{source.name} to {target}")
    if progress:
        progress(status.st_size)


async def _put_folder(order: _Order, source: Path, target: str, progress: Progress | None) -> None:
    taken = _Taken()
    with tempfile.NamedTemporaryFile(prefix="fleetctl-") as archive:
        size = await asyncio.to_thread(pack, source, archive.file)
        archive.flush()
        args = (target, source.resolve().name, order.owner)
        ended = await order.run("put-folder.sh", args, sink=taken, stdin=Path(archive.name))
    if ended.code == _NO_TAR:
        place = taken.first.decode("utf-8", "surrogateescape")
        await _put_one_by_one(order, source, place, progress)
        return
    if not ended.ok:
        raise _refused(taken, ended, f"{source} to {target}")
    if order.mode:
        await _put_modes(order, source, target)
    if progress:
        progress(size)


async def _put_modes(order: _Order, source: Path, target: str) -> None:
    """Give every file of a folder the mode that was asked for."""
    script = 'd=$1; [ ! -d "$d/$2" ] || d=$d/$2; find "$d" -type f -exec chmod "$3" {} +'
    taken = _Taken()
    ended = await order.connection.exec(
        Command(
            script=script, args=(target, source.resolve().name, order.mode), env=_ENGLISH,
            become=order.become, tag=order.tag,
        ),
        taken,
    )  # fmt: skip
    if not ended.ok:
        raise _refused(taken, ended, f"the mode of {target}")


async def _put_one_by_one(order: _Order, source: Path, place: str, progress: Progress | None) -> None:
    for path in sorted(source.rglob("*")):
        there = f"{place.rstrip('/')}/{path.relative_to(source)}"
        if path.is_dir() and not path.is_symlink():
            command = Command(
                script='mkdir -p "$1"', args=(there,), env=_ENGLISH, become=order.become, tag=order.tag
            )
            taken = _Taken()
            ended = await order.connection.exec(command, taken)
            if not ended.ok:
                raise _refused(taken, ended, there)
        elif path.is_file():
            await _put_file(order, path, there, progress)


async def _get(order: _Order, source: str, target: Path, progress: Progress | None) -> tuple[str, ...]:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".fleetctl", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            taken = _Taken(file=file, progress=progress)
            ended = await order.run("get.sh", (source,), sink=taken)
            if not ended.ok:
                raise _refused(taken, ended, source)
            kind, *facts = taken.first.decode("ascii", "replace").split()
            file.seek(0)
            if kind == "folder":
                target.mkdir(exist_ok=True)
                return (await asyncio.to_thread(unpack, file, target))[1]
            if kind == "list":
                return await _get_one_by_one(order, source, target, lines=file.read(), progress=progress)
        _compare(taken, facts, source)
        part.chmod(int(facts[1], 8) & 0o777)
        part.replace(target)
    except NotSafe as exc:
        raise ExecFailed(
            Reason.REMOTE, f"{source} is refused: {exc}", hint="the host may not be trustworthy", started=True
        ) from exc
    finally:
        part.unlink(missing_ok=True)
    return ()


async def _get_one_by_one(
    order: _Order, source: str, target: Path, *, lines: bytes, progress: Progress | None
) -> tuple[str, ...]:
    target.mkdir(exist_ok=True)
    for line in lines.decode("utf-8", "surrogateescape").split("\n"):
        kind, _, name = line.partition(" ")
        parts = Path(name).parts
        if not name or name == ".":
            continue
        if kind not in {"d", "f"} or ".." in parts or name.startswith("/"):
            raise NotSafe(f"a name that leads outside: {line!r}")
        path = target.joinpath(*parts)
        if any((target / parent).is_symlink() for parent in path.relative_to(target).parents if parent.parts):
            raise NotSafe(f"{path} is behind a link")
        if kind == "d":
            path.mkdir(exist_ok=True)
        else:
            await _get(order, f"{source.rstrip('/')}/{name}", path, progress)
    return ()


def _compare(taken: _Taken, facts: list[str], source: str) -> None:
    told = next((line.split()[1] for line in taken.said if line.startswith("sha256 ")), "")
    whole = str(taken.size) == facts[0] and told in {"", taken.digest.hexdigest()}
    if not whole:
        raise ExecFailed(
            Reason.REMOTE,
            f"{source} changed while it was copied ({taken.size} of {facts[0]} bytes)",
            hint="copy it again when nothing writes to it",
            started=True,
        )


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - they tell whether it is still the same file
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or "root"


_HINTS: Final = {
    "No space left on device": "the disk of the host is full: make room on it",
    "Disk quota exceeded": "the quota on the host is used up",
    "Read-only file system": "the file system there is mounted read-only",
    "Permission denied": "try it with --become, or as another user",
    "Operation not permitted": "only root may do that: try it with --become",
    "No such file or directory": "check the path on the host",
    "there is no folder": "make the folder first, or check the path",
    "invalid user": "the owner must exist on the host",
    "unknown user": "the owner must exist on the host",
}


def _refused(taken: _Taken, ended: Exit, what: str) -> ExecFailed:
    """Say why, in the words of the host, with the remedy for what is known."""
    lines = [line for line in taken.said if not line.startswith("sha256 ")]
    text = next((line for line in lines for known in _HINTS if known in line), lines[-1] if lines else "")
    how = f"signal {ended.signal}" if ended.code is None else f"exit code {ended.code}"
    hint = next((hint for known, hint in _HINTS.items() if known in text), "")
    text = text.removeprefix("fleetctl: ")
    return ExecFailed(Reason.REMOTE, f"copying {what} failed: {text or how}", hint=hint, started=True)


def _local(exc: OSError, path: Path, what: str) -> ExecFailed:
    return ExecFailed(
        Reason.OUTPUT if what == "written" else Reason.PRECONDITION,
        f"{path} cannot be {what} here: {exc.strerror or exc}",
        hint="check the path and the permissions on this machine",
    )
