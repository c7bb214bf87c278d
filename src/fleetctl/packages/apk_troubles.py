"""Why apk did not do what it was asked for, from its own words: its exit code only counts errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from fleetctl.packages.change import Trouble, TroubleKind

__all__ = ["REFRESH", "apk_troubles", "list_faults", "split_full_name"]

REFRESH: Final = "apk update"

# What apk says of a repository: apk 2 `Ignoring ADDRESS: WHY` and before `ADDRESS: WHY`, apk 3 `opening from cache ADDRESS: WHY`.
_LIST: Final = re.compile(
    r"^(?:WARNING|ERROR): (?:(?:Ignoring|(?:updating|opening|fetching|constructing)[a-z ]*?) )?(\S+[/:.]\S*): (.+)$"
)
_ABSENT: Final = re.compile(r"No such file or directory|could not be found|cache not available")
_UNTRUSTED: Final = re.compile(r"UNTRUSTED|BAD signature|BAD archive|integrity error")
_ERROR: Final = re.compile(r"^\s*ERROR: +(.+)$", re.MULTILINE)
_FULL_NAME: Final = re.compile(r"(\S+)-(\d[^\s-]*(?:-r\d+)?)")
_SCRIPT: Final = re.compile(
    r"(?:\S*/)?(\S+?-\d\S*?)\.((?:pre|post)-(?:install|upgrade|deinstall)|trigger): (?:script |failed to execute: )?(.*)"
)
_HOOK: Final = re.compile(r"(?:\S*/)?(\S+): (?:script )?((?:exited with|killed by|stopped by) .*)")
_TAKEN: Final = re.compile(r"Unable to lock database: (.*)")
_OVERWRITE: Final = re.compile(r"(\S+): trying to overwrite (\S+) owned by (\S+?)\.?$")
_PACKAGE: Final = re.compile(r"(\S+-\d\S*): (.+)")
_UNSOLVED: Final = re.compile(r"(?:unable to select packages|unsatisfiable constraints):")
_LOST: Final = re.compile(
    r"temporary error|DNS|could not connect|network (?:error|connection)|remote server returned error|timed out|[Tt]imeout|TLS"
    r"|[Cc]onnection|Network unreachable|HTTP|unexpected end of file"
)
_GONE: Final = re.compile(r"mentioned in index not found|could not find a repo|No such file or directory")
_BROKEN: Final = re.compile(
    r"System state may be inconsistent|Unable to read database|FDB format error|database format error"
)
_LONGEST: Final = 300


def split_full_name(text: str) -> tuple[str, str]:
    """Return name and version of `NAME-VERSION`; the whole text and nothing where it is no such thing."""
    found = _FULL_NAME.fullmatch(text)
    return (found[1], found[2]) if found else (text, "")


def list_faults(text: str) -> Iterator[str]:
    """Tell which package lists apk left out, and why: what these repositories have cannot be seen.

    Args:
        text: what apk printed, stderr included.
    """
    for line in text.splitlines():
        found = _LIST.match(line.strip())
        if found is None:
            if line.strip().startswith("ERROR: "):
                yield f"apk: {line.strip().removeprefix('ERROR: ')[:_LONGEST]}"
        elif _UNTRUSTED.search(found[2]):
            yield (
                f"the package list of {found[1]} is signed by no key in /etc/apk/keys ({found[2]}): apk leaves the repository"
                " out, and what is missing cannot be seen"
            )
        elif _ABSENT.search(found[2]):
            yield (
                f"there is no package list of {found[1]}: apk never fetched it, or it was removed; fetch it with --refresh, or as"
                f" root with: {REFRESH}"
            )
        else:
            yield f"the package list of {found[1]} cannot be used: {found[2][:_LONGEST]}"


def apk_troubles(text: str) -> list[Trouble]:
    """Tell apart what went wrong, the cause before what follows from it.

    Args:
        text: what apk printed, stderr included.
    """
    said = _ERROR.findall(text)
    found = [*_locked(said), *_place(text, said), *_broken(said)]
    if not found and _UNSOLVED.search(text):
        found = [_unsolved(text)]
    return [*found, *_packages(said, known={name for trouble in found for name in trouble.packages})]


def _locked(said: Sequence[str]) -> Iterator[Trouble]:
    for line in said:
        if (found := _TAKEN.search(line)) is None:
            continue
        if "denied" in found[1]:
            yield Trouble(kind=TroubleKind.NOT_ROOT, message="apk wants root to install packages")
        elif "Read-only" not in found[1]:
            message = "another process holds the lock of apk's database, and was quicker"
            yield Trouble(kind=TroubleKind.LOCKED, message=message)


def _place(text: str, said: Sequence[str]) -> Iterator[Trouble]:
    for kind, words, message, mend in (
        (
            TroubleKind.DISK_FULL,
            "No space left on device",
            "the disk has no room left for it",
            "apk cache clean",
        ),
        (TroubleKind.READ_ONLY, "Read-only file system", "a file system is mounted read-only", ""),
    ):
        if words in text:
            lines = [line for line in said if words in line]
            names = tuple(dict.fromkeys(_name(line) for line in lines if _PACKAGE.match(line)))
            why = f": {lines[0][:_LONGEST]}" if lines else ""
            yield Trouble(kind=kind, message=f"{message}{why}", mend=mend, packages=names)


def _broken(said: Sequence[str]) -> Iterator[Trouble]:
    for line in said:
        if _BROKEN.search(line):
            yield Trouble(
                kind=TroubleKind.BROKEN, message=f"apk's database: {line[:_LONGEST]}", mend="apk fix"
            )


def _unsolved(text: str) -> Trouble:
    rest = text[_UNSOLVED.search(text).end() :]  # type: ignore[union-attr]  # the caller found it
    lines = [line for line in rest.splitlines() if line.startswith(" ")]
    named = [
        split_full_name(m[1])[0] for line in lines if (m := re.match(r"  (\S+?)(?: \([^)]*\))?:$", line))
    ]
    why = " ".join(" ".join(line.split()) for line in lines)[:_LONGEST]
    return Trouble(
        kind=TroubleKind.DEPENDENCIES,
        message=f"dependencies do not allow it: {why}",
        packages=tuple(dict.fromkeys(named)),
    )


def _packages(said: Sequence[str], *, known: set[str]) -> Iterator[Trouble]:
    """Tell of each package that something went wrong with; of each once."""
    told = set(known)
    for line in said:
        trouble = _script(line) or _overwritten(line) or _package(line)
        if trouble is not None and not (trouble.packages and set(trouble.packages) <= told):
            told.update(trouble.packages)
            yield trouble


def _script(line: str) -> Trouble | None:
    if found := _SCRIPT.fullmatch(line):
        name = split_full_name(found[1])[0]
        message = (
            f"the {found[2]} script of {found[1]} failed ({found[3]}); the package is installed all the same"
        )
        return Trouble(kind=TroubleKind.SCRIPT, message=message, mend=f"apk fix {name}", packages=(name,))
    if found := _HOOK.fullmatch(line):
        return Trouble(kind=TroubleKind.SCRIPT, message=f"apk's hook {found[1]} failed ({found[2]})")
    return None


def _overwritten(line: str) -> Trouble | None:
    found = _OVERWRITE.fullmatch(line)
    if found is None:
        return None
    name = split_full_name(found[1])[0]
    message = f"{found[1]} has a file of {found[3]}, and that one was kept: /{found[2]}"
    return Trouble(kind=TroubleKind.DEPENDENCIES, message=message, mend=f"apk fix {name}", packages=(name,))


def _package(line: str) -> Trouble | None:
    found = _PACKAGE.fullmatch(line)
    if found is None:
        return None
    name, why = _name(line), found[2][:_LONGEST]
    if _UNTRUSTED.search(why):
        message = f"{found[1]} cannot be trusted: {why}"
        return Trouble(kind=TroubleKind.SIGNATURE, message=message, mend=REFRESH, packages=(name,))
    if _GONE.search(why):
        message = f"the mirror does not have {found[1]} any more: {why}"
        return Trouble(kind=TroubleKind.GONE, message=message, mend=REFRESH, packages=(name,))
    if _LOST.search(why):
        message = f"{found[1]} could not be fetched: {why}"
        return Trouble(kind=TroubleKind.MIRROR, message=message, packages=(name,))
    return Trouble(
        kind=TroubleKind.OTHER, message=f"{found[1]}: {why}", mend=f"apk fix {name}", packages=(name,)
    )


def _name(line: str) -> str:
    return split_full_name(line.partition(": ")[0])[0]
