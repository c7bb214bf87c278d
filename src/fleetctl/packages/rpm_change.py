"""Read what dnf and zypper have in common when packages are changed: words of rpm, and what was installed before and after."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import unescape
from typing import Final

from fleetctl.packages.change import Applied, Change, ChangeKind, Trouble, TroubleKind, Wanted, beyond
from fleetctl.packages.place import locked, odd_names, waited_seconds
from fleetctl.packages.rpmdb import TWICE
from fleetctl.packages.rpmversion import rpm_version_key
from fleetctl.packages.sections import Section, Sections

__all__ = [
    "applied",
    "first",
    "granted",
    "nevra",
    "plain",
    "read_list",
    "rpm_troubles",
    "said",
    "split_odd",
    "standing_troubles",
]

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VERSION: Final = re.compile(r"(?:[0-9]+:)?[A-Za-z0-9_.+~^]+-[A-Za-z0-9_.+~^]+")
_ARCH: Final = re.compile(r"[A-Za-z0-9_]*")
_SCRIPT: Final = re.compile(
    r"%(\w+)\((\S+)\)(?: scriptlet failed, (?:exit status|signal) (\d+)|: lua script failed)"
)
_KEPT: Final = re.compile(r"(/\S.*?) (created|saved) as (/\S.*\.rpm(?:new|save|orig))\b")
_TIGHT: Final = re.compile(r"needs \w+ more space on the (\S+) filesystem|No space left on device")
_DATABASE: Final = re.compile(r"error: (?:rpmdb|cannot open Packages|db\d? error|.*database disk image).*")
_UNSIGNED: Final = re.compile(
    r".*(?:GPG check FAILED|[Ss]ignature verification failed|GPG signature verification|is not signed|NOKEY|BAD$"
    r"|[Pp]ublic key for .* is not installed|(?:GPG|PGP) key .*(?:failed|mismatch)|Signing key not found"
    r"|(?:OpenPGP|PGP|GPG) check .*failed).*"
)
_TAKEN: Final = re.compile(r"can't create transaction lock|already locked by|System management is locked")
_GONE: Final = re.compile(r"Status code: 4(?:04|10) for|not found on medium")
_FILE: Final = re.compile(
    r"(?:404|410) for \S*?([^/\s]+)-[^-/\s]+-[^-/\s]+\.rpm|File '[^']*?([^/']+)-[^-/']+-[^-/']+\.rpm' not found"
)
_LOST: Final = re.compile(
    r"Download \(curl\) error for [^\n]*\n[^\n]*\n[^\n]*|.*(?:Curl error|Connection failed|[Cc]ould not (?:connect|resolve)|[Cc]ouldn't (?:connect|resolve)|[Tt]imed? ?out|Status code: \d|"
    r"Valid metadata not found|All mirrors were).*"
)
_BEFORE: Final = frozenset({"pre", "prein", "pretrans", "preun", "triggerprein"})
_CUT: Final = re.compile(r"RPM failed: Command was killed by signal (\d+)")
# What a shell adds to the number of the signal that ended a program; dnf itself exits with 200 at most.
_KILLED: Final = 128
_SIGNALS: Final = 64
_BUSY: Final = Trouble(kind=TroubleKind.LOCKED, message="another program changes packages now")
_FULL: Final = Trouble(kind=TroubleKind.DISK_FULL, message="no room is left where packages are downloaded to")
# With less than this nothing can be told of a download that came out wrong.
_NOTHING: Final = 1 << 20


def split_odd(wanted: Sequence[Wanted]) -> tuple[list[Wanted], str]:
    """Leave out what is no name or version that rpm could have, and return sh text that tells of it."""
    good = [
        w for w in wanted if all(map(re.fullmatch, (_NAME, _VERSION, _ARCH), (w.name, w.version, w.arch)))
    ]
    odd = [w for w in wanted if w not in good]
    return good, odd_names(odd) if odd else ""


def granted(removals: Iterable[str]) -> str:
    """Return sh text that says which packages may be removed or downgraded."""
    names = " ".join(name for name in removals if _NAME.fullmatch(name))
    return f"rpm_granted={shlex.quote(names)}\n"


def nevra(wanted: Wanted) -> str:
    """Return the full name, with its epoch: without one dnf takes any."""
    version = wanted.version if ":" in wanted.version else f"0:{wanted.version}"
    return f"{wanted.name}-{version}.{wanted.arch}" if wanted.arch else f"{wanted.name}-{version}"


def plain(text: str) -> str:
    """Return the text of an answer without XML around it."""
    return (
        unescape(re.sub(r"</?(?:message|description|prompt|text)\b[^>]*>", "\n", text))
        if "<?xml" in text
        else text
    )


def said(sections: Sections) -> str:
    """Return all that the tool printed, of its last try."""
    section = first(sections)
    return plain(f"{section.text}\n{section.errors}")


def first(sections: Sections) -> Section:
    """Return the last try of the tool; if it never was started, a section that says so."""
    tries = [section for section in sections if section.name.startswith("rpm-apply-")]
    return tries[-1] if tries else sections["rpm-apply-1"]


def read_list(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Read name, version and architecture of `rpm_list`."""
    rows = (line.split("\t") for line in lines)
    return [
        (row[0], re.sub(r"^0:", "", row[1]), row[2])
        for row in rows
        if len(row) == 3 and row[0] != "gpg-pubkey"
    ]


