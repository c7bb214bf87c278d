"""Read what apk says it would do, hold it against what is wanted, and tell what is otherwise."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from fleetctl.packages.apk_lists import read_builds, read_installed, read_policy, read_world
from fleetctl.packages.apk_troubles import REFRESH, apk_troubles, list_faults
from fleetctl.packages.apkversion import apk_version_key
from fleetctl.packages.change import Change, ChangeKind, Trouble, TroubleKind
from fleetctl.packages.sections import Section, Sections

__all__ = [
    "answered",
    "disk_use",
    "download_size",
    "read_steps",
    "short_of_space",
    "sized",
    "standing",
    "unexplained",
    "unlike",
    "unplanned",
]

_STEP: Final = re.compile(
    r"\([ \d]*\d/\d+\) (?:\[[^\]]*\] )?([A-Z][a-z]+) (?:pinning )?([^\s@]+)(?:@(\S+))? \((\S+?)(?: -> (\S+))?\)"
)
_KINDS: Final[dict[str, ChangeKind]] = {
    "Installing": "install",
    "Upgrading": "upgrade",
    "Downgrading": "downgrade",
    "Replacing": "reinstall",
    "Reinstalling": "reinstall",
    "Purging": "remove",
}
_ENDED: Final = re.compile(r"^(?:OK:|\d+ errors?;|ERRORS;)", re.MULTILINE)
_FREE: Final = re.compile(r"^free=(\d{1,15}) ", re.MULTILINE)


def read_steps(lines: Iterable[str]) -> list[Change]:
    """Read what apk says it does, or would do: `(1/2) Upgrading fl-app (1.0-r0 -> 1.1-r0)`. A changed tag changes no package."""
    changes = []
    for line in lines:
        found = _STEP.fullmatch(line.strip())
        if found is None or found[1] not in _KINDS:
            continue
        kind, one, two = _KINDS[found[1]], found[4], found[5] or ""
        before = one if two or kind in {"remove", "reinstall"} else ""
        after = two or ("" if kind == "remove" else one)
        changes.append(Change(kind=kind, name=found[2], before=before, after=after))
    return changes


def answered(section: Section) -> bool:
    """Tell whether apk came to its end, be it with errors: it counts packages that were broken before, also where it only rehearses."""
    return not section.fault and _ENDED.search(section.text) is not None


def standing(section: Section, *, known: Collection[str] = ()) -> list[Trouble]:
    """Tell of packages that apk itself calls broken: it would not mend them along the way, and never come to a good end.

    Args:
        section: entries of the database of installed packages.
        known: names of packages that something was told of already.
    """
    rows = [row for row in read_installed(section.text)[0] if {"f", "s"} & set(row.flags)]
    names = tuple(row.name for row in rows if row.name not in known)
    if not names:
        return []
    message = f"apk holds these packages for broken: {', '.join(names)}"
    return [
        Trouble(kind=TroubleKind.BROKEN, message=message, mend=f"apk fix {' '.join(names)}", packages=names)
    ]


def sized(sections: Sections, steps: Iterable[Change]) -> Iterator[Change]:
    """Add what apk does not tell: architecture, size, and where a version comes from."""
    known = (read_installed(sections[name].text)[0] for name in ("apk-new", "apk-here"))
    arches = {row.name: row.arch for rows in known for row in rows}
    builds = read_builds(sections["apk-new"].text)
    offers = read_policy(sections["apk-offers"].lines)
    for step in steps:
        build = builds.get((step.name, step.after))
        places = offers.get(step.name, {}).get(step.after, [])
        yield Change(
            kind=step.kind,
            name=step.name,
            arch=arches.get(step.name, ""),
            before=step.before,
            after=step.after,
            repository=places[0][1] if places else "",
            size=build.size if build else None,
        )


def download_size(changes: Sequence[Change]) -> int | None:
    """Return the bytes to fetch; None where a package list does not say."""
    sizes = [change.size for change in changes if change.after]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def disk_use(sections: Sections, changes: Sequence[Change]) -> int | None:
    """Return the bytes that installed packages will take more."""
    known = {**read_builds(sections["apk-here"].text), **read_builds(sections["apk-new"].text)}
    more = 0
    for change in changes:
        for version, sign in ((change.after, 1), (change.before, -1)):
            build = known.get((change.name, version)) if version else None
            if version and (build is None or build.installed is None):
                return None
            more += sign * (build.installed or 0) if build else 0
    return more


def short_of_space(sections: Sections, disk: int | None) -> list[Trouble]:
    """Tell so where packages would take more room than there is: apk itself does not look."""
    free = _FREE.search(sections["host-place"].text)
    if free is None or disk is None or int(free[1]) * 1024 >= disk:
        return []
    message = f"/usr has {int(free[1]) * 1024 / 1e6:.1f} MB free, and {disk / 1e6:.1f} MB are needed"
    return [Trouble(kind=TroubleKind.DISK_FULL, message=message, mend="apk cache clean")]


def unplanned(would: Section) -> list[Trouble]:
    """Tell why a rehearsal failed, or cannot be believed."""
    text = f"{would.text}\n{would.errors}"
    if would.ok:
        return []
    return _left_out(would) or apk_troubles(text) or [unexplained(would, "would not plan it")]


def _left_out(would: Section) -> list[Trouble]:
    """Tell which repositories apk could not use: what they have is missing for want of them, whatever apk calls it."""
    return [
        Trouble(
            kind=TroubleKind.SIGNATURE if "signed by no key" in told else TroubleKind.MIRROR,
            message=told,
            mend=REFRESH,
        )
        for told in list_faults(would.errors)
        if told.startswith(("the package list", "there is no package list"))
    ]


def unlike(sections: Sections, changes: Sequence[Change]) -> list[Trouble]:
    """Tell what a rehearsal would do that is not what is wanted."""
    here = {row.name: row.version for row in read_installed(sections["apk-here"].text)[0]}
    after = {change.name: change.after for change in changes}
    found: list[Trouble] = []
    if back := tuple(change.name for change in changes if change.kind == "downgrade"):
        message = f"a newer version is installed, and nothing is ever downgraded: {', '.join(back)}"
        found.append(Trouble(kind=TroubleKind.OTHER, message=message, packages=back))
    for line in sections["apk-wanted"].lines:
        name, _, version = line.partition(" ")
        if after.get(name, here.get(name)) != version and name not in back:
            found.append(_other(sections, name, version, here=here.get(name, ""), after=after.get(name, "")))
    return [*_left_out(sections["apk-would"]), *found] if found else []


def _other(sections: Sections, name: str, version: str, *, here: str, after: str) -> Trouble:
    """Say why a package would not get the version that is wanted."""
    offered = read_policy(sections["apk-offers"].lines).get(name, {})
    there = [v for v, places in offered.items() if places]
    if here and apk_version_key(here) > apk_version_key(version):
        message = f"{name} {here} is installed, newer than {version}, and nothing is ever downgraded"
        return Trouble(kind=TroubleKind.OTHER, message=message, packages=(name,))
    if version not in there:
        instead = f"; there is {', '.join(there)}" if there else ""
        message = f"no repository of the host offers {name} {version} (any more){instead}"
        return Trouble(
            kind=TroubleKind.GONE, message=message, mend="" if there else REFRESH, packages=(name,)
        )
    pins = [line.text for line in read_world(sections["apk-world"].lines) if line.name == name]
    pinned = [text for text in pins if text != name]
    why = (
        f"/etc/apk/world says {', '.join(pinned)}"
        if pinned
        else "what other packages depend on does not allow it"
    )
    instead = f"it would become {after}" if after else f"{here or 'nothing'} stays"
    message = f"apk does not bring {name} to {version}, {instead}: {why}"
    return Trouble(kind=TroubleKind.DEPENDENCIES, message=message, packages=(name,))


def unexplained(section: Section, what: str) -> Trouble:
    """Tell of a failure that none of the other words fits."""
    if section.fault:
        message = f"apk was cut short, and its end is not known: {section.fault}"
        return Trouble(kind=TroubleKind.OTHER, message=message, mend="apk fix")
    lines = [
        " ".join(line.split()) for line in f"{section.text}\n{section.errors}".splitlines() if line.strip()
    ]
    why = " ".join(lines[-3:])[:300] or f"exit code {section.code}, and it gave no reason"
    return Trouble(kind=TroubleKind.OTHER, message=f"apk {what}: {why}")
