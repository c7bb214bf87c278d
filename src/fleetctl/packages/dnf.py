"""dnf 4, dnf 5, and yum where it is dnf: Red Hat Enterprise Linux, Fedora and their kin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Final

from fleetctl.packages.collect import script_text
from fleetctl.packages.dnf_change import DnfChanger
from fleetctl.packages.dnf_holds import held, read_holds, read_repositories
from fleetctl.packages.dnf_notices import read_advised, read_advisories, when
from fleetctl.packages.facts import moment
from fleetctl.packages.kernel import pending_rpm_kernel
from fleetctl.packages.model import Fault, HostFacts, InstalledPackage, PackageState, RebootVerdict
from fleetctl.packages.rpmdb import TWICE, Key, Notices, Offer, Offers, notices_of, read_rpms, rpm_faults
from fleetctl.packages.rpmversion import RpmVersionKey, evr, rpm_version_key
from fleetctl.packages.sections import Section, Sections

__all__ = ["Dnf"]

_NEEDED: Final = (
    "dnf-installed",
    "dnf-available",
    "dnf-checkupdate",
    "dnf-advisories",
    "dnf-advised",
    "dnf-repositories",
)
_FAMILIES: Final = (
    *("rhel", "centos", "fedora", "rocky", "almalinux", "ol", "amzn"),
    *("cloudlinux", "eurolinux", "virtuozzo", "openEuler", "mageia", "azurelinux", "mariner"),
)
_NO_CACHE: Final = re.compile(r"Cache-only enabled but no cache for (?:repository )?['\"]?([^'\"]+)['\"]?")
_NO_REPOSITORY: Final = re.compile(
    r"No repositories available|There are no enabled repositories|No matching repositories for \*"
)
_HASHED: Final = re.compile(r"/([^/]+)-[0-9a-f]{16}/repodata/(\S+)$")
_ASKED: Final = re.compile(r"^  \* (\S+)$", re.MULTILINE)


class Dnf(DnfChanger):
    """Asks rpm and dnf, and reads what they say.

    Excludes and version locks hide advisories from dnf's own lists. So everything is asked for with all of them off, and compared
    with what dnf would install with all of them on.
    """

    name: ClassVar[str] = "dnf"
    families: ClassVar[tuple[str, ...]] = _FAMILIES
    detect: ClassVar[str] = "have rpm && { have dnf || have dnf5 || have dnf-3 || have yum; }"
    refresh: ClassVar[str] = "dnf makecache"

    def scan_script(self) -> str:
        """Return the sh text that defines `scan_dnf`."""
        return script_text("dnf.sh")

    def refresh_script(self) -> str:
        """Return the sh text that defines `refresh_dnf`: a repository that cannot be reached is an error, whatever its settings say."""
        return "refresh_dnf() { dnf_find && \"$dnf_tool\" -q -y --refresh '--setopt=*.skip_if_unavailable=False' makecache; }\n"

    def version_key(self, version: str) -> RpmVersionKey:
        """Return the sort key of rpm's own order."""
        return rpm_version_key(version)

    def parse(self, sections: Sections, facts: HostFacts) -> PackageState:
        """Read a host's answer."""
        generation = _generation(sections["dnf-tool"])
        errors = _errors(sections, generation)
        repositories = read_repositories(sections, generation=generation) or []
        notices = _notices(sections, generation)
        if not errors and not repositories:
            errors = ["no repository is enabled: what is missing cannot be seen"]
        if not errors and notices is None:
            errors = ["dnf's list of advisories could not be read"]
        rpms, unread = read_rpms(sections["dnf-installed"].lines)
        offered, unread_offers = _offers(sections["dnf-available"])
        offers = Offers(offered, notices or {}, _candidates(sections["dnf-checkupdate"]))
        holds = read_holds(sections, generation=generation)
        repositories_of, doubled = _from(sections["dnf-from"]), _doubled(sections["dnf-duplicates"])
        installed = tuple(
            offers.installed(
                rpm,
                repository=repositories_of.get(rpm.text, ""),
                broken=TWICE if rpm.key in doubled and not rpm.superseded else "",
            )
            for rpm in rpms
        )
        services, unseen = _services(sections["dnf-services"])
        reboot, unseen_reboot = _reboot(sections["dnf-reboot"], facts, installed)
        return PackageState(
            manager=self.name,
            facts=facts,
            installed=installed,
            updates=tuple(held(u, holds) for rpm in rpms if (u := offers.update(rpm)) is not None),
            holds=holds,
            reboot=reboot,
            services=services,
            faults=(*rpm_faults(sections["dnf-installed"]), *_faults(sections)),
            metadata_time=_metadata_time(sections["dnf-times"], repositories),
            blind=_blind(sections["dnf-times"], notices),
            errors=tuple(dict.fromkeys(errors)),
            warnings=tuple(_warnings(sections, unread + unread_offers)),
            unseen=(*unseen, *unseen_reboot),
        )


