"""What keeps apt from working, or must: no rights, no space, somebody else at work, something half done, a hold."""

from __future__ import annotations

import re
import shlex
from typing import Final

from fleetctl.packages.apt_faults import apt_faults
from fleetctl.packages.change import Trouble, TroubleKind
from fleetctl.packages.dpkg import read_installed
from fleetctl.packages.sections import Section, Sections

__all__ = [
    "MEND",
    "apt_busy",
    "apt_odd",
    "apt_place",
    "apt_refusals",
    "apt_short",
    "apt_standing",
    "apt_waiting",
    "free_space",
    "listed",
]

MEND: Final = "dpkg --configure -a && apt-get -y --fix-broken install"

_FREE: Final = re.compile(r"^free=(\d{1,15}) (.+)$", re.MULTILINE)
_ARCHIVES: Final = re.compile(r"^archives=(.+)$", re.MULTILINE)
_HOLDER: Final = re.compile(r"^holder=(\d+) (\S+) (\S+) ?(.*)$", re.MULTILINE)
_BUSY: Final = 75


def apt_odd(sections: Sections) -> list[Trouble]:
    """Tell of names and versions that no Debian package can have."""
    if "apt-odd" not in sections:
        return []
    told = ", ".join(sections["apt-odd"].lines)
    return [Trouble(kind=TroubleKind.OTHER, message=f"no Debian package can be called so: {told}")]


def apt_place(sections: Sections, *, acting: bool) -> list[Trouble]:
    """Tell of missing rights and of file systems that cannot be written."""
    text = sections["apt-place"].text
    uid = re.search(r"^uid=(\d+)$", text, re.MULTILINE)
    if acting and uid is not None and uid[1] != "0":
        return [
            Trouble(
                kind=TroubleKind.NOT_ROOT,
                message=f"apt wants root to install packages, and this was user id {uid[1]}",
            )
        ]
    return [
        Trouble(
            kind=TroubleKind.READ_ONLY,
            message=f"the file system on {mount} is mounted read-only",
            mend=f"mount -o remount,rw {shlex.quote(mount)}",
        )
        for mount in dict.fromkeys(re.findall(r"^readonly=(.+)$", text, re.MULTILINE))
    ]


def apt_waiting(sections: Sections) -> list[Trouble]:
    """Tell who kept the locks for longer than was waited."""
    section = sections["apt-wait"]
    waited = re.findall(r"^waited=(\d+)$", section.text, re.MULTILINE)
    return _held(section, f"still after {waited[-1]} s of waiting" if waited else "to the end of the wait")


def apt_busy(section: Section) -> list[Trouble]:
    """Tell who was at work while we looked: what was seen then is half of the truth."""
    return _held(section, "who is changing packages now")


def _held(section: Section, end: str) -> list[Trouble]:
    holders = _HOLDER.findall(section.text)
    if section.code != _BUSY or not holders:
        return []
    pid, user, path, command = holders[-1]
    called = f" ({command.strip()[:200]})" if command.strip() else ""
    message = f"{path} is held by process {pid}{called} of {user}, {end}"
    return [Trouble(kind=TroubleKind.LOCKED, message=message)]


def apt_standing(section: Section) -> list[Trouble]:
    """Tell what was left half done before or after: apt would try to mend it along the way, and nobody asked for that."""
    rows, _ = read_installed(section.lines)
    if rows:
        faults = apt_faults(rows, Section(name=""))
        named = ", ".join(f"{row.name} ({row.broken})" for row in rows[:5])
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        mends = [fault.mend if "reinstall" in fault.mend else MEND for fault in faults]
        return [
            Trouble(
                kind=TroubleKind.BROKEN,
                message=f"dpkg was left half done: {named}{more}",
                mend=" && ".join(dict.fromkeys(mends)),
                packages=tuple(row.name for row in rows),
            )
        ]
    if any(line.startswith("journal=") for line in section.lines):
        message = "dpkg was left half done: it was interrupted before it could keep what it did"
        return [Trouble(kind=TroubleKind.BROKEN, message=message, mend=MEND)]
    return []


def apt_refusals(text: str) -> list[Trouble]:
    """Tell what a rehearsal would do that is never done: change what is held, go back, remove what the system cannot be without."""
    found: list[Trouble] = []
    if held := listed(text, "The following held packages will be changed:"):
        message = f"held on the host (apt-mark hold), and so never changed: {', '.join(held)}"
        found.append(Trouble(kind=TroubleKind.DEPENDENCIES, message=message, packages=held))
    if newer := listed(text, "The following packages will be DOWNGRADED:"):
        message = f"a newer version is installed, and nothing is ever downgraded: {', '.join(newer)}"
        found.append(Trouble(kind=TroubleKind.OTHER, message=message, packages=newer))
    if lost := listed(text, "WARNING: The following essential packages will be removed."):
        message = f"it would remove packages that the system cannot be without: {', '.join(lost)}"
        found.append(Trouble(kind=TroubleKind.DEPENDENCIES, message=message, packages=lost))
    return found


def listed(text: str, heading: str) -> tuple[str, ...]:
    """Return the indented names below one of apt's headings."""
    _, there, rest = text.partition(heading + "\n")
    names: list[str] = []
    for line in rest.splitlines() if there else ():
        if line.startswith("  "):
            names += line.split()
        elif names or not line.startswith("This should NOT be done"):
            break
    return tuple(names)


def free_space(sections: Sections) -> int | None:
    """Return the bytes that are free where there is least."""
    free = _free(sections)
    return min(free.values(), default=None)


def _free(sections: Sections) -> dict[str, int]:
    return {mount: int(free) * 1024 for free, mount in _FREE.findall(sections["apt-place"].text)}


def apt_short(sections: Sections, *, download: int, disk: int) -> list[Trouble]:
    """Tell where there is not enough free space: apt itself looks only where it downloads to.

    Args:
        sections: the answer.
        download: bytes that come to where packages are downloaded.
        disk: bytes that come to `/usr` in all, or go there where it is less than 0.
    """
    free = _free(sections)
    archives = _ARCHIVES.search(sections["apt-place"].text)
    unpacked = "/usr" if "/usr" in free else "/"
    need = {unpacked: max(0, disk)}
    if archives is not None:
        need[archives[1]] = need.get(archives[1], 0) + download
    return [
        Trouble(
            kind=TroubleKind.DISK_FULL,
            message=f"{mount} has {_size(free[mount])} free, and {_size(bytes_)} are needed",
            mend="apt-get clean",
        )
        for mount, bytes_ in need.items()
        if mount in free and free[mount] < bytes_
    ]


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 100_000 else f"{number} bytes"
