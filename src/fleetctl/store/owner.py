"""Who holds a lock: as it is written into the lock's file, and whether that process still lives."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

__all__ = ["Held", "Owner", "is_stopped", "lives", "machine", "read_held", "unknown_owner", "user_name"]

_LONGEST = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A controller that works on a run, or did.

    Attributes:
        pid: on its host; 0 where the lock's file does not say.
        host, user: where and who.
        since: when it took the lock, aware UTC.
        command: what it does, `fleetctl runs resume`, without arguments.
        heartbeat: its last sign of life, by the clock of the file system.
    """

    pid: int
    host: str
    user: str
    since: datetime
    command: str
    heartbeat: datetime

    def __str__(self) -> str:
        """Say it in words: `fleetctl run, pid 4711, ops on bastion-1, since 2026-11-23 20:45:12`."""
        if not self.pid:
            return "an unknown process"
        return f"{self.command}, pid {self.pid}, {self.user} on {self.host}, since {self.since.astimezone():%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the file of a held lock says.

    Attributes:
        machine: tells machines of one name apart.
        token: tells this holding from any other.
        started: when the process began, in the kernel's ticks; tells it from a later one with the same pid. 0: not known.
    """

    owner: Owner
    machine: str
    token: str
    started: int = 0

    @property
    def is_here(self) -> bool:
        """Whether the owner runs, or ran, on this very machine."""
        return self.machine == machine()

    def to_json(self) -> dict[str, Any]:
        """Return what is written; the heartbeat is the file's modification time."""
        return {
            "pid": self.owner.pid,
            "host": self.owner.host,
            "user": self.owner.user,
            "since": self.owner.since.isoformat(timespec="milliseconds"),
            "command": self.owner.command,
            "machine": self.machine,
            "token": self.token,
            "started": self.started or _started(self.owner.pid),
        }


def user_name() -> str:
    """Return who sits at the keyboard: behind sudo, the one who called it."""
    user = os.environ.get("SUDO_USER")
    if not user:
        with contextlib.suppress(KeyError, OSError):
            user = getpass.getuser()
    return user or f"uid {os.getuid()}"


@cache
def machine() -> str:
    """Return what tells this machine from others: a digest of its name and, where there is one, its machine-id(5)."""
    identity = b""
    with contextlib.suppress(OSError):
        identity = Path("/etc/machine-id").read_bytes().strip()
    return blake2b(
        identity + b" " + socket.gethostname().encode(), digest_size=8, person=b"fleetctl"
    ).hexdigest()


def read_held(fd: int) -> Held | None:
    """Return what the open file of a lock says; None if it says nothing, or nothing that can be read."""
    line, _, _ = os.pread(fd, _LONGEST, 0).partition(b"\n")
    try:
        data = json.loads(line)
        owner = Owner(
            pid=_whole(data["pid"]),
            host=str(data["host"]),
            user=str(data["user"]),
            since=datetime.fromisoformat(data["since"]).astimezone(UTC),
            command=str(data["command"]),
            heartbeat=datetime.fromtimestamp(os.fstat(fd).st_mtime, UTC),
        )
        return Held(
            owner=owner,
            machine=str(data["machine"]),
            token=str(data["token"]),
            started=_whole(data.get("started", 0)),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def unknown_owner() -> Owner:
    """Return who stands for an owner that cannot be read."""
    now = datetime.now(UTC)
    return Owner(pid=0, host="", user="", since=now, command="", heartbeat=now)


def lives(held: Held) -> bool:
    """Tell whether the process of an owner on this machine still lives: not a later one with its pid, and not a zombie."""
    pid = held.owner.pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it lives, and is not ours
        pass
    state, started = _stat(pid)
    return state not in {"Z", "X"} and (not held.started or not started or started == held.started)


def is_stopped(pid: int) -> bool:
    """Tell whether a process was stopped by a signal, or is held by a debugger."""
    return _stat(pid)[0] in {"T", "t"}


def _started(pid: int) -> int:
    return _stat(pid)[1]


def _stat(pid: int) -> tuple[str, int]:
    """Return state and start time of a process (proc(5)); empty and 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[19])
    except (OSError, ValueError, IndexError):
        return "", 0


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value >= 1 << 63:
        raise ValueError
    return value
