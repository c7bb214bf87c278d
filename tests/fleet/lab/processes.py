"""Start programs that cannot outlive us, and end only what we started.

A process is named by its pid *and* its start time, because pids are used again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["alive", "children", "cpu_seconds", "end", "identity", "start", "until"]

TICK = os.sysconf("SC_CLK_TCK")


def start(
    argv: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a file and whom the kernel ends when this thread's process ends."""
    with log.open("ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=dict(env) if env is not None else None,
        )


def end(process: subprocess.Popen[bytes], *, patience: float = 3.0) -> None:
    """End a program we started: TERM, then KILL after `patience` seconds."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # the name may hold spaces and brackets


def identity(pid: int) -> str:
    """Name a living process for all time, as `pid:start`; empty if there is none."""
    fields = _stat(pid)
    return f"{pid}:{fields[19]}" if fields and fields[0] != "Z" else ""


def alive(who: str) -> bool:
    """Whether the process that `identity` named is still that process."""
    return bool(who) and identity(int(who.partition(":")[0])) == who


def children(pid: int) -> list[int]:
    """Pids of a process's children, over all of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of every descendant that it (or they) waited for, in seconds."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICK if fields else 0.0


def kill(who: str) -> None:
    """End the process that `identity` named, if it is still that process."""
    if alive(who):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(who.partition(":")[0]), signal.SIGKILL)


def _pauses() -> Iterator[float]:
    yield from (0.02, 0.05)
    while True:
        yield 0.1


def until(ready: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it was not after `seconds`; `what` says what was awaited.
    """
    deadline = time.monotonic() + seconds
    for pause in _pauses():
        if ready():
            return
        if time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s in vain until {what}"
            raise TimeoutError(message)
        time.sleep(pause)
