"""A control group for each machine.

Guests whose systemds share a group take each other's processes for their own: a user's session on one ends only when the
same user's sessions on all others have, and logins and reboots wait for a minute.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lab.processes import until

__all__ = ["available", "cpu_seconds", "inside", "remove"]

MOUNT = Path("/sys/fs/cgroup")
SYSTEMD = Path("/run/systemd/system")
ENTER = 'for group in $0; do mkdir -p "$group" && echo $$ > "$group/cgroup.procs" || exit 1; done; exec "$@"'


def available() -> bool:
    """Whether groups can be made here."""
    return SYSTEMD.exists() or any(os.access(group.parent, os.W_OK) for group in _groups("any"))


def cpu_seconds(pid: int) -> float | None:
    """What everything that ever ran in the group of a process has used; None where the kernel does not count that."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        group = line.removeprefix("0::").lstrip("/")
        if not line.startswith("0::") or not group:
            continue
        for root in (MOUNT, MOUNT / "unified"):
            if (stat := root / group / "cpu.stat").exists():
                return int(stat.read_text().split()[1]) / 1e6  # "usage_usec N" comes first
    return None


def inside(name: str, argv: list[str]) -> list[str]:
    """The argv that runs `argv` in a control group of its own, which it may divide further."""
    if SYSTEMD.exists():  # systemd owns the groups here, and hands one out
        return ["systemd-run", "--quiet", "--scope", "--property=Delegate=yes", f"--unit={name}", *argv]
    return ["sh", "-c", ENTER, " ".join(str(group) for group in _groups(name)), *argv]


def remove(name: str) -> None:
    """Remove the groups of a machine that is off, or of several: `name` may be a glob. systemd removes its own."""
    until(
        lambda: not any(_left(group) for group in _groups(name)),
        seconds=5,
        what=f"the control groups {name} are empty",
    )


def _left(pattern: Path) -> bool:
    """Remove what is empty; tells whether anything is left, for a killed process may take a moment to end."""
    for group in pattern.parent.glob(pattern.name):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
    return any(pattern.parent.glob(pattern.name))


def _groups(name: str) -> list[Path]:
    roots = (MOUNT, MOUNT / "unified", MOUNT / "systemd")
    return [root / name for root in roots if (root / "cgroup.procs").exists()]
