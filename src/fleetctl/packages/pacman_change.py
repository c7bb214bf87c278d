"""What pacman would change, and changing it: `fleetctl.packages.change.PackageChanger` for Arch Linux and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fleetctl.packages.alpmversion import alpm_version_key
from fleetctl.packages.change import Applied, Change, ChangeKind, Simulation, Trouble, TroubleKind, Wanted
from fleetctl.packages.collect import framed_script, script_text
from fleetctl.packages.pacman_db import read_updates
from fleetctl.packages.pacman_faults import at_work, standing_troubles
from fleetctl.packages.pacman_troubles import (
    CLEAN,
    REFRESH,
    killed,
    last_words,
    pacman_troubles,
    script_troubles,
)
from fleetctl.packages.place import free_space, locked, odd_names, place_troubles, targets, waited_seconds
from fleetctl.packages.sections import Section, Sections

__all__ = ["PacmanChanger"]

# PKGBUILD(5): nothing else is a name or a version.
_NAME: Final = re.compile(r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]*")
_VERSION: Final = re.compile(r"(?:[0-9]+:)?[^\s:/=<>'\"\\$`*?;&|-]+-[0-9]+(?:\.[0-9]+)?")
_KEPT: Final = re.compile(
    r"^warning: (/.+?) (installed|saved) as (/.+\.pac(?:new|save|orig)\S*)$", re.MULTILINE
)
_MIB: Final = re.compile(r"^(Total Installed|Net Upgrade) Size: +(-?\d{1,9}\.\d\d) MiB$", re.MULTILINE)
_NAMED: Final = 5


class PacmanChanger:
    """Lets pacman install exact versions. It never gets `-y`: what is installed is what the plan was made from, or nothing."""

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that asks pacman what it would do, and rehearses it up to the last question with a lock of its own."""
        return _script(wanted, "pacman_simulate")

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer."""
        if "pacman-nothing" in sections:
            return Simulation()
        troubles = [
            *place_troubles(sections, tool="pacman"),
            *standing_troubles(sections["pacman-unfinished"]),
        ]
        changes = tuple(_planned(sections))
        if not troubles and (troubles := _unplanned(sections)):
            troubles = at_work(sections["pacman-unfinished"]) or troubles
        disk, download = _disk(sections["pacman-rehearsal"].text), sum(change.size or 0 for change in changes)
        troubles = troubles or list(_short(sections["host-place"], download=download, disk=disk or 0))
        return Simulation(
            changes=changes,
            download=download if sections["pacman-would"].ok else None,
            disk=disk,
            free=free_space(sections),
            troubles=tuple(troubles),
            notes=tuple(_notes(sections)),
        )

    def apply_script(
        self,
        wanted: Sequence[Wanted],
        *,
        lock_seconds: int,
        removals: Sequence[str] = (),  # noqa: ARG002
    ) -> str:
        """Return a script that installs exactly these, once nobody holds the lock and a rehearsal says that it is these alone.

        pacman removes nothing that is not asked for, and no downgrade is ever let through: `removals` are granted in vain.
        """
        return _script(wanted, f"pacman_apply {int(lock_seconds)}")

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer."""
        if "pacman-nothing" in sections:
            return Applied(ok=True)
        troubles = [
            *place_troubles(sections, tool="pacman", acting=True),
            *locked([sections["lock-wait-1"]]),
            *standing_troubles(sections["pacman-unfinished"]),
        ]
        section = sections["pacman-apply"]
        tried = "pacman-apply" in sections
        if tried:
            troubles += _failures(sections)
        elif not troubles:
            troubles = at_work(sections["pacman-unfinished"]) or _unplanned(sections) or _unbegun(sections)
        return Applied(
            ok=not troubles and (section.ok or not tried),
            changes=tuple(_changes(sections["pacman-changed"].lines)),
            kept_files=tuple(
                dict.fromkeys(
                    path if how == "installed" else other for path, how, other in _KEPT.findall(section.text)
                )
            ),
            troubles=tuple(troubles),
            waited=waited_seconds([sections["lock-wait-1"]]),
        )


def _script(wanted: Sequence[Wanted], act: str) -> str:
    if not wanted:
        return framed_script("section pacman-nothing true\n")
    odd = [w for w in wanted if not (_NAME.fullmatch(w.name) and _VERSION.fullmatch(w.version))]
    if odd:
        # Exactly what is wanted, or nothing: not a part of it.
        return framed_script(odd_names(odd))
    library = [script_text(name) for name in ("pacman.sh", "place.sh", "pacman-change.sh")]
    specs = targets("pacman_targets", (f"{w.name}={w.version}" for w in wanted))
    return framed_script("\n".join([*library, specs, act]) + "\n")


