"""zypper: SUSE Linux Enterprise, openSUSE and their kin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from fleetctl.packages.collect import script_text
from fleetctl.packages.facts import moment
from fleetctl.packages.kernel import pending_rpm_kernel
from fleetctl.packages.model import (
    Advisory,
    AvailableUpdate,
    Fault,
    Hold,
    HostFacts,
    InstalledPackage,
    Origin,
    PackageState,
    RebootVerdict,
)
from fleetctl.packages.rpmdb import TWICE, Notices, Offers, Rpm, read_rpms, rpm_faults, rpm_unmet
from fleetctl.packages.rpmversion import RpmVersionKey, rpm_version_key
from fleetctl.packages.sections import Section, Sections
from fleetctl.packages.zypper_change import ZypperChanger
from fleetctl.packages.zypper_xml import (
    read_contents,
    read_locks,
    read_messages,
    read_offers,
    read_origins,
    read_patches,
    read_repositories,
    readable,
)

__all__ = ["Zypper"]

_NEEDED: Final = (
    "zypper-installed",
    "zypper-repositories",
    "zypper-updates",
    "zypper-available",
    "zypper-patches",
    "zypper-contents",
    "zypper-locks",
)
_OPENSUSE: Final = ("opensuse", "opensuse-leap", "opensuse-tumbleweed")
_FAMILIES: Final = ("suse", "sles", "sled", "sles_sap", "sle_hpc", "sle-micro", *_OPENSUSE)
_RAW: Final = re.compile(r"/raw/([^/]+)/")
_CORE: Final = "Core libraries or services have been updated"
_WORDS: Final = {
    6: "no repository is defined: what is missing cannot be seen",
    106: "zypper left repositories out: what is missing cannot be seen",
}


class Zypper(ZypperChanger):
    """Asks rpm and zypper, and reads what they say.

    A locked package's patch stays on zypper's list of needed patches; the package itself is only on the list of all updates.
    """

    name: ClassVar[str] = "zypper"
    families: ClassVar[tuple[str, ...]] = _FAMILIES
    detect: ClassVar[str] = "have rpm && have zypper"
    refresh: ClassVar[str] = "zypper refresh"

    def scan_script(self) -> str:
        """Return the sh text that defines `scan_zypper`."""
        return script_text("zypper.sh")

    def refresh_script(self) -> str:
        """Return the sh text that defines `refresh_zypper`."""
        return "refresh_zypper() { zypper --non-interactive --quiet refresh; }\n"

    def version_key(self, version: str) -> RpmVersionKey:
        """Return the sort key of rpm's own order."""
        return rpm_version_key(version)

    def parse(self, sections: Sections, facts: HostFacts) -> PackageState:
        """Read a host's answer."""
        errors = _errors(sections)
        repositories = read_repositories(sections["zypper-repositories"].text)
        if not errors and not repositories:
            errors = ["no repository is enabled: what is missing cannot be seen"]
        rpms, unread = read_rpms(sections["zypper-installed"].lines)
        told = _read_updates(sections, rpms)
        if told.lost and not errors:
            errors = [
                f"zypper needs {', '.join(told.lost)}, and which packages that is about could not be read"
            ]
        origins = read_origins(sections["zypper-origins"].text)
        doubled = _doubled(rpms, sections["zypper-several"])
        installed = tuple(
            told.offers.installed(
                rpm,
                origins=tuple([_origin(name) for name in origins.get((*rpm.key, rpm.version), ())]),
                broken=TWICE if rpm.name in doubled and not rpm.superseded else "",
            )
            for rpm in rpms
        )
        reboot, unseen = _reboot(sections["zypper-reboot"], facts, installed)
        services, unseen_services = _services(sections["zypper-services"])
        return PackageState(
            manager=self.name,
            facts=facts,
            installed=installed,
            updates=told.updates,
            holds=told.locks,
            reboot=reboot,
            services=services,
            faults=tuple(_faults(sections, doubled)),
            metadata_time=_metadata_time(sections["zypper-times"], repositories),
            blind="" if errors else _blind(sections, told),
            errors=tuple(dict.fromkeys(errors)),
            warnings=tuple(dict.fromkeys(_warnings(sections, told.beside, unread))),
            unseen=(*unseen, *unseen_services),
        )


