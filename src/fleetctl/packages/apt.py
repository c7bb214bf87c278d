"""apt: Debian, Ubuntu and their kin."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar

from fleetctl.packages.apt_change import AptChanger
from fleetctl.packages.apt_checks import apt_busy
from fleetctl.packages.apt_faults import apt_faults
from fleetctl.packages.apt_policy import PolicyEntry, PolicyVersion, read_sources, read_versions
from fleetctl.packages.collect import script_text
from fleetctl.packages.debversion import DebVersionKey, deb_version_key, split_deb_version
from fleetctl.packages.dpkg import DpkgRow, read_installed
from fleetctl.packages.facts import moment
from fleetctl.packages.kernel import pending_kernel
from fleetctl.packages.model import (
    AvailableUpdate,
    AvailableVersion,
    Hold,
    HostFacts,
    InstalledPackage,
    Origin,
    PackageState,
    RebootVerdict,
)
from fleetctl.packages.sections import Section, Sections

__all__ = ["Apt"]

_INST = re.compile(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", re.MULTILINE)
_LISTS = "/var/lib/apt/lists"
_NEEDED = ("apt-installed", "apt-releases", "apt-versions")


class Apt(AptChanger):
    """Asks dpkg and apt, and reads what they say.

    The rule that matters most: a package lacks a security fix when the *security pocket* offers a version newer than the installed
    one, whatever apt's candidate is. A hold, a pin or a newer build elsewhere may hide the fix; it is missing all the same.
    """

    name: ClassVar[str] = "apt"
    families: ClassVar[tuple[str, ...]] = ("debian", "ubuntu", "raspbian")
    detect: ClassVar[str] = "have apt-get && have apt-cache && have dpkg-query"
    refresh: ClassVar[str] = "apt-get update"

    def scan_script(self) -> str:
        """Return the sh text that defines `scan_apt`."""
        return script_text("apt.sh")

    def refresh_script(self) -> str:
        """Return the sh text that defines `refresh_apt`: by itself `apt-get update` calls it a success when lists are missing."""
        return "refresh_apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -o APT::Update::Error-Mode=any update; }\n"

    def version_key(self, version: str) -> DebVersionKey:
        """Return the sort key of deb-version(7)."""
        return deb_version_key(version)

    def parse(self, sections: Sections, facts: HostFacts) -> PackageState:
        """Read a host's answer."""
        errors, warnings = _faults(sections)
        rows, unread_rows = read_installed(sections["apt-installed"].lines)
        entries, unread_versions = read_versions(sections["apt-versions"].lines)
        sources = read_sources(sections["apt-releases"].lines)
        errors += _blind(sources) if not errors else []
        busy = next((trouble.message for trouble in apt_busy(sections["apt-busy"])), "")
        if busy:
            warnings.append(f"{busy}: look again when that has ended")
        if unread_rows or unread_versions:
            warnings.append(f"{unread_rows + unread_versions} lines of the answer could not be read")
        native = (sections["apt-architectures"].lines or [""])[0]
        reader = _Reader(sources, entries, native=native, upgrade=sections["apt-upgrade"], busy=bool(busy))
        installed = tuple(reader.installed(row) for row in rows)
        updates = tuple(update for row in rows if (update := reader.update(row)) is not None)
        services, unseen = _services(sections["apt-needrestart"])
        if sections["apt-pro"].text.strip() == "attached=false":
            unseen.append("fixes of Ubuntu Pro (ESM): the machine is not attached")
        return PackageState(
            manager=self.name,
            facts=facts,
            installed=installed,
            updates=updates,
            holds=(*(Hold(name=r.name, arch=r.arch, kind="hold") for r in rows if r.held), *reader.pins()),
            reboot=_reboot(sections, facts, installed),
            services=services,
            # What is half done while somebody works is no fault, and nobody should mend it.
            faults=() if busy else apt_faults(rows, sections["apt-upgrade"]),
            metadata_time=_metadata_time(sections["apt-list-times"]),
            errors=tuple(errors),
            warnings=(*warnings, *_expired(sections["apt-release-files"], facts)),
            unseen=tuple(unseen),
        )


