"""What hosts' own package lists say of a CVE: vendors' advisories, as updateinfo of dnf and zypper names them."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.feeds.severity import severity_word
from fleetctl.patch.cve_host import HostView, Installed
from fleetctl.patch.cve_match import Standing
from fleetctl.patch.cve_standing import ADVISORIES, Verdict
from fleetctl.patch.looks import LastLook

__all__ = ["advised"]


def advised(
    cve: str, view: HostView, look: LastLook | None
) -> Iterator[tuple[str, tuple[Installed, ...], Verdict]]:
    """Yield what a host's own package lists say (updateinfo of dnf and zypper): a name, the packages of it, and the verdict.

    Args:
        cve: its id.
        view: what is installed there.
        look: when it told; an earlier one may name what the last one names no more.
    """
    if look is None:
        return
    told = [
        (update.name, update.arch, version.version, advisory)
        for update in look.state.updates
        for version in update.versions
        for advisory in version.advisories
    ]
    told += [
        (package.name, package.arch, package.version, advisory)
        for package in look.state.installed
        if not package.superseded
        for advisory in package.advisories
    ]
    for name, arch, version, advisory in told:
        if cve not in advisory.cve_ids:
            continue
        packages = tuple(p for p in view.installed if (p.name, p.arch) == (name, arch))
        if packages:
            behind = any(view.key(package.version) < view.key(version) for package in packages)
            yield (
                name,
                packages,
                Verdict(
                    source=ADVISORIES,
                    dated=look.time,
                    standing=Standing.AFFECTED if behind else Standing.FIXED,
                    fixed=version,
                    advisory=advisory.id,
                    severity=severity_word(advisory.severity),
                ),
            )
