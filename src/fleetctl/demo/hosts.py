"""Start and end the embedded hosts, which live in a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fleetctl.errors import FleetError

__all__ = ["PlannedHost", "RunningHost", "running"]

# A Python that starts on a busy machine and makes a handful of keys; beyond that something is wrong.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHost:
    """A host to start.

    Attributes:
        home: folder its commands start in, absolute.
        delay: seconds that every command waits.
        down: it refuses connections.
    """

    name: str
    home: str
    delay: float = 0.0
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHost:
    """Where a host answers; `host_key` as known_hosts carries it, empty where it is down."""

    name: str
    port: int
    host_key: str


@contextlib.contextmanager
def running(
    hosts: Sequence[PlannedHost], *, key: Path, user: str = "demo", life: float = 600.0
) -> Iterator[list[RunningHost]]:
    """Start hosts and end them when the context is left, also by Ctrl-C; they end by themselves when this process is gone.

    Args:
        hosts: what to start.
        key: where the login key is written; must not exist.
        user: login name.
        life: seconds after which they end in any case.

    Raises:
        FleetError: they do not start.
    """
    # -P: a folder named fleetctl in the current directory must not be taken for the package.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fleetctl.demo.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the terminal is ours to handle
    )
    try:
        plan = {"hosts": [asdict(host) for host in hosts], "key": str(key), "user": user, "life": life}
        yield _handshake(process, json.dumps(plan).encode() + b"\n")
    finally:
        _end(process)


def _handshake(process: subprocess.Popen[bytes], plan: bytes) -> list[RunningHost]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise FleetError("the embedded hosts have no pipes")
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(plan)
        process.stdin.flush()
    line, deadline = b"", time.monotonic() + _PATIENCE
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, left))
        data = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not data:
            process.kill()
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            why = said[-1] if said else f"no answer within {_PATIENCE:.0f} s"
            raise FleetError(f"the embedded hosts did not start: {why}")
        line += data
    return [RunningHost(name=name, **where) for name, where in json.loads(line).items()]


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
