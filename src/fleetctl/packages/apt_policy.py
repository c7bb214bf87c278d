"""Read `apt-cache policy`: sources with their Release data, and the version table of each package.

The version table comes as apt prints it, or abbreviated by `scripts/apt.sh` (a source is written once as `@1=SOURCE`, then `@1`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from fleetctl.packages.model import Origin

__all__ = ["PolicyEntry", "PolicyVersion", "is_security", "read_sources", "read_versions"]

_RELEASE_FIELD = re.compile(r",(?=[a-z]=)")
_PHASED = re.compile(r"\(phased (\d+)%\)")
_STATUS = "/var/lib/dpkg/status"


@dataclass(slots=True)
class PolicyVersion:
    """One version of a table: its pin priority, and the sources that offer it."""

    version: str
    pin: int
    phased: int | None = None
    sources: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PolicyEntry:
    """One package's table.

    Attributes:
        candidate: apt's choice; None where it is the installed version and was left out.
        newer: versions listed before the installed one, the newest first.
        installed: the version on the host.
    """

    candidate: str | None = None
    pin: str = ""
    newer: list[PolicyVersion] = field(default_factory=list)
    installed: PolicyVersion | None = None


def is_security(origin: Origin) -> bool:
    """Tell whether a source is a vendor's security pocket.

    Debian: Label `Debian-Security`. Ubuntu: Origin `Ubuntu` and suite `*-security`; ESM: Origins `UbuntuESM` and `UbuntuESMApps`,
    suites `*-security`. A third party's repository never is, whatever its name. (unattended-upgrades: Allowed-Origins.)
    """
    if origin.label == "Debian-Security":
        return origin.origin == "Debian"
    return origin.origin in {"Ubuntu", "UbuntuESM", "UbuntuESMApps"} and origin.suite.endswith("-security")


def read_sources(lines: list[str]) -> dict[str, Origin]:
    """Read `apt-cache policy` without arguments: each source line's text and what its Release file says."""
    sources: dict[str, Origin] = {}
    current = ""  # of what the lines below are about; the status file and lines before the first source are about none
    for line in lines:
        text = line.strip()
        if line.startswith("Pinned packages"):
            break
        if text.startswith("release "):
            if current:
                sources[current] = _with_release(sources[current], text.removeprefix("release "))
        elif text.startswith("origin "):
            if current:
                sources[current] = replace(sources[current], site=text.removeprefix("origin "))
        elif line.startswith(" "):
            current = text.partition(" ")[2]
            current = "" if current == _STATUS else current
            if current:
                sources[current] = _origin(current)
    return {text: replace(origin, security=is_security(origin)) for text, origin in sources.items()}


def _origin(source: str) -> Origin:
    """Return what a source line says by itself: `http://host/debian bookworm/main amd64 Packages`."""
    url, _, rest = source.partition(" ")
    return Origin(repository=rest.partition(" ")[0], url=url)


def _with_release(origin: Origin, text: str) -> Origin:
    told = dict(part.partition("=")[::2] for part in _RELEASE_FIELD.split(text))
    return replace(
        origin,
        origin=told.get("o", ""),
        label=told.get("l", ""),
        suite=told.get("a", ""),
        codename=told.get("n", ""),
        component=told.get("c", ""),
    )


def read_versions(lines: list[str]) -> tuple[dict[str, PolicyEntry], int]:
    """Read `apt-cache policy NAMES`, whole or abbreviated.

    Returns:
        Entries by name (`libc6`, `libc6:i386` for foreign architectures), and how many lines could not be read.
    """
    tables = _Tables()
    for line in lines:
        first = line[:1]
        if first == "@":
            tables.alias(line)
        elif first != " ":
            tables.package(line)
        elif line.startswith("        "):
            tables.source(line.strip().partition(" ")[2])
        elif line.startswith((" *** ", "     ")):
            tables.version(line)
        else:
            _read_field(tables.entry, line)
    return tables.entries, tables.unread


class _Tables:
    """The version tables read so far; versions older than the installed one are passed over."""

    __slots__ = ("_aliases", "_older", "_version", "entries", "entry", "unread")

    def __init__(self) -> None:
        self.entries: dict[str, PolicyEntry] = {}
        self.entry = PolicyEntry()
        self.unread = 0
        self._version: PolicyVersion | None = None
        self._older = False
        self._aliases: dict[str, str] = {}

    def package(self, line: str) -> None:
        if line.endswith(":"):
            self.entry, self._version, self._older = PolicyEntry(), None, False
            self.entries[line[:-1]] = self.entry
        else:
            self.unread += bool(line.strip())

    def version(self, line: str) -> None:
        self._older = self.entry.installed is not None
        self._version = None if self._older else _read_version(line)
        if self._version is None:
            self.unread += not self._older
        elif line.startswith(" ***"):
            self.entry.installed = self._version
        else:
            self.entry.newer.append(self._version)

    def source(self, source: str) -> None:
        if self._version is not None and source != _STATUS:
            self._version.sources.append(source)

    def alias(self, line: str) -> None:
        source = self._aliases.get(line)
        if source is not None:
            self.source(source)
        elif "=" in line:
            alias, _, told = line.partition("=")
            self._aliases[alias] = told
        else:
            self.unread += 1


def _read_version(line: str) -> PolicyVersion | None:
    """Read ` *** 1.0-1 500` or `     1.0-2 500 (phased 20%)`."""
    words = line[4:].split()
    try:
        pin = int(words[1])
    except (IndexError, ValueError):
        return None
    phased = _PHASED.search(line) if len(words) > 2 else None
    return PolicyVersion(words[0], pin, int(phased[1]) if phased else None)


def _read_field(entry: PolicyEntry, line: str) -> None:
    name, _, value = line.strip().partition(": ")
    if name == "Candidate":
        entry.candidate = "" if value == "(none)" else value
    elif name == "Package pin":
        entry.pin = value
