"""What the vendor of the rpm families says about updates: the table behind updateinfo.xml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ADVISORIES", "Advisory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """An entry of updateinfo.xml, which zypper calls a patch. pacman has none.

    Attributes:
        kind: `security`, `bugfix` or `enhancement`.
        severity: as the vendor says, such as `Critical`; empty means none is given.
        issued: `YYYY-MM-DD HH:MM:SS`, UTC.
        reboot: its packages carry `reboot_suggested`.
        restart: they carry `restart_suggested`: zypper installs such patches first, alone, and exits 103.
        relogin: they carry `relogin_suggested`.
    """

    name: str
    kind: str
    title: str
    issued: str
    severity: str = ""
    cves: tuple[str, ...] = ()
    reboot: bool = False
    restart: bool = False
    relogin: bool = False


_ADVISORIES = (
    Advisory(
        name="FLSA-2024:0001",
        kind="security",
        title="fl-lib security update",
        issued="2024-01-10 00:00:00",
        severity="Critical",
        cves=("CVE-2024-0001",),
    ),
    Advisory(
        name="FLSA-2024:0002",
        kind="security",
        title="kernel security update",
        issued="2024-02-10 00:00:00",
        severity="Important",
        cves=("CVE-2024-0002", "CVE-2024-0005"),
        reboot=True,
    ),
    Advisory(
        name="FLSA-2024:0003",
        kind="security",
        title="fl-held and fl-shadow security update",
        issued="2024-02-11 00:00:00",
        severity="Moderate",
        cves=("CVE-2024-0003",),
    ),
    Advisory(
        name="FLSA-2024:0004",
        kind="security",
        title="fl-broken security update",
        issued="2024-02-12 00:00:00",
        severity="Important",
        cves=("CVE-2024-0004",),
    ),
    Advisory(
        name="FLBA-2024:0005", kind="bugfix", title="fl-app bug fix update", issued="2024-03-10 00:00:00"
    ),
    Advisory(
        name="FLBA-2024:0006",
        kind="bugfix",
        title="fl-held and fl-shadow bug fix update",
        issued="2024-03-11 00:00:00",
    ),
    Advisory(
        name="FLSA-2024:0007",
        kind="security",
        title="fl-excluded security update",
        issued="2024-03-12 00:00:00",
        severity="Important",
        cves=("CVE-2024-0007",),
    ),
    Advisory(
        name="FLSA-2024:0008",
        kind="security",
        title="fl-daemon security update",
        issued="2024-03-13 00:00:00",
        severity="Low",
        cves=("CVE-2024-0008",),
        relogin=True,
    ),
    Advisory(
        name="FLBA-2024:0009",
        kind="bugfix",
        title="package manager update",
        issued="2024-03-14 00:00:00",
        restart=True,
    ),
    Advisory(
        name="FLEA-2024:0010",
        kind="enhancement",
        title="fl-epoch enhancement update",
        issued="2024-03-15 00:00:00",
    ),
    Advisory(
        name="FLBA-2024:0011", kind="bugfix", title="fl-app bug fix update", issued="2024-04-10 00:00:00"
    ),
    Advisory(
        name="FLSA-2024:0012",
        kind="security",
        title="fl-lib security update",
        issued="2024-04-11 00:00:00",
        severity="Critical",
        cves=("CVE-2024-0012",),
    ),
)
#: By name.
ADVISORIES: Final = {advisory.name: advisory for advisory in _ADVISORIES}
