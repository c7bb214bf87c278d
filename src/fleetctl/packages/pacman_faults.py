"""What a pacman that did not end well has left on a host, and who is at work there now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from fleetctl.packages.change import Trouble, TroubleKind
from fleetctl.packages.model import Fault
from fleetctl.packages.pacman_db import half_written
from fleetctl.packages.sections import Section

__all__ = ["at_work", "holder", "left_behind", "standing_troubles"]

_LONGEST: Final = 200


def left_behind(lines: Sequence[str]) -> Iterator[Fault]:
    """Tell what a pacman that did not end well left, of `pacman_unfinished` and its kin; what one at work has begun is no fault."""
    if holder(lines):
        return
    for line in lines:
        if line.startswith("stale="):
            path = line.removeprefix("stale=")
            yield Fault(
                what=f"{path} was left by a pacman that did not end well: no process has it open",
                mend=f"rm {shlex.quote(path)}",
            )
    for path, name in half_written(lines):
        yield Fault(
            what=f"the entry of {name} in the package database is not whole",
            mend=f"rm -r {shlex.quote(path)} && pacman --noconfirm -S --overwrite '*' {shlex.quote(name)}",
            packages=(name,),
        )


def standing_troubles(section: Section) -> Iterator[Trouble]:
    """Tell of what was left behind: whoever installs more on top makes it worse."""
    for fault in left_behind(section.lines):
        yield Trouble(kind=TroubleKind.BROKEN, message=fault.what, mend=fault.mend, packages=fault.packages)


def holder(lines: Sequence[str]) -> str:
    """Return who is at work, as `pacman_lock` tells it; empty if nobody is."""
    for line in lines:
        if line.startswith("holder="):
            pid, _, command = line.removeprefix("holder=").partition(" ")
            return f"process {pid} ({command.strip()[:_LONGEST]})"
    return ""


def at_work(section: Section) -> list[Trouble]:
    """Tell who is at work: what was seen meanwhile is half of the truth."""
    who = holder(section.lines)
    return [Trouble(kind=TroubleKind.LOCKED, message=f"{who} is changing packages now")] if who else []
