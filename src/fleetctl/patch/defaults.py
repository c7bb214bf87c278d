"""SSM's predefined baselines, under SSM's names, and which one a host gets when nothing else is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from fleetctl.model import Host
from fleetctl.packages.model import HostFacts
from fleetctl.patch.baseline import ApprovalRule, Baseline, FilterKey, Filters, OperatingSystem

__all__ = ["BUILT_IN", "BaselineChoice", "NoBaseline", "default_baseline", "operating_system"]

BaselineChoice: TypeAlias = Callable[[Host, HostFacts], Baseline | None]
"""Says which baseline a host gets (by patch group, say); None where there is none for it. May raise `NoBaseline` to say why."""


class NoBaseline(Exception):  # noqa: N818 - a finding about a host
    """There is no baseline for a host, and its text says why."""


# os-release's ID, then each word of ID_LIKE.
_SYSTEMS: Final = {
    "debian": OperatingSystem.DEBIAN,
    "ubuntu": OperatingSystem.UBUNTU,
    "raspbian": OperatingSystem.RASPBIAN,
    "rhel": OperatingSystem.REDHAT_ENTERPRISE_LINUX,
    "rocky": OperatingSystem.ROCKY_LINUX,
    "almalinux": OperatingSystem.ALMA_LINUX,
    "ol": OperatingSystem.ORACLE_LINUX,
    "centos": OperatingSystem.CENTOS,
    "fedora": OperatingSystem.FEDORA,
    "arch": OperatingSystem.ARCH_LINUX,
    "archlinux": OperatingSystem.ARCH_LINUX,
    "alpine": OperatingSystem.ALPINE_LINUX,
    "sles": OperatingSystem.SUSE,
    "suse": OperatingSystem.SUSE,
    "opensuse": OperatingSystem.SUSE,
}
_AMAZON: Final = {"2": OperatingSystem.AMAZON_LINUX_2}

# SSM lists the priorities Required, Important, Standard, Optional, Extra. Here it is `*`, so that a package without a priority
# is not called compliant for want of one.
_ALL_SECURITY: Final = ApprovalRule(
    filters=Filters({FilterKey.PRODUCT: ("*",), FilterKey.SECTION: ("*",), FilterKey.PRIORITY: ("*",)})
)


def _at_once(name: str, system: OperatingSystem) -> Baseline:
    title = system.value.capitalize()
    return Baseline(
        name=name,
        operating_system=system,
        description=f"Default patch baseline for {title}: all security updates, at once.",
        approval_rules=(_ALL_SECURITY,),
    )


def _advised(
    name: str,
    system: OperatingSystem,
    *,
    severities: tuple[str, ...] = ("Critical", "Important"),
    bugfixes: bool = True,
) -> Baseline:
    """Return a baseline of a system whose vendor publishes advisories: a week for anybody else to find out first."""
    security = ApprovalRule(
        filters=Filters({FilterKey.CLASSIFICATION: ("Security",), FilterKey.SEVERITY: severities}),
        approve_after_days=7,
    )
    bugfix = ApprovalRule(filters=Filters({FilterKey.CLASSIFICATION: ("Bugfix",)}), approve_after_days=7)
    told = f"security updates rated {' or '.join(severities)}{', and bug fixes,' if bugfixes else ''} after 7 days"
    return Baseline(
        name=name,
        operating_system=system,
        description=f"Default patch baseline for {system.value}: {told}.",
        approval_rules=(security, bugfix) if bugfixes else (security,),
    )


def _everything(name: str, system: OperatingSystem, *, days: int = 7) -> Baseline:
    when = f"after {days} days" if days else "at once"
    return Baseline(
        name=name,
        operating_system=system,
        description=f"Default patch baseline for {system.value}: all updates, {when}. Its repositories publish no advisories.",
        approval_rules=(ApprovalRule(approve_after_days=days, enable_non_security=True),),
    )


BUILT_IN: Final = {
    baseline.operating_system: baseline
    for baseline in (
        _at_once("AWS-DebianDefaultPatchBaseline", OperatingSystem.DEBIAN),
        _at_once("AWS-UbuntuDefaultPatchBaseline", OperatingSystem.UBUNTU),
        _at_once("AWS-DefaultRaspbianPatchBaseline", OperatingSystem.RASPBIAN),
        _advised("AWS-AmazonLinux2DefaultPatchBaseline", OperatingSystem.AMAZON_LINUX_2),
        _advised("AWS-AmazonLinux2023DefaultPatchBaseline", OperatingSystem.AMAZON_LINUX_2023),
        _advised("AWS-RedHatDefaultPatchBaseline", OperatingSystem.REDHAT_ENTERPRISE_LINUX),
        _advised("AWS-RockyLinuxDefaultPatchBaseline", OperatingSystem.ROCKY_LINUX),
        _advised("AWS-AlmaLinuxDefaultPatchBaseline", OperatingSystem.ALMA_LINUX),
        _advised(
            "AWS-OracleLinuxDefaultPatchBaseline",
            OperatingSystem.ORACLE_LINUX,
            severities=("Important", "Moderate"),
        ),
        _everything("AWS-CentOSDefaultPatchBaseline", OperatingSystem.CENTOS),
        _advised("AWS-SuseDefaultPatchBaseline", OperatingSystem.SUSE, bugfixes=False),
        # SSM knows none of these three. Nothing tells Arch's and Alpine's security fixes from other updates, and their mirrors
        # keep only the newest version: a delay would ask for what cannot be had any more.
        _advised("FleetctlFedoraDefaultPatchBaseline", OperatingSystem.FEDORA),
        _everything("FleetctlArchLinuxDefaultPatchBaseline", OperatingSystem.ARCH_LINUX, days=0),
        _everything("FleetctlAlpineLinuxDefaultPatchBaseline", OperatingSystem.ALPINE_LINUX, days=0),
    )
}


def operating_system(facts: HostFacts) -> OperatingSystem | None:
    """Return SSM's word for a host's system, a derivative counting as what it is like; None if it has none."""
    if facts.os_id == "amzn":
        return _AMAZON.get(facts.version_id, OperatingSystem.AMAZON_LINUX_2023)
    for word in (facts.os_id, *facts.os_like):
        if word in _SYSTEMS:
            return _SYSTEMS[word]
    return None


def default_baseline(host: Host, facts: HostFacts) -> Baseline | None:  # noqa: ARG001 - a BaselineChoice
    """Return the predefined baseline of a host's system; None if there is none."""
    system = operating_system(facts)
    return BUILT_IN.get(system) if system else None