class _Told(NamedTuple):
    """What zypper says of updates, patches and locks.

    Attributes:
        lost: patches that zypper calls needed, and that no package here explains.
        beside: patches that it calls needed for an old version that is installed beside a newer one.
        any_patch: whether it lists any.
    """

    offers: Offers
    updates: tuple[AvailableUpdate, ...]
    locks: tuple[Hold, ...]
    lost: list[str]
    beside: list[str]
    any_patch: bool


def _read_updates(sections: Sections, rpms: list[Rpm]) -> _Told:
    patches = read_patches(sections["zypper-patches"].text)
    contents = read_contents(sections["zypper-contents"].lines)
    offers = Offers(
        read_offers(sections["zypper-available"].text),
        _notices(rpms, contents, {name: advisory for name, (advisory, _) in patches.items()}),
        {(o.name, o.arch): o.version for o in read_offers(sections["zypper-updates"].text)},
    )
    locks = read_locks(sections["zypper-locks"].text)
    updates = tuple(_held(u, locks) for rpm in rpms if (u := offers.update(rpm)) is not None)
    placed = {advisory for update in updates for advisory in update.advisory_ids}
    needed = [name for name, (_, status) in patches.items() if status == "needed" and name not in placed]
    lost, beside = _unplaced(needed, rpms, contents)
    return _Told(offers, updates, locks, lost, beside, bool(patches))


def _blind(sections: Sections, told: _Told) -> str:
    """Say so where repositories publish no patches: then nothing tells security fixes from other updates."""
    if told.any_patch or any("updateinfo" in line for line in sections["zypper-times"].lines):
        return ""
    return "no repository publishes patches: missing security updates cannot be told from others"


def _notices(rpms: list[Rpm], contents: list[tuple[str, str, str]], patches: dict[str, Advisory]) -> Notices:
    """Tell which patches name which versions of what is installed; zypper tells a package by name, or by name and architecture."""
    told: dict[str, dict[tuple[str, str], tuple[str, Advisory]]] = {}
    for patch, name, version in contents:
        if patch in patches:
            told.setdefault(name, {})[version, patch] = (version, patches[patch])
    found = {rpm.key: told.get(rpm.name, {}) | told.get(".".join(rpm.key), {}) for rpm in rpms}
    return {key: list(notices.values()) for key, notices in found.items() if notices}


@lru_cache(maxsize=1024)
def _origin(repository: str) -> Origin:
    return Origin(repository=repository)


def _held(update: AvailableUpdate, locks: tuple[Hold, ...]) -> AvailableUpdate:
    """Say what keeps zypper from it: a lock, or else its dependencies (a change of vendor, say)."""
    offered = [version.version for version in update.versions if version.origins]
    if not offered or update.candidate == offered[0]:
        return update
    if any(lock.arch in {"", update.arch} and fnmatchcase(update.name, lock.name) for lock in locks):
        return replace(update, held="lock")
    return replace(update, kept_back=True)


def _errors(sections: Sections) -> list[str]:
    """Return what makes the answer unfit to judge."""
    found = [] if sections.complete else ["the host's answer breaks off before its end"]
    if sections["zypper-tool"].code not in {0, -1}:
        return [*found, "neither /dev/shm nor /tmp can be written: zypper needs a place for its caches"]
    missing = sections["zypper-missing"].lines
    if any(alias.strip() for alias in missing):
        named = ", ".join(alias.strip() for alias in missing if alias.strip())
        return [
            *found,
            f"there are no package lists of repository {named}: zypper never fetched them, or they were removed",
        ]
    for fault in rpm_faults(sections["zypper-installed"]):
        return [*found, f"{fault.what}; mend it there with: {fault.mend}"]
    for name in _NEEDED:
        section = sections[name]
        if section.fault:
            found.append(f"section {name}: {section.fault}")
        elif section.code != 0:
            found.append(_why(section))
        elif name not in {"zypper-installed", "zypper-contents"} and not readable(section.text):
            found.append(f"{name}: zypper's answer is no XML that can be read")
    return found


