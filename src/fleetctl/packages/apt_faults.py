"""What is broken or half done in dpkg's database, and which command mends it."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.packages.dpkg import DpkgRow
from fleetctl.packages.model import Fault
from fleetctl.packages.sections import Section

__all__ = ["apt_faults"]


def apt_faults(rows: Iterable[DpkgRow], upgrade: Section) -> tuple[Fault, ...]:
    """Return the faults of a Debian host.

    Args:
        rows: what dpkg has of each package.
        upgrade: `apt-get -s dist-upgrade`; it refuses to plan while dependencies are unmet.
    """
    unfinished: list[str] = []
    damaged: list[str] = []
    for row in rows:
        if row.damaged:
            damaged.append(row.name)
        elif row.broken:
            unfinished.append(row.name)
    found: list[Fault] = []
    if damaged:
        named = " ".join(damaged)
        found.append(
            Fault(
                what=f"half-installed, to be installed again: {', '.join(damaged)}",
                mend=f"apt-get -y --reinstall install {named}",
                packages=tuple(damaged),
            )
        )
    if unfinished:
        found.append(
            Fault(
                what=f"unpacked, but not configured: {', '.join(unfinished)}",
                mend="dpkg --configure -a",
                packages=tuple(unfinished),
            )
        )
    if "nmet dependencies" in upgrade.text + upgrade.errors:
        found.append(
            Fault(what="installed packages have unmet dependencies", mend="apt-get -y --fix-broken install")
        )
    return tuple(found)
