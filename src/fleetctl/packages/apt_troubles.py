"""Why apt did not do what it was asked for. Its exit code is 100 whatever happened: only its own words tell."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from typing import Final

from fleetctl.packages.apt_checks import MEND, listed
from fleetctl.packages.change import Trouble, TroubleKind
from fleetctl.packages.sections import Section

__all__ = ["apt_troubles", "apt_unexplained"]

_LOCK: Final = re.compile(r"Could not get lock (\S+?)\.? It is held by process (\d+) \(([^)]*)\)")
_NO_VERSION: Final = re.compile(r"E: Version '([^']+)' for '([^']+)' was not found")
_NO_PACKAGE: Final = re.compile(
    r"E: (?:Unable to locate package |Package '(?=\S+' has no installation candidate))([^\s'=]+)"
)
_DPKG: Final = re.compile(
    r"^dpkg: error processing (?:package|archive) (\S+)(?: \(--\w+\))?:\n *(.*)$", re.MULTILINE
)
_SPACE: Final = re.compile(
    r"You don't have enough free space in (\S+?)\.?$|No space left on device", re.MULTILINE
)
_NO_ROOM: Final = "No space left on device"
_NO_WRITING: Final = "Read-only file system"
_SIGNATURE: Final = re.compile(
    r"^.*(?:There were unauthenticated packages|cannot be authenticated|NO_PUBKEY|EXPKEYSIG|BADSIG|is not signed).*$",
    re.MULTILINE,
)
_MIRROR: Final = re.compile(
    r"^(?:E: |Err:\d+ ).*(?:Failed to fetch|Unable to fetch|Hash Sum mismatch).*$", re.MULTILINE
)
_NO_FILE: Final = re.compile(r"E: Failed to fetch (\S+) +(?:404 +Not Found|410 +Gone|File not found)")
_DEPENDS: Final = re.compile(
    r"have unmet dependencies|Unable to correct problems|[Uu]nmet dependencies|Packages need to be removed but remove is disabled"
    r"|held packages were changed|packages were removed and -y was used",
    re.IGNORECASE,
)
_UNMET: Final = re.compile(r"^ (\S+) : ((?:Pre)?Depends|Conflicts|Breaks|Recommends): .*$", re.MULTILINE)
_STARTS: Final = (
    "Setting up ",
    "Preparing to unpack ",
    "Unpacking ",
    "Removing ",
    "Processing triggers ",
    "dpkg: ",
)

_REFRESH: Final = "apt-get update"
_LONGEST: Final = 300


def apt_troubles(section: Section, *, offers: Section) -> list[Trouble]:
    """Tell apart what went wrong, the cause before what follows from it.

    Args:
        section: what apt printed.
        offers: `apt-cache madison` of what was wanted, where apt did not find it.
    """
    text = f"{section.text}\n{section.errors}"
    if found := [*_gone(text, offers), *_locked(text)]:
        return found
    scripts = list(_packages(text))
    if found := [*_no_space(text), *_read_only(text)]:
        return [*found, *scripts]
    return scripts or _unsigned(text) or _unfetched(text) or _unsolved(text)


def _gone(text: str, offers: Section) -> Iterator[Trouble]:
    offered: dict[str, list[str]] = {}
    for line in offers.lines:
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 3 and not cells[2].endswith(" Sources"):
            offered.setdefault(cells[0], []).append(cells[1])
    missing = {name: version for version, name in _NO_VERSION.findall(text)}
    for name in [*missing, *(name for name in _NO_PACKAGE.findall(text) if name not in missing)]:
        plain = name.partition(":")[0]
        there = ", ".join(dict.fromkeys(offered.get(plain, ())))
        what = f"no repository of the host offers {name} {missing.get(name, '')}".rstrip()
        yield Trouble(
            kind=TroubleKind.GONE,
            message=f"{what} (any more); there is {there}" if there else what,
            mend="" if there else _REFRESH,
            packages=(plain,),
        )


def _locked(text: str) -> Iterator[Trouble]:
    if holders := _LOCK.findall(text):
        path, pid, command = holders[-1]
        message = f"{path} is held by process {pid} ({command}), which was quicker"
        yield Trouble(kind=TroubleKind.LOCKED, message=message)
    elif "Could not get lock" in text or "Unable to acquire the dpkg" in text:
        yield Trouble(kind=TroubleKind.LOCKED, message="another process holds the locks of apt and dpkg")


def _no_space(text: str) -> Iterator[Trouble]:
    if found := _SPACE.search(text):
        where = f" in {found[1]}" if found[1] else f": {_line(text, found)}"
        names = [name for name, why in _DPKG.findall(text) if _NO_ROOM in why]
        yield Trouble(
            kind=TroubleKind.DISK_FULL,
            message=f"there is not enough free space{where}",
            mend="apt-get clean",
            packages=tuple(dict.fromkeys(map(_name, names))),
        )


def _read_only(text: str) -> Iterator[Trouble]:
    if found := re.search(_NO_WRITING, text):
        message = f"a file system is mounted read-only: {_line(text, found)}"
        yield Trouble(kind=TroubleKind.READ_ONLY, message=message)


def _name(told: str) -> str:
    """Return the package that dpkg names by its own name or by its file."""
    return told.rpartition("/")[2].partition("_")[0].partition(":")[0]


def _packages(text: str) -> Iterator[Trouble]:
    """Tell of each package that dpkg could not bring to its end."""
    seen: set[str] = set()
    for found in _DPKG.finditer(text):
        name = _name(found[1])
        if name in seen or _NO_ROOM in found[2] or _NO_WRITING in found[2]:
            continue
        seen.add(name)
        kind, message = TroubleKind.OTHER, f"{name}: {found[2]}"
        if "script" in found[2]:
            kind, said = TroubleKind.SCRIPT, _last_words(text[: found.start()])
            message += f"; the script said: {said}" if said else ""
        elif "dependency problems" in found[2] or "trying to overwrite" in found[2]:
            kind = TroubleKind.DEPENDENCIES
        yield Trouble(kind=kind, message=message, mend=MEND, packages=(name,))


def _last_words(text: str) -> str:
    """Return the last lines of what stands above an error of dpkg, back to where its package began."""
    said: list[str] = []
    for line in reversed(text.splitlines()[-20:]):
        if line.startswith(_STARTS) or len(said) == 3:
            break
        if line.strip():
            said.insert(0, line.strip())
    return _plain(" / ".join(said))


def _unsigned(text: str) -> list[Trouble]:
    found = _SIGNATURE.search(text)
    if not found:
        return []
    names = listed(text, "WARNING: The following packages cannot be authenticated!")
    message = f"packages cannot be trusted: {', '.join(names) or _plain(found[0])}"
    return [Trouble(kind=TroubleKind.SIGNATURE, message=message, mend=_REFRESH, packages=names)]


def _unfetched(text: str) -> list[Trouble]:
    found = _MIRROR.search(text)
    if not found:
        return []
    if files := [url.rpartition("/")[2] for url in _NO_FILE.findall(text)]:
        names = tuple(dict.fromkeys(file.partition("_")[0] for file in files))
        message = f"the mirror does not have it any more: {', '.join(dict.fromkeys(files))}"
        return [Trouble(kind=TroubleKind.GONE, message=message, mend=_REFRESH, packages=names)]
    mend = _REFRESH if "Hash Sum mismatch" in text or "unexpected size" in text else ""
    return [
        Trouble(kind=TroubleKind.MIRROR, message=f"a mirror cannot be used: {_plain(found[0])}", mend=mend)
    ]


def _unsolved(text: str) -> list[Trouble]:
    if not _DEPENDS.search(text):
        return []
    unmet = list(_UNMET.finditer(text))
    why = "; ".join(found[0].strip() for found in unmet[:3])
    why = why or " ".join(line for line in text.splitlines() if line.startswith("E: "))
    names = tuple(dict.fromkeys(found[1].partition(":")[0] for found in unmet))
    message = f"dependencies do not allow it: {_plain(why)}"
    return [Trouble(kind=TroubleKind.DEPENDENCIES, message=message, packages=names)]


def apt_unexplained(section: Section, what: str) -> Trouble:
    """Tell of a failure that none of the other words fits."""
    if section.fault:
        message = f"apt was cut short, and its end is not known: {section.fault}"
        return Trouble(kind=TroubleKind.OTHER, message=message, mend="dpkg --audit")
    if section.code > 128:
        number = section.code - 128
        known = number in set(signal.Signals)
        name = signal.Signals(number).name if known else f"signal {number}"
        return Trouble(kind=TroubleKind.OTHER, message=f"apt was killed ({name})", mend="dpkg --audit")
    lines = f"{section.text}\n{section.errors}".splitlines()
    told = [line for line in lines if line.startswith(("E: ", "W: "))]
    why = _plain(" ".join(told[:3])) or f"exit code {section.code}, and it gave no reason"
    return Trouble(kind=TroubleKind.OTHER, message=f"apt {what}: {why}")


def _line(text: str, found: re.Match[str]) -> str:
    begin, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.end())
    return _plain(text[begin : end if end >= 0 else len(text)])


def _plain(text: str) -> str:
    return " ".join(text.removeprefix("E: ").split())[:_LONGEST]
