"""Read dpkg's own database: what is installed, in which state, and what holds it."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DpkgRow", "read_installed"]

# dpkg-query(1): the second letter of db:Status-Abbrev. `n` and `c` are not installed, `i` is well.
_BROKEN: Final = {
    "U": "unpacked, but not configured",
    "F": "half-configured: its post-install script failed or was cut short",
    "H": "half-installed: unpacking failed or was cut short",
    "W": "waits for triggers of another package",
    "t": "its triggers were not run",
}
_FIELDS: Final = 8


class DpkgRow(NamedTuple):
    """One line of `dpkg-query -W`, as `scripts/apt.sh` asks for it."""

    name: str
    version: str
    arch: str
    status: str
    source: str
    section: str
    priority: str
    changed: str

    @property
    def held(self) -> bool:
        """Whether its selection is `hold`: what `apt-mark showhold` lists."""
        return self.status[:1] == "h"

    @property
    def damaged(self) -> bool:
        """Whether its files are not whole: configuring it does not help, it must be unpacked again."""
        return self.status[1:2] == "H" or self.status[2:3] == "R"

    @property
    def broken(self) -> str:
        """Why it is not properly installed; empty if it is."""
        why = _BROKEN.get(self.status[1:2], "")
        if self.status[2:3] == "R":
            return f"{why}; must be reinstalled" if why else "must be reinstalled"
        return why


def read_installed(lines: list[str]) -> tuple[list[DpkgRow], int]:
    """Return the packages that are on the host, wholly or in part, and how many lines could not be read."""
    rows: list[DpkgRow] = []
    unread = 0
    for line in lines:
        fields = line.split("\t")
        if len(fields) != _FIELDS:
            unread += bool(line.strip())
            continue
        if fields[3][1:2] not in {"n", "c", ""}:
            rows.append(DpkgRow._make(fields))
    return rows, unread
