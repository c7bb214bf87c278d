"""Read what keeps dnf from installing something: excludes, includes and version locks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from fleetctl.packages.dnf_notices import json_list
from fleetctl.packages.model import AvailableUpdate, Hold
from fleetctl.packages.sections import Sections

__all__ = ["held", "read_holds", "read_repositories"]

_HIDING = re.compile(r"^(Exclud|Includ)es in (?:repo )?(.+?): (.*)$")
_SET = re.compile(r"^(exclude|include)pkgs = (.+)$")
_LOCK = re.compile(r"^(!?)(.+)-([0-9]+:[^-]+-[^-]+)$")
# A repository that Debian's dnf adds by itself.
_INTERNAL = "_dnf_local"


def read_repositories(sections: Sections, *, generation: int) -> list[str] | None:
    """Return the ids of all enabled repositories; None if that cannot be read."""
    section = sections["dnf-repositories"]
    if generation != 5:
        rows = (line.partition(":") for line in section.lines)
        return [value.strip() for name, _, value in rows if name.strip() == "Repo-id"] if section.ok else None
    told = json_list(section.text)
    if told is None:
        return None
    ids = [entry.get("id") for entry in told if entry.get("is_enabled", True)]
    return [name for name in ids if isinstance(name, str) and not name.startswith(_INTERNAL)]


def read_holds(sections: Sections, *, generation: int) -> tuple[Hold, ...]:
    """Return every rule, whether or not it hides anything now."""
    found: list[Hold] = []
    for line in (*sections["dnf-repositories"].lines, *sections["dnf-excludes"].lines):
        row = _HIDING.match(line) if generation != 5 else None
        if row is not None:
            found += _patterns(row[1] == "Includ", row[3], where=row[2])
        elif generation == 5 and (row := _SET.match(line)) is not None:
            found += _patterns(row[1] == "include", row[2], where="dnf.conf")
    for entry in (json_list(sections["dnf-repositories"].text) or []) if generation == 5 else []:
        where = str(entry.get("id", ""))
        for name, included in (("exclude_pkgs", False), ("include_pkgs", True)):
            listed = entry.get(name)
            found += _patterns(
                included, " ".join(map(str, listed)) if isinstance(listed, list) else "", where=where
            )
    text = sections["dnf-locks"].text
    return (*found, *(_locks_toml(text) if generation == 5 else _locks_text(text.splitlines())))


def _patterns(included: bool, text: str, *, where: str) -> list[Hold]:  # noqa: FBT001 - private, two callers
    told = f"all but this, in {where}" if included else where
    return [
        Hold(name=name, kind="include" if included else "exclude", detail=told)
        for name in re.split(r"[,\s]+", text)
        if name
    ]


def _locks_text(lines: Iterable[str]) -> list[Hold]:
    found = []
    for line in lines:
        text = line.partition("#")[0].strip()
        if not text:
            continue
        row = _LOCK.match(text)
        found.append(
            Hold(name=row[2], kind="versionlock", detail=row[1] + row[3])
            if row
            else Hold(name=text.lstrip("!"), kind="versionlock")
        )
    return found


def _locks_toml(text: str) -> list[Hold]:
    try:
        told: Any = tomllib.loads(text).get("packages", [])
    except (tomllib.TOMLDecodeError, RecursionError):
        return []
    return [
        Hold(name=str(entry["name"]), kind="versionlock", detail=str(entry.get("comment", "")))
        for entry in (told if isinstance(told, list) else [])
        if isinstance(entry, dict) and "name" in entry
    ]


def held(update: AvailableUpdate, holds: Iterable[Hold]) -> AvailableUpdate:
    """Add what keeps dnf from the newest version that a repository offers, if something does."""
    offered = [version.version for version in update.versions if version.origins]
    if not offered or update.candidate == offered[0]:
        return update
    names = (
        update.name,
        f"{update.name}.{update.arch}",
        *(f"{update.name}-{v}.{update.arch}" for v in offered),
    )
    for hold in holds:
        if hold.kind != "include" and any(fnmatchcase(name, hold.name) for name in names):
            return replace(update, held=hold.kind)
    # Hidden by a rule that is not written as a name (includepkgs, a plugin).
    return update if update.candidate else replace(update, held="exclude")
