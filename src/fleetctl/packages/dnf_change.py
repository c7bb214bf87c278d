"""What dnf 4 and dnf 5 would change, and changing it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from fleetctl.packages.change import Applied, Change, ChangeKind, Simulation, Trouble, TroubleKind, Wanted
from fleetctl.packages.collect import framed_script, script_text
from fleetctl.packages.place import free_space, place_troubles, targets
from fleetctl.packages.rpm_change import (
    applied,
    first,
    granted,
    nevra,
    read_list,
    rpm_troubles,
    said,
    split_odd,
    standing_troubles,
)
from fleetctl.packages.rpmdb import Key
from fleetctl.packages.rpmversion import evr, rpm_version_key, split_rpm_version
from fleetctl.packages.sections import Sections

__all__ = ["DnfChanger"]

_KINDS: Final[dict[str, ChangeKind]] = {
    "Installing": "install",
    "Upgrading": "upgrade",
    "Downgrading": "downgrade",
    "Reinstalling": "reinstall",
    "Removing": "remove",
}
_TITLE: Final = re.compile(rf"^({'|'.join(_KINDS)})(?: [a-z/ ]+)?:$")
_REPLACING: Final = re.compile(r"^\s+replacing\s+(\S+)\s+(.*)$")
_UNIT: Final = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DOWNLOAD: Final = re.compile(r"(?:Total download size:|Need to download) ([\d.]+) ?([kKMGT]?)")
_MORE: Final = re.compile(
    r"(?:Installed size:|After this operation,) ([\d.]+) ?([kKMGT]?)i?B? ?(extra|will be freed)?"
)
_UNKNOWN: Final = re.compile(
    r"^(?:No match for argument|No package matches|No packages to): ?(\S+)$", re.MULTILINE
)
_HIDDEN: Final = re.compile(
    r"filtered out by exclude filtering for argument: (\S+)|Argument '([^']+)' matches only (?:packages )?excluded.*"
)
_PROBLEM: Final = re.compile(r"^ *(?:Error: *\n *)?(Problem(?: \d+)?: .*(?:\n +-? ?\S.*)*)", re.MULTILINE)
_NO_LISTS: Final = re.compile(r"Cache-only enabled but no cache for (?:repository )?['\"]?([^'\"\n]+)['\"]?")
_ROOT: Final = re.compile(r"superuser privileges|This command has to be run")
_REFRESH: Final = "dnf makecache --refresh"
_DOUBLED: Final = "dnf -y remove --duplicates"


class _Row(NamedTuple):
    kind: ChangeKind
    name: str
    arch: str
    version: str
    repository: str
    size: int | None
    replaces: list[tuple[str, str, str]]


class DnfChanger:
    """Lets dnf install exact versions: `fleetctl.packages.change.PackageChanger`."""

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that asks dnf what it would do: from its caches, in a folder of its own."""
        good, odd = split_odd(wanted)
        return framed_script(f"{_library()}\n{targets('dnf_targets', map(nevra, good))}\n{odd}dnf_simulate\n")

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer."""
        section = sections["dnf-would"]
        five = "generation=5" in sections["dnf-tool"].text
        text = f"{section.text}\n{section.errors}"
        rows = _rows(section.lines)
        installed = _installed(sections)
        changes = tuple(change for row in rows for change in _changes(row, installed))
        troubles = [
            *place_troubles(sections, tool="dnf"),
            *standing_troubles(sections["rpm-doubled"], mend=_DOUBLED),
            *_troubles(text),
        ]
        aborted = "Operation aborted" in text
        if not troubles and not aborted and not section.ok:
            troubles.append(Trouble(kind=TroubleKind.OTHER, message=_why(text, section.fault, section.code)))
        return Simulation(
            changes=changes,
            download=_number(_DOWNLOAD.search(text)) if changes else 0,
            disk=_disk(text) if five else None,
            free=free_space(sections),
            troubles=tuple(troubles),
        )

    def apply_script(
        self, wanted: Sequence[Wanted], *, lock_seconds: int, removals: Sequence[str] = ()
    ) -> str:
        """Return a script that installs exactly these versions, and lets nothing go but `removals`."""
        good, odd = split_odd(wanted)
        act = "" if odd else f"{granted(removals)}dnf_apply {int(lock_seconds)}\n"
        return framed_script(f"{_library()}\n{targets('dnf_targets', map(nevra, good))}\n{odd}{act}")

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer. dnf 4 exits with 0 where a package's script failed after its installation, dnf 5 with 1."""
        troubles = [*place_troubles(sections, tool="dnf", acting=True)]
        if not first(sections).fault or first(sections).text:
            troubles += _troubles(said(sections))
        troubles += standing_troubles(sections["rpm-doubled"], mend=_DOUBLED)
        return applied(sections, troubles, codes=frozenset({0}))


