"""Why pacman did not do what it was asked for. Its exit code is 1 whatever happened, and 0 where a script failed: only its words tell."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator
from typing import Final

from fleetctl.packages.change import Trouble, TroubleKind
from fleetctl.packages.sections import Section

__all__ = [
    "CLEAN",
    "REFRESH",
    "killed",
    "last_words",
    "pacman_troubles",
    "script_troubles",
]

CLEAN: Final = "pacman --noconfirm -Sc"
REFRESH: Final = "pacman -Sy"
_AFRESH: Final = "pacman -Syy"
_KEYS: Final = "pacman -Sy --needed archlinux-keyring"
_LONGEST: Final = 300

_MISSING: Final = re.compile(r"^error: target not found: (\S+)$", re.MULTILINE)
_SKIPPED: Final = re.compile(r"warning: skipping target: ([^\s=]+)")
_ASKED: Final = re.compile(r"^:: (\S+) is in IgnorePkg/IgnoreGroup", re.MULTILINE)
_OLDER: Final = re.compile(r"^warning: downgrading package (\S+) \((\S+) => (\S+)\)$", re.MULTILINE)
_FILE_GONE: Final = re.compile(
    r"^error: failed retrieving file '(?P<file>[^']+)' from .*(?:returned error: 4(?:04|10)|: 4(?:04|10)\b)",
    re.MULTILINE,
)
_MIRROR: Final = re.compile(
    r"^error: (?:failed retrieving file|failed to synchronize|.*download library error|failed to commit transaction \(failed to retrieve).*$",
    re.MULTILINE,
)
_DAMAGED: Final = re.compile(r"^.*invalid or corrupted (?:package \(checksum\)|database\)).*$", re.MULTILINE)
_TRUST: Final = re.compile(
    r"^.*(?:is unknown trust|is marginal trust|required key missing|key \S+ (?:could not be|is unknown)|key .* is disabled).*$",
    re.MULTILINE,
)
_SIGNATURE: Final = re.compile(
    r"^.*(?:signature from .* is invalid|missing required signature|\(PGP signature\)|signature is (?:expired|invalid)).*$",
    re.MULTILINE,
)
_ROOM: Final = re.compile(
    r"^.*(?:not enough free disk space|Partition .* too full|No space left on device|[Ff]ail(?:ure|ed) writing (?:received|output|body)|Write failed).*$",
    re.MULTILINE,
)
_READ_ONLY: Final = re.compile(r"^.*Read-only file system.*$", re.MULTILINE)
_IN_THE_WAY: Final = re.compile(
    r"^(\S+): (/\S.*) exists in (?:filesystem|both)(?: \(owned by (\S+)\))?.*$", re.MULTILINE
)
_UNSOLVED: Final = re.compile(
    r"^error: failed to (?:prepare|commit) transaction \(((?:could not satisfy|conflicting|unresolvable)[^)]*)\)",
    re.MULTILINE,
)
_WHY: Final = re.compile(
    r"^(?:warning: cannot resolve|:: (?!Proceed|Retrieving|Processing|Running|Synchron|Import|The following|Do you want|\S+ is in Ign)).*$",
    re.MULTILINE,
)
_STEP: Final = re.compile(r"^(?:(?:up|down)grading|installing|reinstalling|removing) (\S+?)\.\.\.$")
_HOOK: Final = re.compile(r"^\(\s*\d+/\d+\) (.+?)(?:\.\.\.)?$")
_FAILED: Final = "error: command failed to execute correctly"


def pacman_troubles(text: str) -> list[Trouble]:
    """Tell apart what went wrong, the cause before what follows from it.

    Args:
        text: all that pacman has printed, in a run or a rehearsal that did not succeed.
    """
    if "unable to lock database" in text:
        return [
            Trouble(kind=TroubleKind.LOCKED, message="another program changes packages now, and was quicker")
        ]
    room = [
        _told(TroubleKind.DISK_FULL, "there is no room left for it", found, mend=CLEAN)
        for found in _first(_ROOM, text)
    ]
    read_only = [
        _told(TroubleKind.READ_ONLY, "a file system is mounted read-only", found)
        for found in _first(_READ_ONLY, text)
    ]
    return (
        room
        or read_only
        or [*_gone(text), *_ignored(text), *_older(text)]
        or _untrusted(text)
        or _unfetched(text)
        or [*_in_the_way(text)]
        or _unsolved(text)
        or _broken(text)
    )


def _first(pattern: re.Pattern[str], text: str) -> list[str]:
    found = pattern.search(text)
    return [" ".join(found[0].split())] if found else []


def _told(kind: TroubleKind, what: str, said: str, *, mend: str = "") -> Trouble:
    return Trouble(
        kind=kind, message=f"{what}: {said.removeprefix('error: ').removeprefix(':: ')}"[:_LONGEST], mend=mend
    )


def _gone(text: str) -> Iterator[Trouble]:
    for spec in dict.fromkeys(_MISSING.findall(text)):
        name, _, version = spec.partition("=")
        yield Trouble(
            kind=TroubleKind.GONE,
            message=f"no repository of the host has {name} {version} (any more)",
            mend=REFRESH,
            packages=(name,),
        )
    files = tuple(dict.fromkeys(_FILE_GONE.findall(text)))
    if files:
        names = tuple(dict.fromkeys(file.rsplit("-", 3)[0] for file in files))
        message = f"the mirror no longer has it: {', '.join(files)}"[:_LONGEST]
        yield Trouble(kind=TroubleKind.GONE, message=message, mend=REFRESH, packages=names)


def _ignored(text: str) -> Iterator[Trouble]:
    names = tuple(dict.fromkeys([*_SKIPPED.findall(text), *_ASKED.findall(text)]))
    if names:
        message = f"ignored by the host (IgnorePkg or IgnoreGroup), and so never changed: {', '.join(names)}"
        yield Trouble(kind=TroubleKind.DEPENDENCIES, message=message, packages=names)


def _older(text: str) -> Iterator[Trouble]:
    if found := list(dict.fromkeys(_OLDER.findall(text))):
        told = ", ".join(f"{name} {now}" for name, now, _ in found)
        yield Trouble(
            kind=TroubleKind.OTHER,
            message=f"a newer version is installed, and nothing is ever downgraded: {told}",
            packages=tuple(name for name, _, _ in found),
        )


def _untrusted(text: str) -> list[Trouble]:
    trust = _first(_TRUST, text)
    if trust:
        return [_told(TroubleKind.SIGNATURE, "a signature could not be verified", trust[0], mend=_KEYS)]
    return [
        _told(TroubleKind.SIGNATURE, "a signature could not be verified", said, mend=_AFRESH)
        for said in _first(_SIGNATURE, text)
    ]


def _unfetched(text: str) -> list[Trouble]:
    damaged = _first(_DAMAGED, text)
    if damaged:
        return [
            _told(
                TroubleKind.MIRROR,
                "the mirror sent something else than it promised",
                damaged[0],
                mend=_AFRESH,
            )
        ]
    return [_told(TroubleKind.MIRROR, "the mirror could not be used", said) for said in _first(_MIRROR, text)]


def _in_the_way(text: str) -> Iterator[Trouble]:
    for name, path, owner in dict.fromkeys(_IN_THE_WAY.findall(text)):
        whose = f", of package {owner}" if owner else ", of no package"
        yield Trouble(
            kind=TroubleKind.DEPENDENCIES,
            message=f"{name} would overwrite {path}{whose}",
            mend="" if owner else f"mv {shlex.quote(path)} {shlex.quote(path + '.old')}",
            packages=(name,),
        )


def _unsolved(text: str) -> list[Trouble]:
    found = _UNSOLVED.search(text)
    if found is None:
        return []
    why = "; ".join(
        " ".join(line.removeprefix(":: ").removeprefix("warning: ").split())
        for line in dict.fromkeys(_WHY.findall(text))
    )
    return [
        Trouble(kind=TroubleKind.DEPENDENCIES, message=f"{found[1]}: {why}"[:_LONGEST].removesuffix(": "))
    ]


def _broken(text: str) -> list[Trouble]:
    found = re.search(
        r"^error: (?:could not (?:open|remove|update) .*/local/.*|problem occurred while .*|could not commit .*)$",
        text,
        re.MULTILINE,
    )
    return (
        [_told(TroubleKind.BROKEN, "the package database is not whole", found[0], mend="pacman -Dk")]
        if found
        else []
    )


def script_troubles(text: str) -> Iterator[Trouble]:
    """Tell which scripts failed: pacman calls that a success, and the package stays installed."""
    name, hook, said = "", "", [""]
    for line in text.splitlines():
        if step := _STEP.match(line):
            name, hook, said = step[1], "", []
        elif line.startswith(":: Running "):
            name, hook, said = "", line, []
        elif hook and (told := _HOOK.match(line)):
            hook, said = told[1], []
        elif line.startswith(_FAILED):
            yield _script(name, hook, " / ".join(said[-3:]))
        elif line.strip():
            said.append(line.strip())
    if "failed to run transaction hooks" in text:
        yield Trouble(kind=TroubleKind.SCRIPT, message="a hook of the host forbids it; nothing was changed")


def _script(name: str, hook: str, said: str) -> Trouble:
    words = f"; it said: {said}" if said else ""
    if name:
        message = f"the script of {name} failed; the package is installed all the same{words}"
        return Trouble(
            kind=TroubleKind.SCRIPT,
            message=message[:_LONGEST],
            mend=f"pacman --noconfirm -S {shlex.quote(name)}",
            packages=(name,),
        )
    return Trouble(
        kind=TroubleKind.SCRIPT, message=f"a hook failed: {hook or 'its name is not known'}{words}"[:_LONGEST]
    )


def killed(section: Section) -> Iterator[Trouble]:
    """Tell of a pacman that a signal ended."""
    number = section.code - 128
    if 0 < number <= 64:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        yield Trouble(
            kind=TroubleKind.BROKEN,
            message=f"pacman was killed in the middle of it ({name})",
            mend="pacman -Dk",
        )


def last_words(section: Section, text: str) -> str:
    """Tell of a failure that none of the other words fits."""
    if section.fault:
        return f"its end is not known: {section.fault}"
    lines = [line.strip() for line in text.splitlines() if line.startswith(("error: ", ":: "))]
    return (
        " ".join(lines[-3:])[:_LONGEST] or f"pacman failed with exit code {section.code} and gave no reason"
    )
