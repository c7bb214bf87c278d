"""pacman: Arch Linux and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final, TypeAlias

from fleetctl.packages.alpmversion import alpm_version_key
from fleetctl.packages.collect import script_text
from fleetctl.packages.facts import moment
from fleetctl.packages.model import (
    AvailableUpdate,
    Fault,
    Hold,
    HostFacts,
    InstalledPackage,
    Origin,
    PackageState,
)
from fleetctl.packages.pacman_change import PacmanChanger
from fleetctl.packages.pacman_db import (
    Config,
    Detail,
    read_config,
    read_details,
    read_installed,
    read_offered,
    read_updates,
)
from fleetctl.packages.pacman_faults import holder, left_behind
from fleetctl.packages.pacman_reboot import reboot_verdict
from fleetctl.packages.sections import Section, Sections

__all__ = ["Pacman"]

_NEEDED: Final = ("pacman-config", "pacman-installed", "pacman-updates", "pacman-offers")
_BLIND: Final = (
    "pacman's repositories name no security fixes: missing security updates cannot be told from others"
)
_LISTED: Final = 5

Packages: TypeAlias = tuple[InstalledPackage, ...]
Details: TypeAlias = dict[str, list[Detail]]


class Pacman(PacmanChanger):
    """Asks pacman, reads its database, and reads what both say.

    Of several repositories that have a package, pacman takes the first in its configuration, and so does this.
    """

    name: ClassVar[str] = "pacman"
    families: ClassVar[tuple[str, ...]] = ("arch", "archlinux", "archarm", "manjaro", "endeavouros", "artix")
    detect: ClassVar[str] = "have pacman && have pacman-conf"
    refresh: ClassVar[str] = "pacman -Sy"

    def scan_script(self) -> str:
        """Return the sh text that defines `scan_pacman`."""
        return script_text("pacman.sh")

    def refresh_script(self) -> str:
        """Return the sh text that defines `refresh_pacman`.

        The databases of the host itself are fetched, not a copy as `checkupdates` does: a plan that was made from a copy could
        not be installed from what the host has.
        """
        return "refresh_pacman() { pacman --noconfirm --ask 64 -Sy; }\n"

    def version_key(self, version: str) -> Any:
        """Return the sort key of vercmp(8)."""
        return alpm_version_key(version)

    def parse(self, sections: Sections, facts: HostFacts) -> PackageState:
        """Read a host's answer."""
        config = read_config(sections["pacman-config"].lines)
        offered = read_offered(sections["pacman-offers"].lines)
        places = {
            name: (Origin(repository=name),) for name in {repository for repository, _ in offered.values()}
        }
        installed, unread = read_installed(
            sections["pacman-installed"].text,
            {(name, version): places[repository] for name, (repository, version) in offered.items()},
        )
        if holder(sections["pacman-lock"].lines):
            # What it has begun is as it should be.
            installed = tuple(replace(p, broken="") if p.broken else p for p in installed)
        details = read_details(sections["pacman-details"].lines)
        services, unseen = _services(sections["pacman-services"])
        errors = list(dict.fromkeys(_errors(sections, config)))
        if any(line.startswith("unknown=") for line in sections["pacman-lock"].lines):
            unseen.append(
                "whether a pacman that did not end well left its lock: only root can see who has it open"
            )
        foreign = [] if errors else [p.name for p in installed if p.name not in offered]
        if foreign:
            unseen.append(f"updates of packages that no repository has: {_few(foreign)}")
        return PackageState(
            manager=self.name,
            facts=facts,
            installed=installed,
            updates=tuple(_updates(sections, installed, details)),
            holds=tuple(_holds(config)),
            reboot=reboot_verdict(sections["pacman-kernel"], facts, installed),
            services=services,
            faults=tuple(_faults(sections)),
            metadata_time=_metadata_time(sections, facts),
            blind="" if errors else _BLIND,
            errors=tuple(errors),
            warnings=tuple(_warnings(sections, installed, details, unread)),
            unseen=tuple(unseen),
        )


def _updates(sections: Sections, installed: Packages, details: Details) -> Iterator[AvailableUpdate]:
    told = {update.name: update for update in read_updates(sections["pacman-updates"].lines)}
    upgrade = sections["pacman-upgrade"]
    # Without a plan (dependencies) nothing can be said to be kept back by it.
    rows = (line.split(" ") for line in upgrade.lines)
    planned = {row[0]: row[3] for row in rows if len(row) == 4} if upgrade.ok else None
    for package in installed:
        update = told.get(package.name)
        if update is None or alpm_version_key(update.after) <= alpm_version_key(package.version):
            continue
        version = next(
            (d.version for d in details.get(package.name, ()) if d.version.version == update.after), None
        )
        size = planned.get(package.name, "") if planned else ""
        if version is not None and size.isdecimal() and len(size) < 16:
            version = replace(version, size=int(size))
        yield AvailableUpdate(
            name=package.name,
            arch=package.arch,
            installed=package.version,
            candidate="" if update.ignored else update.after,
            versions=(version or update.version,),
            held="ignore" if update.ignored else "",
            kept_back=not update.ignored and planned is not None and package.name not in planned,
        )