def _unplanned(sections: Sections) -> list[Trouble]:
    """Tell why it would not do it, or would do something else."""
    would, rehearsal = sections["pacman-would"], sections["pacman-rehearsal"]
    text = f"{would.errors}\n{rehearsal.text}\n{rehearsal.errors}"
    found = pacman_troubles(text)
    if found:
        return found
    if not would.ok or (not rehearsal.ok and rehearsal.code != 126):
        failed = rehearsal if would.ok else would
        return [Trouble(kind=TroubleKind.OTHER, message=last_words(failed, text))]
    there = {tuple(line.split(" ")[:2]) for line in (*would.lines, *sections["pacman-now"].lines)}
    specs = (line.partition("=") for line in sections["pacman-wanted"].lines)
    return [
        Trouble(
            kind=TroubleKind.GONE,
            message=f"no repository of the host has {name} {version} (any more)",
            mend=REFRESH,
            packages=(name,),
        )
        for name, _, version in specs
        if (name, version) not in there
    ]


def _unbegun(sections: Sections) -> list[Trouble]:
    """Tell that it did not come to it, where there was something to do."""
    if sections.complete and not sections["pacman-would"].lines:
        return []
    return [Trouble(kind=TroubleKind.OTHER, message="the host's answer breaks off before pacman was started")]


def _failures(sections: Sections) -> list[Trouble]:
    """Tell what went wrong once it had begun."""
    section = sections["pacman-apply"]
    text = f"{section.text}\n{section.errors}"
    scripts = list(script_troubles(text))
    if section.ok:
        return scripts
    found = [
        *killed(section),
        *(pacman_troubles(text) or scripts),
        *standing_troubles(sections["pacman-after"]),
    ]
    return list(dict.fromkeys(found)) or [Trouble(kind=TroubleKind.OTHER, message=last_words(section, text))]


def _notes(sections: Sections) -> Iterator[str]:
    """Warn of a partial upgrade. What the host itself ignores is its own business, and told as such."""
    would = {line.split(" ")[0] for line in sections["pacman-would"].lines}
    left = [
        u.name
        for u in read_updates(sections["pacman-updates"].lines)
        if not u.ignored and u.name not in would
    ]
    if would and left:
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        yield (
            f"this is a partial upgrade, which Arch does not support: {', '.join(left[:_NAMED])}{more} would stay as they are, and what "
            "was built against newer libraries may fail; install all updates of the host together"
        )


def _short(place: Section, *, download: int, disk: int) -> Iterator[Trouble]:
    """Tell which file system is too small: the one of /usr, or the last, which packages are downloaded to."""
    found = re.findall(r"^free=(\d{1,15}) (.+)$", place.text, re.MULTILINE)
    if len(found) < 3:
        return
    free = {mount: int(kibibytes) * 1024 for kibibytes, mount in found}
    need = {found[1][1]: max(0, disk)}
    need[found[-1][1]] = need.get(found[-1][1], 0) + download
    for mount, bytes_ in need.items():
        if free[mount] < bytes_:
            message = f"{mount} has {free[mount]} bytes free, and {bytes_} are needed"
            yield Trouble(kind=TroubleKind.DISK_FULL, message=message, mend=CLEAN)


def _planned(sections: Sections) -> Iterator[Change]:
    now = dict(_rows(sections["pacman-now"].lines))
    for line in sections["pacman-would"].lines:
        fields = line.split(" ")
        if len(fields) != 4:
            continue
        name, version, repository, size = fields
        before, arch = now.get(name, ("", ""))
        yield Change(
            kind=_kind(before, version),
            name=name,
            arch=arch,
            before=before,
            after=version,
            repository=repository,
            size=int(size) if size.isdecimal() and len(size) < 16 else None,
        )


def _kind(before: str, after: str) -> ChangeKind:
    if not before:
        return "install"
    old, new = alpm_version_key(before), alpm_version_key(after)
    return "upgrade" if new > old else "downgrade" if new < old else "reinstall"


def _rows(lines: Iterable[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in lines:
        fields = line.split(" ")
        if len(fields) == 3:
            yield fields[0], (fields[1], fields[2])


def _changes(lines: list[str]) -> Iterator[Change]:
    """Compare what was installed with what is."""
    gone = dict(_rows(line for line in lines if not line.startswith("\t")))
    for name, (version, arch) in _rows(line[1:] for line in lines if line.startswith("\t")):
        before, _ = gone.pop(name, ("", ""))
        yield Change(kind=_kind(before, version), name=name, arch=arch, before=before, after=version)
    for name, (version, arch) in gone.items():
        yield Change(kind="remove", name=name, arch=arch, before=version)


def _disk(text: str) -> int | None:
    """Return the bytes that will be used more; pacman tells hundredths of MiB."""
    told = {what: round(float(number) * 2**20) for what, number in _MIB.findall(text)}
    return told.get("Net Upgrade", told.get("Total Installed"))
