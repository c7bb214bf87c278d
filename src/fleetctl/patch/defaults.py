"""SSM's predefined baselines, under SSM's names, and which one a host gets when nothing else is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from fleetctl.model import Host
from fleetctl.packages.model import HostFacts
from fleetctl.patch.baseline import ApprovalRule, Baseline, FilterKey, Filters, OperatingSystem

__all__ = ["BUILT_IN", "BaselineChoice", "default_baseline", "operating_system"]

BaselineChoice: TypeAlias = Callable[[Host, HostFacts], Baseline | None]
"""Says which baseline a host gets (by patch group, say); None where there is none for it."""

# os-release's ID, then each word of ID_LIKE.
_SYSTEMS: Final = {
    "debian": OperatingSystem.DEBIAN,
    "ubuntu": OperatingSystem.UBUNTU,
    "raspbian": OperatingSystem.RASPBIAN,
}

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


BUILT_IN: Final = {
    baseline.operating_system: baseline
    for baseline in (
        _at_once("AWS-DebianDefaultPatchBaseline", OperatingSystem.DEBIAN),
        _at_once("AWS-UbuntuDefaultPatchBaseline", OperatingSystem.UBUNTU),
        _at_once("AWS-DefaultRaspbianPatchBaseline", OperatingSystem.RASPBIAN),
    )
}


def operating_system(facts: HostFacts) -> OperatingSystem | None:
    """Return SSM's word for a host's system, a derivative counting as what it is like; None if it has none."""
    for word in (facts.os_id, *facts.os_like):
        if word in _SYSTEMS:
            return _SYSTEMS[word]
    return None


def default_baseline(host: Host, facts: HostFacts) -> Baseline | None:  # noqa: ARG001 - a BaselineChoice
    """Return the predefined baseline of a host's system; None if there is none."""
    system = operating_system(facts)
    return BUILT_IN.get(system) if system else None
