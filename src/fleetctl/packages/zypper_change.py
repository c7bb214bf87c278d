"""What zypper would change, and changing it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from fleetctl.packages.change import Applied, Change, ChangeKind, Simulation, Trouble, TroubleKind, Wanted
from fleetctl.packages.collect import framed_script, script_text
from fleetctl.packages.place import free_space, place_troubles, targets
from fleetctl.packages.rpm_change import (
    applied,
    first,
    granted,
    plain,
    rpm_troubles,
    said,
    split_odd,
    standing_troubles,
)
from fleetctl.packages.sections import Sections
from fleetctl.packages.zypper_xml import Summary, read_summary

__all__ = ["ZypperChanger"]

_KINDS: Final[dict[str, ChangeKind]] = {
    "to-install": "install",
    "to-upgrade": "upgrade",
    "to-upgrade-change-arch": "upgrade",
    "to-downgrade": "downgrade",
    "to-downgrade-change-arch": "downgrade",
    "to-reinstall": "reinstall",
    "to-change-arch": "reinstall",
    "to-remove": "remove",
}
# Done; done, and a reboot is needed; done, and the package manager itself was updated; done, but a script failed.
_DONE: Final = frozenset({0, 102, 103})
_UNKNOWN: Final = re.compile(r"(?:No provider of '([^']+)' found|Package '([^']+)' not found)")
_PROBLEM: Final = re.compile(r"Problem: (?:\d+: )?(.*(?:\n  ?[^S\n].*)*)")
_LOCK: Final = re.compile(r"remove lock to allow (?:installation|removal) of (\S+?)(?:\[|$)", re.MULTILINE)
_FAILED: Final = re.compile(r"(?:Installation|Removal) of (\S+) failed:\n(?:Error: )?([^\n]*)")
_HOLDER: Final = re.compile(r"locked by the application with pid (\d+) \(([^)]*)\)")
_LISTS: Final = {TroubleKind.SIGNATURE, TroubleKind.MIRROR, TroubleKind.DISK_FULL}
_ROOT: Final = "Root privileges are required"
_REFRESH: Final = "zypper --non-interactive refresh --force"


class ZypperChanger:
    """Lets zypper install exact versions: `fleetctl.packages.change.PackageChanger`.

    Packages, never patches: `zypper patch` asks about locked packages, and installs patches of itself alone.
    """

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that asks zypper what it would do: from its caches, in a folder of its own."""
        good, odd = split_odd(wanted)
        return framed_script(
            f"{_library()}\n{targets('zypper_targets', map(_spec, good))}\n{odd}zypper_simulate\n"
        )

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer."""
        section = sections["zypper-would"]
        text = plain(f"{section.text}\n{section.errors}")
        summary = read_summary(section.text)
        troubles = [
            *place_troubles(sections, tool="zypper"),
            *standing_troubles(sections["rpm-doubled"]),
            *_troubles(text),
        ]
        if not troubles and (section.fault or section.code not in _DONE or summary is None):
            troubles.append(Trouble(kind=TroubleKind.OTHER, message=_why(text, section.fault, section.code)))
        return Simulation(
            changes=tuple(_changes(summary)) if summary else (),
            download=summary.download if summary else None,
            disk=summary.disk if summary else None,
            free=free_space(sections),
            troubles=tuple(troubles),
        )

    def apply_script(
        self, wanted: Sequence[Wanted], *, lock_seconds: int, removals: Sequence[str] = ()
    ) -> str:
        """Return a script that installs exactly these versions, and lets nothing go but `removals`."""
        good, odd = split_odd(wanted)
        act = "" if odd else f"{granted(removals)}zypper_apply {int(lock_seconds)}\n"
        return framed_script(f"{_library()}\n{targets('zypper_targets', map(_spec, good))}\n{odd}{act}")

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer. Exit code 107 says that a package's script failed after its installation."""
        troubles = [*place_troubles(sections, tool="zypper", acting=True)]
        if not first(sections).fault or first(sections).text:
            troubles += _troubles(said(sections))
        troubles += standing_troubles(sections["rpm-doubled"])
        return applied(sections, troubles, codes=_DONE)


def _library() -> str:
    return "\n".join(
        script_text(name) for name in ("zypper.sh", "place.sh", "rpm-change.sh", "zypper-change.sh")
    )


def _spec(wanted: Wanted) -> str:
    name = f"{wanted.name}.{wanted.arch}" if wanted.arch else wanted.name
    return f"{name}={wanted.version}"


def _changes(summary: Summary) -> Iterator[Change]:
    for row in summary.rows:
        kind = _KINDS.get(row.what)
        if kind is None:
            continue
        yield Change(
            kind=kind,
            name=row.name,
            arch=row.arch,
            before=row.version if kind == "remove" else row.before,
            after="" if kind == "remove" else row.version,
            repository="" if kind == "remove" else row.repository,
        )


def _troubles(text: str) -> Iterator[Trouble]:
    others = list(rpm_troubles(text, again=_again, refresh=_REFRESH))
    if _ROOT in text:
        yield Trouble(kind=TroubleKind.NOT_ROOT, message="zypper wants root to install packages")
    if (holder := _HOLDER.search(text)) is not None:
        told = f"process {holder[1]} ({holder[2]}) still holds the lock of the package manager"
        others = [Trouble(kind=TroubleKind.LOCKED, message=told)]
    # A repository that cannot be had is left out, and all that it has.
    if not {trouble.kind for trouble in others} & _LISTS:
        yield from _unknown(text)
    yield from _unsolved(text)
    yield from others or _failed(text)


def _unknown(text: str) -> Iterator[Trouble]:
    specs = tuple(dict.fromkeys(a or b for a, b in _UNKNOWN.findall(text)))
    if specs:
        names = [spec.partition("=")[0] for spec in specs]
        yield Trouble(
            kind=TroubleKind.GONE,
            message=f"no repository has {', '.join(specs)} any more",
            mend=_REFRESH,
            packages=tuple(name.rpartition(".")[0] or name for name in names),
        )


def _unsolved(text: str) -> Iterator[Trouble]:
    locked = tuple(dict.fromkeys(name.rsplit("-", 2)[0] for name in _LOCK.findall(text)))
    if locked:
        told = f"a lock on the host keeps {', '.join(locked)} as it is"
        yield Trouble(kind=TroubleKind.DEPENDENCIES, message=told, packages=locked)
    elif (problem := _PROBLEM.search(text)) is not None:
        yield Trouble(kind=TroubleKind.DEPENDENCIES, message=" ".join(problem[1].split())[:400])


def _failed(text: str) -> Iterator[Trouble]:
    for package, why in dict.fromkeys(_FAILED.findall(text)):
        if "killed by signal" in why:
            continue
        told = f"{package} could not be installed or removed: {' '.join(why.split())}"[:300]
        yield Trouble(kind=TroubleKind.OTHER, message=told, packages=(package.rsplit("-", 2)[0],))


def _again(package: str) -> str:
    stem, _, arch = package.rpartition(".")
    name, version, release = stem.rsplit("-", 2) if stem.count("-") > 1 else (stem, "", "")
    spec = f"{name}.{arch}={version}-{release}" if version else package
    return f"zypper --non-interactive install --force {shlex.quote(spec)}"


def _why(text: str, fault: str, code: int) -> str:
    if fault:
        return f"zypper's answer cannot be read: {fault}"
    lines = [
        " ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("<")
    ]
    return " ".join(lines[-3:])[:300] or f"zypper failed with exit code {code} and gave no reason"
