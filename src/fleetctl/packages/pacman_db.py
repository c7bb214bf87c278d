"""Read what pacman's questions answer: configuration, installed packages, repositories, updates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Final

from fleetctl.packages.alpmversion import split_alpm_version
from fleetctl.packages.facts import moment
from fleetctl.packages.model import AvailableVersion, InstalledPackage, Origin

__all__ = [
    "NOT_WHOLE",
    "Config",
    "Detail",
    "Update",
    "half_written",
    "read_config",
    "read_details",
    "read_installed",
    "read_offered",
    "read_updates",
]

# In the order in which libalpm writes an entry.
_ENTRY: Final = re.compile(
    r"^name=(.+)\nversion=(.+)\n(?:base=(.*)\n)?(?:arch=(.*)\n)?(?:installed=(.*)(?:\n|\Z))?", re.MULTILINE
)
_UPDATE: Final = re.compile(r"(\S+) (\S+) -> (\S+)( \[ignored\])?")
_OFFER: Final = re.compile(r"(\S+) (\S+) (\S+) \[installed(?:: \S+)?\]")
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ([KMGT]i)?B")
_UNITS: Final = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
NOT_WHOLE: Final = "its entry in the package database is not whole"
_UPGRADES: Final = {"All", "Upgrade"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What of pacman.conf decides about updates.

    Attributes:
        repositories: that updates are taken from, the first before the others.
        ignored, ignored_groups: IgnorePkg and IgnoreGroup, patterns as they are written.
    """

    repositories: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    ignored_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One line of `pacman -Qu`."""

    name: str
    after: str
    ignored: bool = False

    @property
    def version(self) -> AvailableVersion:
        """The version, where nothing more is known of it."""
        return AvailableVersion(version=self.after, origins=(Origin(repository="unknown"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One package of `pacman -Si`.

    Attributes:
        replaces: names of packages that an upgrade would put it in the place of.
    """

    name: str
    version: AvailableVersion
    replaces: tuple[str, ...] = ()


def read_config(lines: Sequence[str]) -> Config:
    """Read `pacman-conf`."""
    found: dict[str, list[str]] = {"IgnorePkg": [], "IgnoreGroup": []}
    usage: dict[str, list[str]] = {}
    part = ""
    for line in lines:
        if line.startswith("["):
            part = line.strip("[]")
            if part != "options":
                usage[part] = []
            continue
        name, _, value = line.partition(" = ")
        if name == "Usage" and part in usage:
            usage[part].append(value)
        elif part == "options" and name in found:
            found[name] += value.split()
    return Config(
        repositories=tuple(name for name, said in usage.items() if not said or _UPGRADES & set(said)),
        ignored=tuple(found["IgnorePkg"]),
        ignored_groups=tuple(found["IgnoreGroup"]),
    )


def half_written(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return path and package of the entries that have no description."""
    paths = [line.removeprefix("half=") for line in lines if line.startswith("half=")]
    return [(path, _parts(path)[0]) for path in paths]


def read_installed(
    text: str, origins: Mapping[tuple[str, str], tuple[Origin, ...]]
) -> tuple[tuple[InstalledPackage, ...], int]:
    """Read the packages of the local database, and the number of lines that make no sense.

    Args:
        text: of the section.
        origins: where a name and version can be had now.
    """
    found = [_package(row, origins) for row in _ENTRY.findall(text)]
    rest = [line for line in _ENTRY.sub("", text).splitlines() if line.strip()]
    halves = half_written(rest)
    for path, name in halves:
        found.append(replace(_package((name, _parts(path)[1], "", "", ""), origins), broken=NOT_WHOLE))
    found.sort(key=attrgetter("name"))
    return tuple(found), len(rest) - len(halves)


def _package(row: Sequence[str], origins: Mapping[tuple[str, str], tuple[Origin, ...]]) -> InstalledPackage:
    name, version, base, arch, installed = row
    epoch, upstream, release = split_alpm_version(version)
    return InstalledPackage(
        name=name,
        version=version,
        arch=arch,
        epoch=epoch,
        upstream=upstream,
        release=release,
        source=base or name,
        origins=origins.get((name, version), ()),
        installed_at=moment(installed),
    )


def _parts(path: str) -> tuple[str, str]:
    """Split the name of an entry's folder, `NAME-VERSION-RELEASE`."""
    words = path.rpartition("/")[2].rsplit("-", 2)
    return (words[0], "-".join(words[1:])) if len(words) == 3 else (words[0], "?")


def read_offered(lines: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Read `pacman -Sl`: of each installed package the repository that comes first, and its version there."""
    found: dict[str, tuple[str, str]] = {}
    for line in lines:
        if told := _OFFER.fullmatch(line):
            found.setdefault(told[2], (told[1], told[3]))
    return found


def read_updates(lines: Sequence[str]) -> Iterator[Update]:
    """Read `pacman -Qu`."""
    for line in lines:
        if told := _UPDATE.fullmatch(line):
            yield Update(name=told[1], after=told[3], ignored=bool(told[4]))


def read_details(lines: Sequence[str]) -> dict[str, list[Detail]]:
    """Read `pacman -Si`, by name; of several repositories the first comes first."""
    found: dict[str, list[Detail]] = {}
    row: dict[str, str] = {}
    for line in [*lines, "Repository :"]:
        key, _, value = line.partition(" : ")
        key = key.rstrip(" :")
        if key == "Repository":
            if {"Name", "Version"} <= set(row):
                found.setdefault(row["Name"], []).append(_detail(row))
            row = {}
        row[key] = value
    return found


def _detail(row: dict[str, str]) -> Detail:
    size = _SIZE.fullmatch(row.get("Download Size", ""))
    replaces = row.get("Replaces", "None")
    return Detail(
        name=row["Name"],
        version=AvailableVersion(
            version=row["Version"],
            origins=(Origin(repository=row.get("Repository", "")),),
            date=_date(row.get("Build Date", "")),
            size=round(float(size[1]) * _UNITS[size[2] or ""]) if size else None,
        ),
        replaces=()
        if replaces == "None"
        else tuple(re.split(r"[<>=]", name)[0] for name in replaces.split()),
    )


@lru_cache(maxsize=65536)  # the same builds on every host
def _date(text: str) -> datetime | None:
    """Read a date of the C locale; the host was asked in UTC."""
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None
