"""Where bases and running hosts live: outside the repository, on a disk that can carry an overlay."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["folder", "lock", "try_lock"]


def folder() -> Path:
    """The fleet's folder: `$XDG_CACHE_HOME/fleetctl-test`, else `/var/cache/fleetctl-test`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "fleetctl-test"


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for it; the kernel lets go of it even after SIGKILL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def try_lock(path: Path) -> IO[str] | None:
    """Take a lock file for as long as the answer stays open; None if somebody else has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = path.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    return held