def _generation(section: Section) -> int:
    found = re.search(r"^generation=([345])$", section.text, re.MULTILINE)
    return int(found[1]) if found else 4


def _errors(sections: Sections, generation: int) -> list[str]:
    """Return what makes the answer unfit to judge."""
    if generation == 3:
        return ["yum 3 is too old: fleetctl knows dnf 4, dnf 5, and yum where it is dnf"]
    found = [] if sections.complete else ["the host's answer breaks off before its end"]
    if sections["dnf-tool"].code not in {0, -1}:
        return [*found, "neither /dev/shm nor /tmp can be written: dnf needs a place for its logs"]
    for fault in rpm_faults(sections["dnf-installed"]):
        return [*found, f"{fault.what}; mend it there with: {fault.mend}"]
    for name in _NEEDED:
        section = sections[name]
        if section.fault:
            found.append(f"section {name}: {section.fault}")
        elif section.code not in ({0, 100} if name == "dnf-checkupdate" else {0}):
            found.append(_why(section))
    return found


def _why(section: Section) -> str:
    if (found := _NO_CACHE.search(section.errors)) is not None:
        return f"there are no package lists of repository {found[1].strip()}: dnf never fetched them, or they were removed"
    if _NO_REPOSITORY.search(section.errors):
        return "no repository is enabled: what is missing cannot be seen"
    told = [line.strip() for line in section.errors.splitlines() if line.strip()]
    return " ".join(told[:3]) or f"{section.name} failed with exit code {section.code} and gave no reason"


def _offers(section: Section) -> tuple[list[Offer], int]:
    found: list[Offer] = []
    unread = 0
    for line in section.lines:
        fields = line.split("\t")
        if len(fields) != 8:
            unread += bool(line.strip())
            continue
        name, epoch, version, release, arch, repository, size, built = fields
        found.append(
            Offer(
                name=name,
                arch=arch,
                version=evr(epoch, version, release),
                repository=repository,
                date=when(built),
                size=int(size) if size.isdecimal() and len(size) < 16 else None,
            )
        )
    return found, unread


def _candidates(section: Section) -> dict[Key, str]:
    """Read `check-update`: name.arch, version and repository. dnf 4 breaks rows that are longer than 80 characters."""
    found: dict[Key, str] = {}
    words = iter(
        re.split(r"^(?:Obsoleting|Obsoletes)\b", section.text, maxsplit=1, flags=re.MULTILINE)[0].split()
    )
    for word in words:
        name, dot, arch = word.rpartition(".")
        if not dot:
            continue
        version, _ = next(words, ""), next(words, "")
        epoch, colon, rest = version.rpartition(":")
        upstream, _, release = rest.rpartition("-")
        found[name, arch] = evr(epoch if colon else "", upstream, release)
    return found


def _notices(sections: Sections, generation: int) -> Notices | None:
    known = read_advisories(sections["dnf-advisories"].text, generation=generation)
    if known is None:
        return None
    told = read_advised(sections["dnf-advised"].text, known, generation=generation)
    return None if told is None else notices_of(told)


