"""What package managers have in common where packages are to be changed: what is asked for, the place, and locks (`scripts/place.sh`)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from fleetctl.packages.change import Trouble, TroubleKind, Wanted
from fleetctl.packages.sections import Section, Sections

__all__ = ["free_space", "locked", "odd_names", "place_troubles", "targets", "waited_seconds"]


def targets(function: str, specs: Iterable[str]) -> str:
    """Return sh text of a function that runs its arguments with these behind them."""
    quoted = " \\\n        ".join(shlex.quote(spec) for spec in specs)
    return f'{function}() {{\n    "$@" \\\n        {quoted}\n}}\n'


def free_space(sections: Sections) -> int | None:
    """Return the bytes that are free where there is least."""
    found = re.findall(r"^free=(\d{1,15}) ", sections["host-place"].text, re.MULTILINE)
    return min((int(kibibytes) * 1024 for kibibytes in found), default=None)


def place_troubles(sections: Sections, *, tool: str, acting: bool = False) -> Iterator[Trouble]:
    """Tell what makes it useless to try: no root, file systems that are read-only, names that no package can have.

    Args:
        sections: the answer.
        tool: name of the manager.
        acting: whether it was more than a rehearsal, which not all managers want root for.
    """
    text = sections["host-place"].text
    uid = re.search(r"^uid=(\d+)$", text, re.MULTILINE)
    if acting and uid is not None and uid[1] != "0":
        yield Trouble(kind=TroubleKind.NOT_ROOT, message=f"{tool} wants root to install packages")
    for mount in dict.fromkeys(re.findall(r"^readonly=(.+)$", text, re.MULTILINE)):
        yield Trouble(
            kind=TroubleKind.READ_ONLY,
            message=f"the file system {mount} is mounted read-only",
            mend=f"mount -o remount,rw {shlex.quote(mount)}",
        )
    for line in sections["odd-names"].lines if "odd-names" in sections else ():
        name = line.partition(" ")[0]
        yield Trouble(
            kind=TroubleKind.OTHER,
            message=f"no package can have this name: {line.rstrip()}",
            packages=(name,),
        )


def odd_names(odd: Iterable[Wanted]) -> str:
    """Return sh text that tells of names and versions that no package can have: nothing else may be done then.

    A `*` would be taken as a pattern, and a dash in front as an option.
    """
    return f"section odd-names printf '%s\\n' {shlex.join(f'{w.name} {w.version} {w.arch}' for w in odd)}\n"


def locked(waits: Sequence[Section]) -> Iterator[Trouble]:
    """Tell who held the lock for longer than was waited.

    Args:
        waits: answers of `lock_wait`, the last one last.
    """
    if waits and waits[-1].code == 1:
        holders = re.findall(r"^holder=(\d+) (.*)$", waits[-1].text, re.MULTILINE)
        told = [f"process {pid} ({command.strip()[:200]})" for pid, command in holders[-1:]]
        who = told[0] if told else "another program"
        yield Trouble(kind=TroubleKind.LOCKED, message=f"{who} still holds the lock of the package manager")


def waited_seconds(waits: Iterable[Section]) -> float:
    """Return how long all in all was waited for a lock."""
    found = [int(s) for each in waits for s in re.findall(r"^waited=(\d{1,9})$", each.text, re.MULTILINE)]
    return float(max(found, default=0))