def standing_troubles(section: Section, *, mend: str = "") -> Iterator[Trouble]:
    """Tell of packages in two versions at once: whoever installs more on top makes it worse.

    Args:
        section: `rpm_doubled`.
        mend: what mends it; by default what takes the older ones away.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name, version, arch in read_list(section.lines):
        found.setdefault((name, arch), []).append(version)
    older = [
        f"{name}-{version.rpartition(':')[2]}.{arch}"
        for (name, arch), versions in found.items()
        for version in sorted(versions, key=rpm_version_key)[:-1]
    ]
    if older:
        names = tuple(dict.fromkeys(name for name, _ in found))
        yield Trouble(
            kind=TroubleKind.BROKEN,
            message=f"{TWICE}: {', '.join(names)}",
            mend=mend or f"rpm -e {' '.join(older)}",
            packages=names,
        )


def rpm_troubles(text: str, *, again: Callable[[str], str], refresh: str) -> Iterator[Trouble]:
    """Find what rpm and the downloads complain of.

    Args:
        text: that the tool has printed.
        again: makes the command that installs a package once more, given its full name.
        refresh: the command that fetches the package lists.
    """
    for kind, package, code in dict.fromkeys(_SCRIPT.findall(text)):
        how = f"exit status {code}" if code else "in Lua"
        before = kind.lower() in _BEFORE
        yield Trouble(
            kind=TroubleKind.SCRIPT,
            message=f"the %{kind} script of {package} failed ({how}); the package is "
            + ("not installed" if before else "installed all the same"),
            mend="" if before else again(package),
            packages=(package.rsplit("-", 2)[0],),
        )
    if (found := _TIGHT.search(text)) is not None:
        where = f"the file system {found[1]}" if found[1] else "the disk"
        yield Trouble(
            kind=TroubleKind.DISK_FULL, message=f"{where} has no room left for it: {_line(text, found)}"
        )
    elif (found := _UNSIGNED.search(text)) is not None:
        yield Trouble(
            kind=TroubleKind.SIGNATURE, message=f"a signature could not be verified: {_line(text, found)}"
        )
    elif (found := _DATABASE.search(text)) is not None:
        yield Trouble(kind=TroubleKind.BROKEN, message=found[0].strip(), mend="rpm --rebuilddb")
    elif _TAKEN.search(text):
        yield _BUSY
    elif (found := _GONE.search(text)) is not None:
        yield Trouble(
            kind=TroubleKind.GONE,
            message=f"the mirror no longer has it: {_line(text, found)}",
            mend=refresh,
            packages=tuple(dict.fromkeys(a or b for a, b in _FILE.findall(text))),
        )
    elif (found := _LOST.search(text)) is not None:
        yield Trouble(
            kind=TroubleKind.MIRROR, message=f"the mirror could not be reached: {_line(text, found)}"
        )


def _line(text: str, found: re.Match[str]) -> str:
    begin = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return " ".join(text[begin : end if end >= 0 else len(text)].split()).removeprefix(">>> ")[:300]


def applied(sections: Sections, troubles: Iterable[Trouble], *, codes: frozenset[int]) -> Applied:
    """Put together what was done.

    Args:
        sections: the answer.
        troubles: that the tool itself told.
        codes: exit codes that mean success.
    """
    section = first(sections)
    waits = [each for each in sections if each.name.startswith("lock-wait-")]
    found = [*_refused(sections), *locked(waits), *troubles]
    ok = not section.fault and section.code in codes
    scripts = [trouble for trouble in found if trouble.kind is TroubleKind.SCRIPT]
    if not ok and not scripts and not section.fault and _no_room(sections):
        # Downloads that were cut short look like a bad mirror.
        found = [trouble for trouble in found if trouble.kind is TroubleKind.DISK_FULL] or [_FULL]
    cut = _CUT.search(said(sections))
    if cut is not None or _KILLED < section.code <= _KILLED + _SIGNALS:
        signal = cut[1] if cut else section.code - _KILLED
        told = f"the package manager was killed in the middle of it (signal {signal})"
        found.insert(0, Trouble(kind=TroubleKind.BROKEN, message=told))
    elif not ok and not found:
        found.append(Trouble(kind=TroubleKind.OTHER, message=_last_words(section, said(sections))))
    return Applied(
        ok=ok,
        changes=tuple(_changes(sections["rpm-changed"])),
        kept_files=tuple(dict.fromkeys(_kept(sections))),
        troubles=tuple(found),
        waited=waited_seconds(waits),
    )


def _refused(sections: Sections) -> Iterator[Trouble]:
    """Tell what stopped it after its rehearsal."""
    rehearsals = [each for each in sections if each.name.startswith("rpm-beyond-")]
    if not rehearsals or any(each.name.startswith("rpm-apply-") for each in sections):
        return
    if names := rehearsals[-1].lines:
        yield beyond(names)
    elif not rehearsals[-1].fault:
        yield _BUSY


def _no_room(sections: Sections) -> bool:
    left = re.findall(r"^free=(\d{1,15}) ", sections["host-left"].text, re.MULTILINE)
    return min((int(kibibytes) * 1024 for kibibytes in left), default=_NOTHING) < _NOTHING


def _kept(sections: Sections) -> Iterator[str]:
    for path, how, other in _KEPT.findall(said(sections)):
        # A `.rpmsave` is what the local version is called now.
        yield path if how == "created" else other


def _changes(section: Section) -> Iterator[Change]:
    """Compare what was installed with what is."""
    gone = {}
    for name, version, arch in read_list(line for line in section.lines if not line.startswith("\t")):
        gone[name, arch] = version
    for name, version, arch in read_list(line[1:] for line in section.lines if line.startswith("\t")):
        before = gone.pop((name, arch), "")
        kind: ChangeKind = "install"
        if before:
            kind = "upgrade" if rpm_version_key(version) > rpm_version_key(before) else "downgrade"
        yield Change(kind=kind, name=name, arch=arch, before=before, after=version)
    for (name, arch), version in gone.items():
        yield Change(kind="remove", name=name, arch=arch, before=version)


def _last_words(section: Section, text: str) -> str:
    if section.fault:
        return f"its end is not known: {section.fault}"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("<")]
    return " ".join(lines[-3:])[:300] or f"it failed with exit code {section.code} and gave no reason"