def _from(section: Section) -> dict[str, str]:
    """Return which repository each installed version came from, where dnf remembers; versions as in `Rpm.text`."""
    rows = (line.rpartition("\t") for line in section.lines)
    return {text: name for text, tab, name in rows if tab and name not in {"", "(none)", "<unknown>"}}


def _doubled(section: Section) -> dict[Key, None]:
    rows = (line.split("\t") for line in section.lines)
    return dict.fromkeys((row[0], row[2]) for row in rows if len(row) == 3)


def _reboot(
    section: Section, facts: HostFacts, installed: tuple[InstalledPackage, ...]
) -> tuple[RebootVerdict, list[str]]:
    packages = _ASKED.findall(section.text)
    told = bool(packages) or "Reboot is required" in section.text
    seen = told or (section.ok and "should not be necessary" in section.text)
    reasons = [f"updated since boot: {', '.join(packages) or 'core packages'}"] if told else []
    if (kernel := pending_rpm_kernel(facts, installed)) is not None:
        packages.append(kernel[0])
        reasons.append(kernel[1])
    verdict = RebootVerdict(
        needed=bool(reasons) if reasons or seen else None,
        packages=tuple(dict.fromkeys(packages)),
        reasons=tuple(reasons),
    )
    missing = "No such command" in section.errors or "Unknown argument" in section.errors
    why = (
        "dnf's plugin needs-restarting is not installed" if missing else "dnf needs-restarting gave no answer"
    )
    return verdict, [] if seen else [f"whether core packages wait for a reboot: {why}"]


def _services(section: Section) -> tuple[tuple[str, ...], list[str]]:
    if section.code == 126:
        return (), ["services that need a restart: dnf needs-restarting wants root"]
    services = tuple(line.strip() for line in section.lines if re.fullmatch(r"\S+\.\w+", line.strip()))
    # dnf 5 exits with 1 where there are any.
    if not section.ok and not (services and section.code == 1 and not section.fault):
        return (), ["services that need a restart: dnf needs-restarting gave no answer"]
    return services, []


def _faults(sections: Sections) -> Iterator[Fault]:
    doubled = tuple(dict.fromkeys(name for name, _ in _doubled(sections["dnf-duplicates"])))
    if doubled:
        yield Fault(
            what=f"{TWICE}: {', '.join(doubled)}", mend="dnf -y remove --duplicates", packages=doubled
        )
    unmet = [line.strip() for line in sections["dnf-check"].lines if " has missing requires of " in line]
    if unmet:
        yield Fault(what=f"unmet dependencies: {'; '.join(unmet[:5])}", mend="dnf -y distro-sync")


def _metadata_time(section: Section, repositories: list[str]) -> datetime | None:
    """Return when the repository that is most out of date was fetched; dnf touches its files when nothing has changed."""
    times: dict[str, datetime] = {}
    for line in section.lines:
        seconds, _, path = line.partition(" ")
        found, time = _HASHED.search(path), moment(seconds)
        if found and time and (found[1] not in times or time > times[found[1]]):
            times[found[1]] = time
    return min((time for name, time in times.items() if name in repositories), default=None)


def _blind(section: Section, notices: Notices | None) -> str:
    """Say so where repositories publish no advisories: then nothing tells security fixes from other updates."""
    if notices or any("updateinfo" in line for line in section.lines):
        return ""
    return (
        "no repository publishes advisories (updateinfo): missing security updates cannot be told from others"
    )


def _warnings(sections: Sections, unread: int) -> Iterator[str]:
    if unread:
        yield f"{unread} lines of the answer could not be read"
    said = (
        line.strip()
        for section in sections
        for line in section.errors.splitlines()
        if section.name.startswith("dnf-")
    )
    yield from dict.fromkeys(
        line for line in said if line.startswith(("Warning:", "warning:", "Failed to set locale"))
    )
