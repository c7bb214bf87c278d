"""apk: Alpine and its kin, apk-tools 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from fleetctl.packages.apk_change import ApkChanger
from fleetctl.packages.apk_lists import (
    ApkRow,
    lists_time,
    memory_notes,
    read_installed,
    read_repositories,
    read_updates,
)
from fleetctl.packages.apk_rehearsal import answered
from fleetctl.packages.apk_troubles import list_faults
from fleetctl.packages.apk_updates import ApkLists, holds_of, installed_of, read_lists, unsolved, update_of
from fleetctl.packages.apkversion import apk_version_key
from fleetctl.packages.collect import script_text
from fleetctl.packages.kernel import pending_apk_kernel
from fleetctl.packages.model import Fault, HostFacts, InstalledPackage, PackageState, RebootVerdict
from fleetctl.packages.sections import Section, Sections

__all__ = ["Apk"]

_NEEDED: Final = ("apk-installed", "apk-repositories", "apk-updates")
_BLIND: Final = (
    "apk's repositories name no security fixes: missing security updates cannot be told from others"
)
_SHOWN: Final = 5


class Apk(ApkChanger):
    """Asks apk, reads its database, and reads what both say.

    A repository whose list is missing, or signed by nobody that the host trusts, has no packages as far as apk is concerned: it tells
    so on stderr, lists nothing and exits with 0. Such an answer is never judged.
    """

    name: ClassVar[str] = "apk"
    families: ClassVar[tuple[str, ...]] = ("alpine", "postmarketos", "chimera", "wolfi")
    detect: ClassVar[str] = (
        "have apk && { [ -e /lib/apk/db/installed ] || [ -e /usr/lib/apk/db/installed ]; }"
    )
    refresh: ClassVar[str] = "apk update"

    def scan_script(self) -> str:
        """Return the sh text that defines `scan_apk`."""
        return script_text("apk.sh")

    def refresh_script(self) -> str:
        """Return the sh text that defines `refresh_apk`."""
        return "refresh_apk() { apk --no-progress --wait 60 update; }\n"

    def version_key(self, version: str) -> Any:
        """Return the sort key of apk's own order."""
        return apk_version_key(version)

    def parse(self, sections: Sections, facts: HostFacts) -> PackageState:
        """Read a host's answer."""
        rows, unread = read_installed(sections["apk-installed"].text)
        lists = read_lists(sections)
        told, odd = read_updates(sections["apk-updates"].lines)
        latest, named = dict(told), {f"{row.name}-{row.version}": row for row in rows}
        updates = tuple(update_of(row, lists, latest[key]) for key, row in named.items() if key in latest)
        errors = list(dict.fromkeys(_errors(sections, lists, rows)))
        lost = [f"{key} to {version}" for key, version in told if key not in named]
        if lost and not errors:
            errors = [f"apk tells of updates of what is not in its list of installed packages: {_few(lost)}"]
        installed = tuple(installed_of(row, lists) for row in rows)
        reboot, unseen = _reboot(sections["apk-modules"], facts, installed)
        services, unseen_services = _services(sections["apk-services"])
        repositories = read_repositories(sections["apk-repositories"].lines)
        return PackageState(
            manager=self.name,
            facts=facts,
            installed=installed,
            updates=updates,
            holds=tuple(holds_of(lists.world)),
            reboot=reboot,
            services=services,
            faults=tuple(_faults(sections, installed)),
            metadata_time=lists_time(
                sections["apk-times"].lines, repositories, sections["apk-arch"].text.partition("\n")[0]
            ),
            blind="" if errors else _BLIND,
            errors=tuple(errors),
            warnings=tuple(_warnings(sections, unread, odd)),
            unseen=(*unseen, *unseen_services),
        )


def _errors(sections: Sections, lists: ApkLists, rows: Sequence[ApkRow]) -> Iterator[str]:
    """Return what makes the answer unfit to judge."""
    if not sections.complete:
        yield "the host's answer breaks off before its end"
    for name in _NEEDED:
        section = sections[name]
        if section.fault:
            yield f"section {name}: {section.fault}"
    if not rows:
        yield "apk's list of installed packages is empty, or cannot be read"
        return
    if not read_repositories(sections["apk-repositories"].lines):
        yield "no repository is configured in /etc/apk/repositories: what is missing cannot be seen"
        return
    updates = sections["apk-updates"]
    faults = list(list_faults(f"{updates.errors}\n{updates.text}"))
    yield from faults
    if faults or updates.fault:
        return
    if updates.code != 0 or not updates.text.startswith("Installed:"):
        said = " ".join(f"{updates.errors} {updates.text}".split())[:300]
        yield f"apk version failed: {said or f'exit code {updates.code}, and it gave no reason'}"
    elif sections["apk-policy"].ok and not any(
        p for versions in lists.policy.values() for p in versions.values()
    ):
        yield "no repository has any of the installed packages: what is missing cannot be seen"


def _reboot(
    section: Section, facts: HostFacts, installed: Sequence[InstalledPackage]
) -> tuple[RebootVerdict, list[str]]:
    """Tell whether another kernel is installed than the one that runs: apk takes the modules of the old one away with it."""
    found = pending_apk_kernel(facts, installed)
    if found is not None:
        return RebootVerdict(needed=True, packages=(found[0],), reasons=(found[1],)), []
    flavour = facts.kernel.rpartition("-")[2]
    kernels = [p.name for p in installed if p.name == f"linux-{flavour}"]
    if kernels and section.ok and section.lines and facts.kernel not in section.lines:
        reason = f"the modules of kernel {facts.kernel}, which runs, are gone"
        return RebootVerdict(needed=True, packages=tuple(kernels), reasons=(reason,)), []
    if kernels or facts.virtualisation or not any(p.name.startswith("linux-") for p in installed):
        return RebootVerdict(needed=False), []
    return RebootVerdict(), [f"whether a newer kernel waits: no installed package has kernel {facts.kernel}"]


def _services(section: Section) -> tuple[tuple[str, ...], list[str]]:
    if section.code == 126:
        return (), ["services that need a restart: to look at other users' processes wants root"]
    if not section.ok:
        return (), ["services that need a restart: this host does not tell which files are in use (/proc)"]
    return tuple(line.strip() for line in section.lines if line.strip()), []


def _faults(sections: Sections, installed: Sequence[InstalledPackage]) -> Iterator[Fault]:
    for package in installed:
        if package.broken:
            yield Fault(
                what=f"{package.name}: {package.broken}",
                mend=f"apk fix {package.name}",
                packages=(package.name,),
            )
    if why := unsolved(sections["apk-upgrade"]):
        yield Fault(what=f"apk cannot bring together what /etc/apk/world asks for: {why}")


def _warnings(sections: Sections, unread: int, odd: Sequence[str]) -> Iterator[str]:
    if unread:
        yield f"{unread} entries of apk's list of installed packages could not be read"
    odd = [line for line in odd if not line.startswith(("ERROR: ", "WARNING: "))]
    if odd:
        yield f"{len(odd)} lines of apk version could not be read: {odd[0][:80]}"
    upgrade = sections["apk-upgrade"]
    if not answered(upgrade) and not unsolved(upgrade):
        said = " ".join(upgrade.errors.split())[:200] or upgrade.fault or f"exit code {upgrade.code}"
        yield f"apk does not tell what it would upgrade: {said}"
    beside = [line for line in sections["apk-beside"].lines if line.startswith("/")]
    if beside:
        yield f"configuration files of newer packages wait beside changed ones: {_few(beside)}"
    yield from memory_notes(sections["apk-root"])


def _few(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}"
