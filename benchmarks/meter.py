"""Run a program and measure what it and everything it started cost: `python -I -S meter.py RESULT STDOUT STDERR ARGV...`.

Its own process, for three reasons: it adopts what the program leaves behind (ansible's ssh masters), so that no CPU time
goes missing; it is small, so that its own memory and its looking around every tenth of a second do not disturb; and
it is one clean set of figures for `RUSAGE_CHILDREN`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.1
PAGE = os.sysconf("SC_PAGE_SIZE")
LIMIT_SECONDS = 900.0


def main(result: Path, stdout: Path, stderr: Path, argv: list[str]) -> None:
    """Run `argv`, write its figures to `result` as JSON."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with stdout.open("wb") as out, stderr.open("wb") as err:
        began = time.monotonic()
        program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        peak, most = _watch(program.pid, until=began + LIMIT_SECONDS)
        wall = time.monotonic() - began
        code = program.wait()
    _end_stragglers()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "exit_code": code,
        "wall_seconds": wall,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_tree_mb": max(peak, used.ru_maxrss / 1024),
        "peak_process_mb": used.ru_maxrss / 1024,
        "most_processes": most,
    }
    result.write_text(json.dumps(figures))


def _watch(pid: int, *, until: float) -> tuple[float, int]:
    """Sample memory until the program ends: the largest sum over its tree in MB, and the largest number of processes."""
    peak, most = 0.0, 0
    ended = os.pidfd_open(pid)
    while not select.select([ended], [], [], SAMPLE_SECONDS)[0]:
        sizes = _sizes(os.getpid())
        peak, most = max(peak, sum(sizes) / 2**20), max(most, len(sizes))
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            break
    os.close(ended)
    return peak, most


def _sizes(pid: int) -> list[int]:
    """Resident bytes of every descendant of a process. Shared pages count in each."""
    sizes: list[int] = []
    for child in _children(pid):
        with contextlib.suppress(OSError, IndexError):
            sizes.append(int(Path(f"/proc/{child}/statm").read_text().split()[1]) * PAGE)
        sizes += _sizes(child)
    return sizes


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while it is looked at
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def _end_stragglers() -> None:
    """End what the program left running, and wait for it, so that its CPU time is counted."""
    while left := _children(os.getpid()):
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        for child in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