class _Reader:
    """Puts dpkg's rows and apt's tables together."""

    def __init__(
        self,
        sources: dict[str, Origin],
        entries: dict[str, PolicyEntry],
        *,
        native: str,
        upgrade: Section,
        busy: bool,
    ) -> None:
        self._sources = sources
        self._entries = entries
        self._native = native
        self._busy = busy
        # Without a plan (broken dependencies) nothing can be said to be kept back by it.
        self._planned = dict(_INST.findall(upgrade.text)) if upgrade.ok else None
        self._origins: dict[tuple[str, ...], tuple[Origin, ...]] = {}

    def installed(self, row: DpkgRow) -> InstalledPackage:
        """Return one package of the host."""
        entry = self._entries.get(self._key(row))
        on_host = entry.installed if entry else None
        origins = self._of(on_host) if on_host and on_host.version == row.version else ()
        epoch, upstream, release = split_deb_version(row.version)
        return InstalledPackage(
            name=row.name,
            version=row.version,
            arch=row.arch,
            epoch=epoch,
            upstream=upstream,
            release=release,
            source=row.source.partition(" ")[0] or row.name,
            source_version=row.source.partition(" (")[2].removesuffix(")"),
            section=row.section,
            priority=row.priority,
            status=row.status.strip(),
            broken="being changed while it was looked at" if self._busy and row.broken else row.broken,
            origins=origins,
            security=any(origin.security for origin in origins),
            installed_at=moment(row.changed),
        )

    def update(self, row: DpkgRow) -> AvailableUpdate | None:
        """Return what could take a package's place; None if it is as new as can be had."""
        entry = self._entries.get(self._key(row))
        if entry is None or not entry.newer:
            return None
        now = deb_version_key(row.version)
        newer = [version for version in entry.newer if deb_version_key(version.version) > now]
        if not newer:
            return None
        candidate = row.version if entry.candidate is None else entry.candidate
        moves = bool(candidate) and deb_version_key(candidate) > now
        return AvailableUpdate(
            name=row.name,
            arch=row.arch,
            installed=row.version,
            candidate=candidate if moves else "",
            versions=tuple(self._available(version) for version in newer),
            held=_held(row, newer, candidate=candidate if moves else ""),
            kept_back=moves
            and not row.held
            and self._planned is not None
            and self._key(row) not in self._planned,
            section=row.section,
            priority=row.priority,
        )

    def pins(self) -> list[Hold]:
        """Return the packages that a preferences file pins to a version."""
        return [
            Hold(name=name.partition(":")[0], arch=name.partition(":")[2], kind="pin", detail=entry.pin)
            for name, entry in self._entries.items()
            if entry.pin
        ]

    def _key(self, row: DpkgRow) -> str:
        return row.name if row.arch in {self._native, "all"} else f"{row.name}:{row.arch}"

    def _available(self, version: PolicyVersion) -> AvailableVersion:
        origins = self._of(version)
        return AvailableVersion(
            version=version.version,
            origins=origins,
            security=any(origin.security for origin in origins),
            pin=version.pin,
            phased=version.phased,
        )

    def _of(self, version: PolicyVersion) -> tuple[Origin, ...]:
        key = tuple(version.sources)
        if key not in self._origins:
            self._origins[key] = tuple(
                self._sources.get(source) or Origin(repository=source) for source in key
            )
        return self._origins[key]


def _held(row: DpkgRow, newer: list[PolicyVersion], *, candidate: str) -> str:
    """Say what keeps apt from the newest version: a hold, phasing, or a pin."""
    if row.held:
        return "hold"
    if candidate == newer[0].version:
        return ""
    return "phased" if newer[0].phased is not None else "pin"


