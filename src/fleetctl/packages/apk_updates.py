"""Put together what apk's answers say of each package: what can be had, what apk would take, and what keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from fleetctl.packages.apk_lists import ApkBuild, ApkRow, Constraint, read_builds, read_policy, read_world
from fleetctl.packages.apk_rehearsal import answered, read_steps
from fleetctl.packages.apkversion import apk_version_key, split_apk_version
from fleetctl.packages.model import AvailableUpdate, AvailableVersion, Hold, InstalledPackage, Origin
from fleetctl.packages.sections import Section, Sections

__all__ = ["ApkLists", "holds_of", "installed_of", "read_lists", "unsolved", "update_of"]

_BROKEN: Final = {"f": "its files could not all be written", "s": "its script failed"}
_SOLVER: Final = re.compile(r"unable to select packages|unsatisfiable constraints")
_UNKNOWN: Final = (Origin(repository="unknown"),)


class ApkLists(NamedTuple):
    """What is known of versions, by name.

    Attributes:
        candidates: what apk would upgrade to now.
        planned: whether it could tell.
    """

    policy: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]]
    builds: Mapping[tuple[str, str], ApkBuild]
    world: Sequence[Constraint]
    candidates: Mapping[str, str]
    planned: bool

    def origins(self, name: str, version: str) -> tuple[Origin, ...]:
        """Return the repositories that have this version."""
        return tuple(_origin(tag, url) for tag, url in self.policy.get(name, {}).get(version, ()))

    def version(self, name: str, version: str) -> AvailableVersion:
        """Return what is known of a version that can be had."""
        build = self.builds.get((name, version))
        return AvailableVersion(
            version=version,
            origins=self.origins(name, version) or _UNKNOWN,
            date=build.built if build else None,
            size=build.size if build else None,
        )

    def newer(self, row: ApkRow, latest: str) -> tuple[AvailableVersion, ...]:
        """Return every version that is newer and may be had with the package's tag, the newest first."""
        known = self.policy.get(row.name, {})
        others = {v for v, places in known.items() if {tag for tag, _ in places} & {"", row.tag}}
        here = apk_version_key(row.version)
        between = [v for v in others - {latest, row.version} if apk_version_key(v) > here]
        newer = sorted((latest, *between), key=apk_version_key, reverse=True) if between else [latest]
        return tuple(self.version(row.name, version) for version in newer)


def unsolved(upgrade: Section) -> str:
    """Return why apk cannot bring together what /etc/apk/world asks for; empty if it can, or was not heard."""
    said = f"{upgrade.text}\n{upgrade.errors}"
    if upgrade.fault or upgrade.code == 0 or not _SOLVER.search(said):
        return ""
    return " ".join(" ".join(line.split()) for line in said.splitlines() if line.startswith(" "))[:300]


def read_lists(sections: Sections) -> ApkLists:
    """Put together what apk told of versions."""
    upgrade = sections["apk-upgrade"]
    steps = read_steps(upgrade.lines)
    return ApkLists(
        policy=read_policy(sections["apk-policy"].lines),
        builds=read_builds(sections["apk-details"].text),
        world=read_world(sections["apk-world"].lines),
        candidates={step.name: step.after for step in steps if step.kind == "upgrade"},
        planned=answered(upgrade) or bool(unsolved(upgrade)),
    )


@lru_cache(maxsize=256)  # many packages, few repositories
def _origin(tag: str, url: str) -> Origin:
    """Name a repository by its address: `https://HOST/alpine/v3.22/main`."""
    parts = url.rstrip("/").split("/")
    site = urlsplit(url).hostname if re.match(r"\w+://[\w.-]+(?::\d+)?/", url) else None
    return Origin(
        repository=url,
        url=url,
        site=site or "",
        label=tag,
        suite=parts[-2] if len(parts) > 2 else "",
        component=parts[-1],
    )


def update_of(row: ApkRow, lists: ApkLists, latest: str) -> AvailableUpdate:
    """Return the update of a package, and what keeps apk from it."""
    pinned = any(line.name == row.name and not line.allows(latest) for line in lists.world)
    candidate = lists.candidates.get(row.name, "" if lists.planned or pinned else latest)
    stays = candidate != latest
    return AvailableUpdate(
        name=row.name,
        arch=row.arch,
        installed=row.version,
        candidate=candidate,
        versions=lists.newer(row, latest),
        held="pin" if stays and pinned else "",
        kept_back=stays and not pinned,
    )


def installed_of(row: ApkRow, lists: ApkLists) -> InstalledPackage:
    """Return a package as everybody else knows it."""
    upstream, release = split_apk_version(row.version)
    return InstalledPackage(
        name=row.name,
        version=row.version,
        arch=row.arch,
        upstream=upstream,
        release=release,
        source=row.origin or row.name,
        status=row.flags,
        broken="; ".join(why for flag, why in _BROKEN.items() if flag in row.flags),
        origins=lists.origins(row.name, row.version),
    )


def holds_of(world: Sequence[Constraint]) -> Iterator[Hold]:
    """Return what /etc/apk/world says beyond names: versions, tags, and what must not be there."""
    for line in world:
        if line.conflict:
            yield Hold(name=line.name, kind="exclude", detail=line.text)
        elif line.tag or line.operator[:1] in {"=", "<", "~"} or line.operator == "><":
            yield Hold(name=line.name, kind="pin", detail=line.text)
