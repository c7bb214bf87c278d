"""One controller per run: who works on a run right now, and a way to ask that one to stop.

`run.lock` in the run's folder is held with flock(2): the kernel lets go of it when its owner dies, however that happens, and
the file is never removed, since whoever still waits for a removed file would hold a lock that nobody else sees. The
file says who the owner is, in its first line; its modification time is the owner's heartbeat.

A state folder may be shared between machines by a file system over which flock does not reach. So an owner on another machine counts
as alive while its heartbeat is younger than a minute, whatever flock says.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fleetctl.errors import LockedError, StateFolderError
from fleetctl.store.owner import Held, Owner, is_stopped, lives, machine, read_held, unknown_owner, user_name
from fleetctl.store.runs import to_bytes, write_json

__all__ = ["Request", "RunLock", "ask_to_cancel", "owner_of"]

_LOCK = "run.lock"
_REQUEST = "run.request"

# Seconds between two heartbeats, and how old the last one of a living owner on another machine can be.
_BEAT = 10.0
_STALE = 60.0

# Seconds to wait for a lock whose owner cannot be named: somebody only looks, or has taken it a moment ago.
_PATIENCE = 2.0
_STEP = 0.02

# What flock(2) says where a file system knows no locks: there, only the owner's process or heartbeat tells.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the owner of a lock is asked to do, or has to know.

    Attributes:
        kind: `cancel`, or `lost`: another machine took the run over because no heartbeat reached it; nothing more must be started.
        by: who asked, or who has it now.
    """

    kind: Literal["cancel", "lost"] = "cancel"
    by: str
    at: datetime


class RunLock:
    """The right to work on one run. `take` makes it.

    Attributes:
        owner: this process, as others see it.
        took_over: whose lock this was, if that one died without letting go of it.
    """

    def __init__(self, folder: Path, fd: int, held: Held, *, took_over: Owner | None) -> None:
        self._folder = folder
        self._fd = fd
        self._held = held
        self._lost: Request | None = None
        self._told = False
        self._ended = threading.Event()
        self.owner = held.owner
        self.took_over = took_over
        # A thread, not a task: a busy event loop must not look like a dead owner.
        self._thread = threading.Thread(target=self._beat, name="run-lock", daemon=True)
        self._thread.start()

    @classmethod
    def take(cls, folder: Path, *, doing: str) -> RunLock:
        """Become the one controller of a run.

        May take two seconds where somebody holds the lock who cannot be named.

        Args:
            folder: the run's folder.
            doing: what for, in the words of the command line without its arguments: `fleetctl runs resume`.

        Raises:
            LockedError: another controller works on this run.
            StateFolderError: the lock cannot be written.
        """
        path = folder / _LOCK
        try:
            fd = _acquire(path)
            try:
                before = _predecessor(fd, folder)
                held = _write_owner(fd, doing)
                with contextlib.suppress(FileNotFoundError):
                    (folder / _REQUEST).unlink()  # was meant for the owner before
            except BaseException:
                os.close(fd)
                raise
        except OSError as exc:
            raise StateFolderError(
                f"{path} cannot be written: {exc.strerror}", hint="is the disk full, or the folder gone?"
            ) from exc
        return cls(folder, fd, held, took_over=before.owner if before else None)

    def release(self) -> None:
        """Let go; doing so twice does no harm."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            if self._is_ours(fd):
                _write_line(fd, b"{}")
        os.close(fd)

    def requests(self) -> Request | None:
        """Return what the owner is asked to do, once; cheap enough to be called every second."""
        if self._lost is not None and not self._told:
            self._told = True
            return self._lost
        path = self._folder / _REQUEST
        taken = path.with_name(f".{_REQUEST}.{self._held.token}")
        try:
            path.rename(taken)
            data = taken.read_bytes()
            taken.unlink()
        except OSError:
            return None
        return _read_request(data)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            self.beat()

    def beat(self) -> None:
        """Show that this owner lives; find out whether another machine has taken over. Called every ten seconds."""
        with contextlib.suppress(OSError):
            if self._is_ours(self._fd):
                os.utime(self._fd)
            elif self._lost is None:
                now = read_held(self._fd)
                self._lost = Request(
                    kind="lost", by=str(now.owner if now else unknown_owner()), at=datetime.now(UTC)
                )

    def _is_ours(self, fd: int) -> bool:
        held = read_held(fd)
        return held is not None and held.token == self._held.token


def owner_of(folder: Path) -> Owner | None:
    """Return the living owner of a run's lock: what "is this run going on?" means everywhere.

    Raises:
        StateFolderError: the lock cannot be read.
    """
    path = folder / _LOCK
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        if _is_free(fd):
            held = read_held(fd)
            return held.owner if held is not None and _alive_elsewhere(held, folder) else None
        return _named_owner(fd)
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc
    finally:
        os.close(fd)


def ask_to_cancel(folder: Path, *, by: str) -> None:
    """Ask the owner of a run's lock to cancel the run; it sees this within a second or two.

    Whether there is an owner is the caller's business (`owner_of`): the next one forgets what its predecessor was asked.

    Raises:
        StateFolderError: the request cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    write_json(folder / _REQUEST, {"request": "cancel", "by": by, "at": now})


