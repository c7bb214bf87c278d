"""Read apk's own files and lists: what is installed, /etc/apk/world, what its package lists and `apk policy` say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from fleetctl.packages.apkversion import apk_version_allows
from fleetctl.packages.facts import moment
from fleetctl.packages.sections import Section

__all__ = [
    "ApkBuild",
    "ApkRow",
    "Constraint",
    "lists_time",
    "memory_notes",
    "read_builds",
    "read_installed",
    "read_policy",
    "read_repositories",
    "read_updates",
    "read_world",
]

# apk-world(5): what a package's name is followed by. Older versions write the tag last, newer ones first.
_WORLD: Final = re.compile(
    r"(?P<not>!?)(?P<name>[^@!<>=~\s]+)(?:@(?P<tag>[^<>=~\s]+))?(?:(?P<operator>[<>=~]+)(?P<version>[^@\s]+))?(?:@(?P<late>\S+))?"
)
_NAME: Final = re.compile(r"(\S+) policy:")
_VERSION: Final = re.compile(r"  (\S+):")
_PLACE: Final = re.compile(r"    (?:@(\S+) )?(\S+)")
_UPDATE: Final = re.compile(r"(\S+) +< (\S+)(?: @\S+)? *")
_IN_MEMORY: Final = ("tmpfs", "ramfs", "rootfs")
_LIST: Final = re.compile(r"(\d{1,15}) (\S+)")
_CACHED: Final = re.compile(r"/APKINDEX\.([0-9a-f]{8})\.tar\.gz")


class ApkRow(NamedTuple):
    """A package that is installed.

    Attributes:
        origin: the package it was built with, and is named after.
        tag: of the repositories that it may come from, beside those without any.
        flags: what apk remembers of it: `f` files are not as they should be, `s` a script failed, `x` attributes.
    """

    name: str
    version: str
    arch: str = ""
    origin: str = ""
    tag: str = ""
    flags: str = ""


class ApkBuild(NamedTuple):
    """What a package list says of one version.

    Attributes:
        built: aware UTC.
        size: bytes to download.
        installed: bytes that it takes when it is unpacked.
    """

    built: datetime | None
    size: int | None
    installed: int | None


class Constraint(NamedTuple):
    """One line of /etc/apk/world.

    Attributes:
        text: the line.
        conflict: the package must not be installed.
    """

    text: str
    name: str
    tag: str = ""
    operator: str = ""
    version: str = ""
    conflict: bool = False

    def allows(self, version: str) -> bool:
        """Tell whether the package may have this version."""
        return not self.conflict and apk_version_allows(version, self.operator, self.version)


def read_installed(text: str) -> tuple[list[ApkRow], int]:
    """Return the packages that are installed, and how many of the entries could not be read."""
    entries = list(_entries(text))
    rows = [
        ApkRow(e["P"], e["V"], e.get("A", ""), e.get("o", ""), e.get("s", "").lstrip("@"), e.get("f", ""))
        for e in entries
        if e.get("P") and e.get("V")
    ]
    return rows, len(entries) - len(rows)


def read_builds(text: str) -> dict[tuple[str, str], ApkBuild]:
    """Return what package lists say of versions, by name and version."""
    return {
        (e["P"], e["V"]): ApkBuild(moment(e.get("t", "")), _number(e.get("S", "")), _number(e.get("I", "")))
        for e in _entries(text)
        if "P" in e and "V" in e
    }


def read_world(lines: Iterable[str]) -> list[Constraint]:
    """Read /etc/apk/world: one dependency a line, or several with blanks between them."""
    found = (_WORLD.fullmatch(word) for line in lines for word in line.split())
    return [
        Constraint(
            m[0],
            m["name"],
            m["tag"] or m["late"] or "",
            m["operator"] or "",
            m["version"] or "",
            bool(m["not"]),
        )
        for m in found
        if m is not None
    ]


def read_repositories(lines: Iterable[str]) -> list[str]:
    """Return the addresses of repositories, without their tags."""
    words = (line.split() for line in lines)
    return [word[-1].rstrip("/") for word in words if word]


def read_policy(lines: Iterable[str]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Return for each name its versions, and for each of these the repositories that have it: tag and address."""
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    versions: dict[str, list[tuple[str, str]]] = {}
    places: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("    "):
            place = _PLACE.fullmatch(line)
            if place and not place[2].endswith("/db/installed"):
                places.append((place[1] or "", place[2]))
        elif version := _VERSION.fullmatch(line):
            places = versions.setdefault(version[1], [])
        elif name := _NAME.fullmatch(line):
            versions = found.setdefault(name[1], {})
    return found


def read_updates(lines: Iterable[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Read `apk version -v -l '<'`: what is installed, as `NAME-VERSION`, and the version that is newer; and the lines that say neither."""
    found: list[tuple[str, str]] = []
    odd: list[str] = []
    for line in lines:
        if update := _UPDATE.fullmatch(line):
            found.append((update[1], update[2]))
        elif line.strip() and not line.startswith("Installed:"):
            odd.append(line.strip())
    return found, odd


def lists_time(lines: Iterable[str], repositories: Sequence[str], arch: str) -> datetime | None:
    """Return when the package list that is most out of date was fetched; None if there is none.

    Lists of repositories that are no longer used stay in the cache. Their names have part of a hash: of the repository's address
    (apk 2: SHA-1), or of the list's own (apk 3: SHA-256).
    """
    used = {hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()[:8] for url in repositories}
    used |= {hashlib.sha256(f"{u}/{arch}/APKINDEX.tar.gz".encode()).hexdigest()[:8] for u in repositories}
    rows = [found for line in lines if (found := _LIST.fullmatch(line))]
    known = [row for row in rows if (mark := _CACHED.search(row[2])) is None or mark[1] in used]
    times = (moment(row[1]) for row in known or rows)
    return min((time for time in times if time is not None), default=None)


def memory_notes(root: Section) -> Iterator[str]:
    """Say what a reboot takes away from a host whose root file system is in memory (diskless)."""
    if root.text.strip() in _IN_MEMORY:
        yield "this host runs from memory: what is installed is gone after a reboot unless it is kept with: lbu commit"


def _entries(text: str) -> Iterator[dict[str, str]]:
    """Read paragraphs of `X:value`."""
    for block in re.split(r"\n\s*\n", text):
        fields = {line[0]: line[2:] for line in block.splitlines() if line[1:2] == ":"}
        if fields:
            yield fields


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 15 else None