def _faults(sections: Sections) -> tuple[list[str], list[str]]:
    """Return what makes the answer unfit to judge, and what a reader should know besides."""
    errors: list[str] = []
    warnings: list[str] = []
    if not sections.complete:
        errors.append("the host's answer breaks off before its end")
    for name in _NEEDED:
        section = sections[name]
        said = [line for line in section.errors.splitlines() if line.startswith(("E: ", "dpkg-query: error"))]
        if section.fault:
            errors.append(f"section {name}: {section.fault}")
        elif said:
            errors += said
        elif section.code != 0:
            errors.append(f"{name} failed with exit code {section.code} and gave no reason")
    upgrade = sections["apt-upgrade"]
    if not upgrade.ok:
        said = [line for line in upgrade.errors.splitlines() if line.startswith("E: ")]
        warnings.append(
            f"apt-get cannot plan an upgrade: {' '.join(said) or upgrade.fault or 'it gave no reason'}"
        )
    for section in sections:
        warnings += [line for line in section.errors.splitlines() if line.startswith("W: ")]
    return list(dict.fromkeys(errors)), list(dict.fromkeys(warnings))


def _blind(sources: dict[str, Origin]) -> list[str]:
    """Say so where the host's sources cannot tell what is missing: that must never be called compliant."""
    if not sources:
        return ["there are no package lists: apt-get update was never run here, or its lists were removed"]
    if not any(origin.security for origin in sources.values()):
        return ["no source is the vendor's security pocket: missing security updates cannot be seen"]
    return []


def _reboot(sections: Sections, facts: HostFacts, installed: tuple[InstalledPackage, ...]) -> RebootVerdict:
    told = [line for line in sections["apt-reboot"].lines if line.strip()]
    reasons: list[str] = []
    packages: list[str] = []
    if told:
        packages += told[1:]
        named = ", ".join(dict.fromkeys(told[1:]))
        reasons.append(f"/run/reboot-required: {named}" if named else "/run/reboot-required exists")
    if (kernel := pending_kernel(facts, installed)) is not None:
        packages.append(kernel[0])
        reasons.append(kernel[1])
    restart = dict(line.partition(": ")[::2] for line in sections["apt-needrestart"].lines)
    if restart.get("NEEDRESTART-KSTA") in {"2", "3"}:
        expected = restart.get("NEEDRESTART-KEXP", "another one")
        reasons.append(
            f"needrestart: kernel {restart.get('NEEDRESTART-KCUR', '?')} runs, {expected} is expected"
        )
    if restart.get("NEEDRESTART-UCSTA") == "2":
        reasons.append("needrestart: the processor's microcode is outdated")
    seen = sections["apt-reboot"].ok
    return RebootVerdict(
        needed=bool(reasons) if reasons or seen else None,
        packages=tuple(dict.fromkeys(packages)),
        reasons=tuple(reasons),
    )


def _services(section: Section) -> tuple[tuple[str, ...], list[str]]:
    """Return services that still run old code, and what could not be seen of them."""
    if section.code == 126:
        return (), ["services that need a restart: needrestart wants root"]
    if section.code == 127:
        return (), ["services that need a restart: needrestart is not installed"]
    prefix = "NEEDRESTART-SVC: "
    return tuple(line.removeprefix(prefix) for line in section.lines if line.startswith(prefix)), []


def _metadata_time(section: Section) -> datetime | None:
    """Return when apt-get update last ran: `partial` is used by every run, `lists` only stands in where there is none."""
    times = {path: moment(seconds) for seconds, _, path in (line.partition(" ") for line in section.lines)}
    known = [path for path in times if path != _LISTS] or [_LISTS]
    return max((time for path in known if (time := times.get(path)) is not None), default=None)


def _expired(section: Section, facts: HostFacts) -> list[str]:
    """Name the Release files whose Valid-Until has passed by the host's own clock."""
    told: list[str] = []
    label = ""
    for line in section.lines:
        name, _, value = line.partition(": ")
        if name in {"File", "Codename", "Suite"}:
            label = value.rpartition("/")[2] if name == "File" else value
        elif name == "Valid-Until" and facts.time is not None:
            try:
                until = parsedate_to_datetime(value)
            except ValueError:
                continue
            if until.replace(tzinfo=until.tzinfo or UTC) < facts.time:
                told.append(
                    f"the package lists of {label} were good until {until:%Y-%m-%d}: run apt-get update"
                )
    return told