def _library() -> str:
    return "\n".join(script_text(name) for name in ("dnf.sh", "place.sh", "rpm-change.sh", "dnf-change.sh"))


def _troubles(text: str) -> Iterator[Trouble]:
    unknown = tuple(dict.fromkeys(_UNKNOWN.findall(text)))
    if unknown:
        yield Trouble(
            kind=TroubleKind.GONE,
            message=f"no repository has {', '.join(unknown)} any more",
            mend=_REFRESH,
            packages=tuple(map(_name, unknown)),
        )
    hidden = tuple(dict.fromkeys(a or b for a, b in _HIDDEN.findall(text)))
    if hidden:
        yield Trouble(
            kind=TroubleKind.DEPENDENCIES,
            message=f"a versionlock or an exclude on the host hides {', '.join(hidden)}",
            packages=tuple(map(_name, hidden)),
        )
    if (lists := _NO_LISTS.search(text)) is not None:
        yield Trouble(
            kind=TroubleKind.OTHER,
            message=f"there are no package lists of repository {lists[1].strip()}",
            mend=_REFRESH,
        )
    if not unknown and not hidden and (problem := _PROBLEM.search(text)) is not None:
        yield Trouble(kind=TroubleKind.DEPENDENCIES, message=" ".join(problem[1].split())[:400])
    if _ROOT.search(text):
        yield Trouble(kind=TroubleKind.NOT_ROOT, message="dnf wants root to install packages")
    yield from rpm_troubles(text, again=_again, refresh=_REFRESH)


def _again(package: str) -> str:
    return f"dnf -y reinstall {shlex.quote(package)}"


def _name(spec: str) -> str:
    return spec.rsplit("-", 2)[0]


def _why(text: str, fault: str, code: int) -> str:
    if fault:
        return f"dnf's answer cannot be read: {fault}"
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return " ".join(lines[-3:])[:300] or f"dnf failed with exit code {code} and gave no reason"


def _rows(lines: Sequence[str]) -> list[_Row]:
    """Read the table of a transaction: package, architecture, version, repository, size. dnf 4 breaks rows that are too long."""
    found: list[_Row] = []
    kind: ChangeKind | None = None
    words: list[str] = []
    for line in lines:
        title = _TITLE.match(line)
        if title is not None or not line.strip() or line.startswith("Transaction Summary"):
            kind = _KINDS[title[1]] if title is not None else None
            words = []
        elif (replaced := _REPLACING.match(line)) is not None and found:
            found[-1].replaces.append(_replaced(replaced[1], replaced[2].split()))
        elif kind is not None:
            words += line.split()
            if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[4]):
                found.append(_row(kind, words))
                words = []
    return found


def _row(kind: ChangeKind, words: list[str]) -> _Row:
    name, arch, version, repository, number, *unit = words
    # dnf 5 tells how much room a package takes there, not how much is fetched.
    size = (
        _bytes(number, unit[0])
        if unit and unit[0] in _UNIT
        else int(number)
        if not unit and number.isdecimal()
        else None
    )
    return _Row(kind, name, arch, evr(*split_rpm_version(version)), repository, size, [])


def _replaced(name: str, words: list[str]) -> tuple[str, str, str]:
    """Read what goes: dnf 5 has architecture and version in columns, dnf 4 `name.arch` and version."""
    if len(words) > 1:
        return name, words[0], evr(*split_rpm_version(words[1]))
    stem, _, arch = name.rpartition(".")
    return stem, arch, evr(*split_rpm_version(words[0])) if words else ""


def _installed(sections: Sections) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for name, version, arch in read_list(sections["dnf-now"].lines):
        known = found.get((name, arch))
        if known is None or rpm_version_key(version) > rpm_version_key(known):
            found[name, arch] = version
    return found


def _changes(row: _Row, installed: dict[Key, str]) -> Iterator[Change]:
    if row.kind == "remove":
        yield Change(kind="remove", name=row.name, arch=row.arch, before=row.version)
        return
    own = next((version for name, arch, version in row.replaces if (name, arch) == (row.name, row.arch)), "")
    before = "" if row.kind == "install" else own or installed.get((row.name, row.arch), "")
    yield Change(
        kind=row.kind,
        name=row.name,
        arch=row.arch,
        before=before,
        after=row.version,
        repository=row.repository,
        size=row.size,
    )
    for name, arch, version in row.replaces:
        if name != row.name:
            yield Change(kind="remove", name=name, arch=arch, before=version)


def _number(found: re.Match[str] | None) -> int | None:
    return None if found is None else _bytes(found[1], found[2])


def _bytes(number: str, unit: str) -> int | None:
    try:
        return round(float(number) * _UNIT["k" if unit == "K" else unit])
    except (KeyError, ValueError, OverflowError):
        return None


def _disk(text: str) -> int | None:
    found = _MORE.search(text)
    size = _number(found)
    return -size if found and size and found[3] == "will be freed" else size
