"""What a host's file systems hold, to see whether anything was written there."""

from __future__ import annotations

from typing import Final

from lab.machine import Machine

__all__ = ["changes", "contents", "listing"]

#: Where a host writes whatever it is asked: logins, logs, what belongs to the kernel.
RESTLESS: Final = (
    *("/var/log/journal", "/var/log/wtmp", "/var/log/lastlog", "/var/log/btmp", "/var/lib/systemd"),
    *("/run", "/proc", "/sys", "/dev"),
)
#: Even who only reads rpm's database shares memory with others through these.
SHARED: Final = ("rpmdb.sqlite-shm", "rpmdb.sqlite-wal")
#: Where programs keep what they are told, find out and remember.
WRITTEN: Final = ("/etc", "/var", "/root", "/home", "/opt", "/srv", "/tmp", "/usr/local")
IN_MEMORY: Final = ("/tmp", "/var/tmp", "/dev/shm")


def listing(machine: Machine) -> dict[str, str]:
    """Everything that its file systems hold, by path: kind, mode, owner, size, time of change."""
    told = machine.inside("find", "/", "-xdev", "-printf", "%p\t%y %m %U:%G %s %T@\n").stdout
    rows = (line.partition("\t") for line in told.splitlines())
    found = {
        # A folder for all says when a name in it came or went, and dnf 4 makes one for each user that is no root.
        path: facts.rpartition(" ")[0] if path.endswith(SHARED) or path in IN_MEMORY else facts
        for path, _, facts in rows
        if not path.startswith(RESTLESS)
    }
    memory = machine.inside("find", *IN_MEMORY, "-mindepth", "1", "-printf", "%p\t%y %m %U:%G\n").stdout
    return found | {path: facts for path, _, facts in (line.partition("\t") for line in memory.splitlines())}


def contents(machine: Machine) -> dict[str, str]:
    """A digest of every file where programs keep something, by `content of PATH`; not of those that readers share."""
    found = machine.inside(
        "find", *WRITTEN, "-xdev", "-type", "f", "-exec", "sha256sum", "{}", "+", check=False
    )
    rows = (line.partition("  ") for line in found.stdout.splitlines())
    return {
        path: digest
        for digest, _, path in rows
        if not path.startswith(RESTLESS) and not path.endswith(SHARED)
    }


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What is different, by path."""
    return {
        path: (before.get(path, "nothing"), after.get(path, "nothing"))
        for path in sorted(before.keys() | after)
        if before.get(path) != after.get(path)
    }