def _acquire(path: Path) -> int:
    """Open and lock the file; return its descriptor."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd  # else the folder was put elsewhere, or made anew, in between
        except OSError as exc:
            if exc.errno in _NO_LOCKS and not _runs_without_locks(fd):
                return fd
            held = read_held(fd)
            given_up = time.monotonic() > deadline
            if given_up or (held is not None and (not held.is_here or lives(held))):
                os.close(fd)
                raise _locked(path.parent, held) from None
        os.close(fd)
        time.sleep(_STEP)


def _predecessor(fd: int, folder: Path) -> Held | None:
    """Return the dead owner whose lock this is now, if any; raise if it lives on another machine."""
    before = read_held(fd)
    if before is not None and _alive_elsewhere(before, folder):
        raise _locked(folder, before)
    return before


def _is_free(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as exc:
        return exc.errno in _NO_LOCKS and not _runs_without_locks(fd)
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def _runs_without_locks(fd: int) -> bool:
    held = read_held(fd)
    return held is not None and held.is_here and lives(held)


def _named_owner(fd: int) -> Owner:
    """Return who holds a lock that is held; one that has only just taken it writes its name in a moment."""
    deadline = time.monotonic() + _PATIENCE / 4
    while (held := read_held(fd)) is None and time.monotonic() < deadline:
        time.sleep(_STEP)
    return held.owner if held is not None else unknown_owner()


def _alive_elsewhere(held: Held, folder: Path) -> bool:
    """Tell whether an owner on another machine, which flock may not reach, has shown itself lately."""
    if held.is_here:
        return False
    return _clock_of(folder) - held.owner.heartbeat.timestamp() < _STALE


def _clock_of(folder: Path) -> float:
    """Return the time as the file system tells it, which is what heartbeats are stamped with: machines' clocks differ."""
    probe = folder / f".{_LOCK}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(fd).st_mtime
        finally:
            os.close(fd)
            probe.unlink()
    except OSError:
        return time.time()


def _write_owner(fd: int, doing: str) -> Held:
    now = datetime.now(UTC)
    owner = Owner(
        pid=os.getpid(), host=socket.gethostname(), user=user_name(), since=now, command=doing, heartbeat=now
    )
    held = Held(owner=owner, machine=machine(), token=secrets.token_hex(8))
    _write_line(fd, to_bytes(held.to_json()))
    return held


def _write_line(fd: int, line: bytes) -> None:
    """Put a new first line into the file: a reader takes only that one, so what is cut off after it does not matter."""
    os.pwrite(fd, line + b"\n", 0)
    os.ftruncate(fd, len(line) + 1)


def _read_request(data: bytes) -> Request:
    """Read what somebody put there; what cannot be read was meant to stop the run, too."""
    by, at = "somebody", datetime.now(UTC)
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        told = json.loads(data)
        by = str(told.get("by") or by)
        at = datetime.fromisoformat(told["at"]).astimezone(UTC)
    return Request(by=by, at=at)


def _locked(folder: Path, held: Held | None) -> LockedError:
    run = folder.name
    if held is None:
        return LockedError(
            f"run {run} is being worked on by another process",
            hint=f"find it with: fuser -v {folder / _LOCK}",
        )
    message = f"run {run} is being worked on: {held.owner}"
    pid = held.owner.pid
    if not held.is_here:
        age = max(0, int(_clock_of(folder) - held.owner.heartbeat.timestamp()))
        return LockedError(
            f"{message}; last sign of life {age} s ago",
            hint=f"stop it with: fleetctl runs cancel {run}\n"
            f"if that machine is gone, try again in {max(1, int(_STALE) - age)} s",
        )
    if not lives(held):
        return LockedError(
            f"run {run} is still held by a child of pid {pid}, which has ended",
            hint=f"find it with: fuser -v {folder / _LOCK}",
        )
    if is_stopped(pid):
        return LockedError(
            f"{message}; that process is stopped (SIGSTOP)",
            hint=f"let it go on with: kill -CONT {pid}\nor end it with: kill -KILL {pid}",
        )
    return LockedError(message, hint=f"wait for it, or stop it with: fleetctl runs cancel {run}")