def _why(section: Section) -> str:
    told = [*read_messages(section.text, "error"), *section.errors.splitlines()]
    said = " ".join(" ".join(line.split()) for line in told[:3] if line.strip())
    return (
        _WORDS.get(section.code)
        or said
        or f"{section.name} failed with exit code {section.code} and gave no reason"
    )


def _reboot(
    section: Section, facts: HostFacts, installed: tuple[InstalledPackage, ...]
) -> tuple[RebootVerdict, list[str]]:
    told = section.code == 102 or _CORE in section.text.replace(f"No {_CORE.lower()}", "")
    reasons = ["core libraries or services were updated since boot"] if told else []
    if "/run/reboot-needed" in section.lines:
        reasons.append("/run/reboot-needed exists")
    kernel = pending_rpm_kernel(facts, installed)
    if kernel is not None:
        reasons.append(kernel[1])
    verdict = RebootVerdict(
        needed=bool(reasons) if reasons or section.ok else None,
        packages=(kernel[0],) if kernel else (),
        reasons=tuple(reasons),
    )
    seen = section.ok or told
    return verdict, [] if seen else [
        "whether core packages wait for a reboot: zypper needs-rebooting gave no answer"
    ]


def _services(section: Section) -> tuple[tuple[str, ...], list[str]]:
    if section.code == 126:
        return (), ["services that need a restart: zypper ps wants root"]
    if section.fault or section.code not in {0, 102}:
        return (), ["services that need a restart: zypper ps gave no answer"]
    # `-sss` prints bare names; everything else that it says has blanks or is XML.
    return tuple(line for line in section.lines if re.fullmatch(r"[\w@.:\\-]+", line)), []


def _faults(sections: Sections, doubled: dict[str, list[Rpm]]) -> Iterator[Fault]:
    yield from rpm_faults(sections["zypper-installed"])
    if doubled:
        older = [rpm for rpms in doubled.values() for rpm in rpms if rpm.superseded]
        yield Fault(
            what=f"{TWICE}: {', '.join(doubled)}",
            mend=f"rpm -e {' '.join(f'{rpm.name}-{rpm.upstream}-{rpm.release}.{rpm.key[1]}' for rpm in older)}",
            packages=tuple(doubled),
        )
    unmet = rpm_unmet(sections["zypper-unmet"])
    if unmet:
        yield Fault(what=f"unmet dependencies: {'; '.join(unmet[:5])}", mend="zypper verify")


def _doubled(rpms: list[Rpm], several: Section) -> dict[str, list[Rpm]]:
    """Return what is installed in two versions at once and should not be, by name."""
    allowed = set(several.lines)
    names = {rpm.name for rpm in rpms if rpm.superseded and rpm.name not in allowed}
    if several.fault:
        return {}
    return {name: [rpm for rpm in rpms if rpm.name == name] for name in sorted(names)}


def _metadata_time(section: Section, repositories: list[str]) -> datetime | None:
    """Return when the repository that is most out of date was refreshed."""
    times: dict[str, datetime] = {}
    for line in section.lines:
        seconds, _, path = line.partition(" ")
        found, time = _RAW.search(path), moment(seconds)
        if found and time and (found[1] not in times or time > times[found[1]]):
            times[found[1]] = time
    return min((time for name, time in times.items() if name in repositories), default=None)


def _unplaced(
    needed: list[str], rpms: list[Rpm], contents: list[tuple[str, str, str]]
) -> tuple[list[str], list[str]]:
    """Sort needed patches that no update stands for: those that cannot be explained, and those of old versions kept beside new ones."""
    older = {rpm.name: rpm for rpm in rpms if rpm.superseded}
    beside = [
        patch
        for patch, name, version in contents
        if patch in needed
        and name in older
        and rpm_version_key(older[name].version) < rpm_version_key(version)
    ]
    return [patch for patch in needed if patch not in beside], list(dict.fromkeys(beside))


def _warnings(sections: Sections, beside: list[str], unread: int) -> Iterator[str]:
    if unread:
        yield f"{unread} lines of the answer could not be read"
    for patch in beside:
        yield f"zypper needs {patch} only for an old version that is installed beside a newer one"
    for section in sections:
        if section.name.startswith("zypper-"):
            yield from read_messages(section.text, "warning")