def _holds(config: Config) -> Iterator[Hold]:
    """Tell what pacman leaves as it is. HoldPkg is none: it only asks before it removes one of those."""
    for name in config.ignored:
        yield Hold(name=name, kind="ignore", detail="IgnorePkg")
    for group in config.ignored_groups:
        yield Hold(name=group, kind="ignore", detail="IgnoreGroup")


def _errors(sections: Sections, config: Config) -> Iterator[str]:
    """Tell what makes the answer unfit to judge."""
    if not sections.complete:
        yield "the host's answer breaks off before its end"
    if sections["pacman-config"].ok and not config.repositories:
        yield "no repository is enabled: what is missing cannot be seen"
        return
    for name in _NEEDED:
        section = sections[name]
        said = list(_complaints(section))
        if section.fault:
            yield f"section {name}: {section.fault}"
        elif any("is not valid" in line or "Unrecognized archive" in line for line in said):
            yield f"{' '.join(said)}; mend it there with: pacman -Syy"
        elif said:
            yield from said
        elif name == "pacman-installed" and section.code != 0 and holder(sections["pacman-lock"].lines):
            yield "another pacman changed packages while they were read: scan again when it is done"
        elif section.code != 0 and not (name == "pacman-updates" and section.code == 1):
            # `-Qu` exits with 1 where there is nothing to update.
            yield f"{name} failed with exit code {section.code} and gave no reason"
    fetched = {path.rpartition("/")[2] for _, _, path in _times(sections)}
    missing = [name for name in config.repositories if f"{name}.db" not in fetched]
    if missing and not sections["pacman-times"].fault:
        yield f"there are no package lists of repository {', '.join(missing)}: pacman -Sy was never run here, or they were removed"


def _complaints(section: Section) -> Iterator[str]:
    """Return the errors of a tool, but for those of entries that are half written: the host is judged all the same."""
    for line in section.errors.splitlines():
        if line.startswith("error: ") and "/local/" not in line:
            yield line.removeprefix("error: ").strip()


def _faults(sections: Sections) -> Iterator[Fault]:
    told = [*sections["pacman-lock"].lines, *sections["pacman-installed"].lines]
    if holder(told):
        return
    found = list(left_behind(told))
    yield from found
    check = sections["pacman-check"]
    unmet = [] if check.ok else list(_unmet(check, known=bool(found)))
    if unmet:
        yield Fault(
            what=f"the package database is not consistent: {'; '.join(unmet[:_LISTED])}",
            mend="pacman --noconfirm -Syu",
        )


def _unmet(check: Section, *, known: bool) -> Iterator[str]:
    for line in check.errors.splitlines() + check.lines:
        if line.startswith("error: ") and not (known and "file is missing" in line):
            yield line.removeprefix("error: ").strip()


def _warnings(sections: Sections, installed: Packages, details: Details, unread: int) -> Iterator[str]:
    if unread:
        yield f"{unread} lines of the answer could not be read"
    if who := holder(sections["pacman-lock"].lines):
        yield f"packages were changing meanwhile: {who} is at work"
    upgrade = sections["pacman-upgrade"]
    if upgrade.code > 0:
        yield f"pacman cannot plan an upgrade of all: {' '.join(_complaints(upgrade)) or 'it gave no reason'}"
    names = {package.name for package in installed}
    for offers in details.values():
        for detail in offers:
            if (old := [name for name in detail.replaces if name in names]) and detail.name not in names:
                yield f"pacman -Su would replace {', '.join(old)} with {detail.name}: fleetctl does not, for it never removes a package"
    kept = sections["pacman-kept"].lines
    if kept:
        yield f"new configuration files wait to be merged: {_few(kept)}"


def _services(section: Section) -> tuple[tuple[str, ...], list[str]]:
    if section.code == 126:
        return (), ["services that need a restart: only root can see what they have loaded"]
    if not section.ok:
        return (), ["services that need a restart: the host gave no answer"]
    return tuple(line for line in section.lines if re.fullmatch(r"\S+\.service", line)), []


def _times(sections: Sections) -> Iterator[tuple[str, str, str]]:
    for line in sections["pacman-times"].lines:
        yield line.partition(" ")


def _metadata_time(sections: Sections, facts: HostFacts) -> datetime | None:
    """Return when databases were last fetched: `-Sy` asks for all of them, and leaves alone what has not changed."""
    if "refresh" in sections and sections["refresh"].ok:
        return facts.time
    times = (moment(seconds) for seconds, _, _ in _times(sections))
    return max((time for time in times if time is not None), default=None)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"
