"""What apt would change, and changing it: `fleetctl.packages.change.PackageChanger` for Debian and its kin."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fleetctl.packages.apt_checks import (
    apt_busy,
    apt_odd,
    apt_place,
    apt_refusals,
    apt_short,
    apt_standing,
    apt_waiting,
    free_space,
)
from fleetctl.packages.apt_troubles import apt_troubles, apt_unexplained
from fleetctl.packages.change import Applied, Change, ChangeKind, Simulation, Trouble, Wanted, beyond
from fleetctl.packages.collect import framed_script, script_text
from fleetctl.packages.debversion import deb_version_key
from fleetctl.packages.sections import Sections

__all__ = ["AptChanger"]

# deb-version(7), deb-control(5): nothing else is a name or a version, and nothing of it is special to a shell or to apt's patterns.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_ARCH: Final = re.compile(r"(?:[a-z0-9][a-z0-9-]*)?")

_STEP: Final = re.compile(
    r"^(?P<step>Inst|Conf|Remv|Purg) (?P<name>[^\s:]+)(?::(?P<other>\S+))?(?: \[(?P<old>[^\]]+)\])?"
    r"(?: \((?P<new>\S+) (?P<origin>.*?)(?: \[(?P<arch>[^\]]*)\])?\))?.*$",
    re.MULTILINE,
)
_FILE: Final = re.compile(r"^'\S+' ([^\s_]+)_(\S+?)_([a-z0-9-]+)\.u?deb (\d{1,15})\b", re.MULTILINE)
_DISK: Final = re.compile(
    r"After this operation, ([\d.,]+) ?([kMGT]?)B (of additional disk space will be used|disk space will be freed)"
)
_UNIT: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNPACKED: Final = re.compile(r"^Unpacking (\S+) \((\S+)\) over \((\S+)\) \.\.\.", re.MULTILINE)
_SET_UP: Final = re.compile(r"^Setting up (\S+) \((\S+)\) \.\.\.", re.MULTILINE)
# dpkg-query(1): states of a package that works. What waits for triggers is configured already.
_WHOLE: Final = frozenset("itW")
# Exit codes above it are signals.
_SIGNAL: Final = 128


class AptChanger:
    """Lets apt install exact versions."""

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that says what bringing these packages to these versions would do; nothing is written, no lock is taken."""
        return _script(wanted, "apt_simulate")

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer."""
        if "apt-nothing" in sections:
            return Simulation()
        answer, sizes = sections["apt-simulate"], sections["apt-sizes"].text
        files = {(name, version, arch): int(size) for name, version, arch, size in _FILE.findall(sizes)}
        changes = tuple(_planned(answer.text, files))
        download, disk = (sum(files.values()), _disk(sizes)) if sections["apt-sizes"].ok else (None, None)
        troubles = [*apt_odd(sections), *apt_place(sections, acting=False), *_stops(sections)]
        if "apt-odd" in sections:
            pass
        elif answer.ok:
            troubles += apt_short(sections, download=download or 0, disk=disk or 0)
        elif not troubles:
            troubles = apt_busy(sections["apt-unfinished"]) or _unplanned(sections)
        return Simulation(
            changes=changes,
            download=download,
            disk=disk,
            free=free_space(sections),
            troubles=tuple(troubles),
        )

    def apply_script(
        self, wanted: Sequence[Wanted], *, lock_seconds: int, removals: Sequence[str] = ()
    ) -> str:
        """Return a script that installs exactly these, keeps local configuration files, and restarts nothing.

        Once nobody holds the locks any more it rehearses, and goes no further where something is half done, held or gone, or would
        be removed and is not among `removals`. Packages that had come along for others stay marked so.
        """
        granted = shlex.quote(" ".join(name for name in removals if re.fullmatch(_NAME, name)))
        return _script(wanted, f"apt_granted={granted}\napt_apply {int(lock_seconds)}")

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer."""
        if "apt-nothing" in sections:
            return Applied(ok=True)
        answer = sections["apt-install"]
        troubles = [*apt_odd(sections), *apt_place(sections, acting=True), *apt_waiting(sections)]
        troubles = troubles or _before(sections)
        if not troubles and not answer.ok:
            troubles = apt_refusals(sections["apt-simulate"].text)
            troubles = troubles or apt_troubles(answer, offers=sections["apt-offers"])
        named = {name for trouble in troubles for name in trouble.packages}
        for trouble in apt_standing(sections["apt-unfinished"]):
            if not trouble.packages or not set(trouble.packages) <= named:
                troubles.append(trouble)
        if not answer.ok and (not troubles or answer.code > _SIGNAL):
            troubles.append(apt_unexplained(answer, "failed"))
        waited = re.findall(r"^waited=(\d{1,9})$", sections["apt-wait"].text, re.MULTILINE)
        return Applied(
            ok=answer.ok and not troubles,
            changes=tuple(_changes(sections)),
            kept_files=_kept(sections),
            troubles=tuple(troubles),
            waited=float(waited[-1]) if waited else 0.0,
        )


