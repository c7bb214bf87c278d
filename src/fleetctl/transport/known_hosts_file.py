"""Write known_hosts files: one line at a time, never half of one, never two writers at once."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hmac
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fleetctl.transport.known_hosts import Entry, HostName, KnownHosts, Standing, Verdict

__all__ = ["Recorded", "append", "record_new", "remove", "settle"]


def _hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading and appending, alone; its replacement by another program is noticed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(file.fileno()), path.stat())
            except FileNotFoundError:
                same = False
            if same:
                yield file
                return


def append(path: Path, host: HostName, *, key_type: str, blob: bytes, hashed: bool = False) -> Entry:
    """Record a key, and return its line. A line that is there already is not written twice.

    Args:
        path: made, with its folder, where it does not exist (0600 in 0700).
        host: the name to record it under.
        key_type: such as `ssh-ed25519`.
        blob: the public key in SSH wire format.
        hashed: write the name hashed (ssh_config: HashKnownHosts).

    Raises:
        OSError: it cannot be written.
    """
    names = _hashed(host.token) if hashed else host.token
    key = base64.b64encode(blob).decode("ascii")
    with _locked(path) as file:
        file.seek(0)
        before = file.read()
        lines = before.splitlines()
        line = f"{names} {key_type} {key}".encode()
        if line in lines:
            number = lines.index(line) + 1
        else:
            file.write((b"\n" if before and not before.endswith(b"\n") else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
            number = len(lines) + 1
    return Entry(file=path, line=number, marker="", names=names, key_type=key_type, key=key)


def record_new(
    known: KnownHosts, host: HostName, *, key_type: str, blob: bytes, hashed: bool = False
) -> Verdict:
    """Record the key of a host that nobody knows, in the first file; it is on disk once `settle` has been called.

    The key is judged again with the file locked: another process may have met the same host a moment ago, and another key.

    Args:
        known: the files; told of the new line.
        host: the name to record it under.
        key_type: such as `ssh-ed25519`.
        blob: the public key in SSH wire format.
        hashed: write the name hashed (ssh_config: HashKnownHosts).

    Returns:
        Trusted if it is on record now; else what the file says of it.

    Raises:
        OSError: it cannot be written.
    """
    path = known.files[0]
    with _locked(path) as file:
        lines = known.catch_up(path, file)
        verdict = known.judge(host, blob)
        if verdict.standing is not Standing.UNKNOWN:
            return verdict
        names = _hashed(host.token) if hashed else host.token
        key = base64.b64encode(blob).decode("ascii")
        file.write((b"" if _is_whole(file) else b"\n") + f"{names} {key_type} {key}\n".encode())
        file.flush()
        entry = Entry(file=path, line=lines + 1, marker="", names=names, key_type=key_type, key=key)
        known.note(entry, file)
    return Verdict(standing=Standing.TRUSTED, entries=(entry,))


def _is_whole(file: IO[bytes]) -> bool:
    size = file.seek(0, os.SEEK_END)
    if not size:
        return True
    file.seek(size - 1)
    return file.read(1) == b"\n"


def settle(path: Path) -> None:
    """Bring to disk what was recorded in a file; the host is only met as a stranger again if that fails."""
    with suppress(OSError), path.open("rb") as file:
        os.fsync(file.fileno())


class Recorded:
    """Brings what was recorded to disk without keeping an event loop waiting: one thread at a time, whatever came meanwhile at once."""

    def __init__(self) -> None:
        self._waiting: set[Path] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, path: Path) -> None:
        """Take note of a file with a new line. Called from the event loop."""
        self._waiting.add(path)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        while self._waiting:
            paths, self._waiting = self._waiting, set()
            for path in paths:
                await asyncio.to_thread(settle, path)

    async def close(self) -> None:
        """Wait until all is on disk."""
        if self._task is not None:
            await self._task


def remove(path: Path, entries: Collection[Entry], *, host: HostName) -> int:
    """Take a host off the given lines of a file, and return how many lines changed.

    A line that names other hosts too keeps them, and one that names it by a pattern stays. The file as it was is kept beside it as `.old`, as `ssh-keygen -R` does;
    the new one takes its place in one step. Lines that have moved since they were read are found again by content.

    Raises:
        OSError: it cannot be read or replaced.
    """
    gone = {(entry.names, entry.key_type, entry.key) for entry in entries if entry.file == path}
    with _locked(path) as file:
        file.seek(0)
        before = file.read()
        kept: list[bytes] = []
        changed = 0
        for line in before.splitlines(keepends=True):
            words = line.decode(errors="surrogateescape").split(None, 3)
            left = _without(host, words[0]) if tuple(words[:3]) in gone else None
            if left is None:
                kept.append(line)
                continue
            changed += 1
            if left:
                kept.append(line.replace(words[0].encode(errors="surrogateescape"), left.encode(), 1))
        if changed:
            _replace(path, before, b"".join(kept))
    return changed


def _without(host: HostName, names: str) -> str | None:
    """Return the other names of a line, empty if there are none, or None where a pattern names the host: it stays."""
    if names.startswith("|"):
        return ""
    words = names.split(",")
    others = [word for word in words if word.lower() not in {host.token, host.fallback}]
    return ",".join(others) if len(others) < len(words) else None


def _replace(path: Path, before: bytes, after: bytes) -> None:
    target = path.resolve()  # a symbolic link (dotfiles) stays one
    mode = target.stat().st_mode & 0o777
    old = target.with_name(target.name + ".old")
    for place, data in ((old, before), (target, after)):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".known_hosts-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(place)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