def _script(wanted: Sequence[Wanted], act: str) -> str:
    if not wanted:
        return framed_script("section apt-nothing true\n")
    odd = [w for w in wanted if not _possible(w)]
    if odd:
        # Exactly what is wanted, or nothing: not a part of it.
        names = shlex.join(f"{w.name} {w.version} {w.arch}".rstrip() for w in odd)
        return framed_script(f"section apt-odd printf '%s\\n' {names}\n")
    specs = " ".join(
        shlex.quote(
            f"{w.name}:{w.arch}={w.version}" if w.arch not in {"", "all"} else f"{w.name}={w.version}"
        )
        for w in wanted
    )
    body = [script_text("apt.sh"), script_text("apt-change.sh"), f'apt_specs() {{ "$@" {specs}; }}', act]
    return framed_script("\n".join(body) + "\n")


def _possible(wanted: Wanted) -> bool:
    return all(map(re.fullmatch, (_NAME, _VERSION, _ARCH), (wanted.name, wanted.version, wanted.arch)))


def _stops(sections: Sections) -> list[Trouble]:
    """Tell what apt could plan around, and must not."""
    return [*apt_standing(sections["apt-unfinished"]), *apt_refusals(sections["apt-simulate"].text)]


def _before(sections: Sections) -> list[Trouble]:
    """Tell why nothing was tried, if nothing was."""
    first = sections["apt-unfinished-before"]
    found = apt_standing(first) or apt_busy(first)
    if removed := sections["apt-beyond"].lines:
        found.append(beyond(removed))
    if found or "apt-install" in sections or "apt-simulate" not in sections:
        return found
    return _unplanned(sections)


def _unplanned(sections: Sections) -> list[Trouble]:
    """Tell why a rehearsal failed."""
    rehearsal = sections["apt-simulate"]
    found = apt_troubles(rehearsal, offers=sections["apt-offers"])
    return found or [apt_unexplained(rehearsal, "would not plan it")]


def _planned(text: str, files: dict[tuple[str, str, str], int]) -> Iterator[Change]:
    """Read the steps of `apt-get -s`: each package once, a removal as such, `Conf` alone where it is only configured."""
    steps: dict[tuple[str, str], Change] = {}
    for found in _STEP.finditer(text):
        step, name, arch = found["step"], found["name"], found["other"] or found["arch"] or ""
        old, new = found["old"] or "", found["new"] or ""
        if step in {"Remv", "Purg"}:
            steps[name, arch] = Change(kind="remove", name=name, arch=arch, before=old)
        elif step == "Inst":
            steps[name, arch] = Change(
                kind=_kind(old, new),
                name=name,
                arch=arch,
                before=old,
                after=new,
                repository=(found["origin"] or "").strip(),
                # apt writes an epoch's colon as %3a in the names of files.
                size=files.get((name, new.replace(":", "%3a"), found["arch"] or "")),
            )
        elif (name, arch) not in steps:
            steps[name, arch] = Change(kind="configure", name=name, arch=arch, after=new)
    return iter(steps.values())


def _kind(old: str, new: str) -> ChangeKind:
    if not old:
        return "install"
    before, after = deb_version_key(old), deb_version_key(new)
    return "upgrade" if after > before else "downgrade" if after < before else "reinstall"


def _changes(sections: Sections) -> Iterator[Change]:
    """Tell what is otherwise than before; where nobody looked again, what dpkg said."""
    section = sections["apt-changed"]
    if not section.ok:
        yield from _said(sections["apt-install"].text)
        return
    before, after = _rows(section.lines, "-"), _rows(section.lines, "+")
    for name, arch in dict.fromkeys([*before, *after]):
        old, _ = before.get((name, arch), ("", ""))
        new, status = after.get((name, arch), ("", ""))
        if not new:
            yield Change(kind="remove", name=name, arch=arch, before=old)
        elif status[1:2] in _WHOLE:  # what was left half done is a trouble, not a change
            kind: ChangeKind = "configure" if old == new else _kind(old, new)
            yield Change(kind=kind, name=name, arch=arch, before=old, after=new)


def _rows(lines: Iterable[str], mark: str) -> dict[tuple[str, str], tuple[str, str]]:
    rows = (line[1:].split("\t") for line in lines if line.startswith(mark))
    return {(row[0], row[1]): (row[2], row[3]) for row in rows if len(row) == 4}


def _said(text: str) -> Iterator[Change]:
    old = {(name, new): before for name, new, before in _UNPACKED.findall(text)}
    for full, new in _SET_UP.findall(text):
        name, _, arch = full.partition(":")
        before = old.get((full, new), "")
        yield Change(kind=_kind(before, new), name=name, arch=arch, before=before, after=new)


def _kept(sections: Sections) -> tuple[str, ...]:
    """Return the local files that were kept: what lies beside them has an ending more."""
    found = (line for line in sections["apt-kept"].lines if line.startswith("/"))
    return tuple(sorted({path.removesuffix(".dpkg-dist").removesuffix(".ucf-dist") for path in found}))


def _disk(text: str) -> int | None:
    found = _DISK.search(text)
    if found is None:
        return None
    number = round(float(found[1].replace(",", "")) * _UNIT[found[2]])
    return -number if "freed" in found[3] else number
