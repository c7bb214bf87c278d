"""One host's verdict as data: what `Outcome.data` carries, `report.json` keeps, and compliance reports are made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleetctl.compliance.model import Severity, SeverityCounts
from fleetctl.packages.model import AvailableVersion, Origin, PackageState
from fleetctl.patch.defaults import operating_system
from fleetctl.patch.evaluate import Patch, PatchResult, PatchState

__all__ = ["LISTED", "host_data", "patch_data"]

# What is listed by name also without `detail`: everything that needs somebody's eye.
LISTED = frozenset(PatchState) - {PatchState.INSTALLED, PatchState.INSTALLED_OTHER, PatchState.NOT_APPLICABLE}


def host_data(
    state: PackageState,
    result: PatchResult,
    *,
    patch_group: str | None,
    started: datetime,
    ended: datetime,
    detail: bool = False,
    operation: str = "Scan",
) -> dict[str, Any]:
    """Return a host's verdict, JSON-ready.

    Args:
        state: what was found.
        result: what the baseline says of it.
        patch_group: the host's, for the record.
        started: of the scan, aware UTC.
        ended: the same.
        detail: list every package and every other update, not only what needs attention.
        operation: SSM's word: `Scan` or `Install`.
    """
    listed = [patch for patch in result.patches if detail or patch.state in LISTED]
    return {
        "Status": result.status.value,
        "PatchSummary": {
            "BaselineId": result.baseline.name,
            "OperatingSystem": (operating_system(state.facts) or result.baseline.operating_system).value,
            **({"PatchGroup": patch_group} if patch_group else {}),
            "Operation": operation,
            "OperationStartTime": started.isoformat(timespec="milliseconds"),
            "OperationEndTime": ended.isoformat(timespec="milliseconds"),
            **result.counts,
            "OtherUpdateCount": len(result.other_updates),
            "RebootRequired": state.reboot.needed,
            "RebootReasons": list(state.reboot.reasons),
            "HeldPackages": sorted({hold.name for hold in state.holds}),
            "ServicesToRestart": list(state.services),
            "MetadataAgeSeconds": state.metadata_age_seconds,
            **({"MetadataTime": state.metadata_time.isoformat()} if state.metadata_time else {}),
        },
        "Severities": {
            "Compliant": _severities(result, compliant=True),
            "NonCompliant": _severities(result, compliant=False),
        },
        "Platform": _platform(state),
        "Warnings": list(state.warnings),
        "Unseen": list(state.unseen),
        "Patches": [patch_data(patch, result.baseline.name) for patch in listed],
        **({"OtherUpdates": _other_updates(result)} if detail else {}),
    }


def patch_data(patch: Patch, baseline: str) -> dict[str, Any]:
    """Return one patch; what does not apply is left out. Names are those of a compliance item's `Details`."""
    package, update, decision = patch.package, patch.update, patch.decision
    installed = package.version if package else update.installed if update else ""
    origins = patch.target.origins if patch.target else package.origins if package else ()
    optional = {
        "InstalledVersion": installed,
        "CandidateVersion": patch.target.version if patch.target else "",
        "ManagerCandidate": update.candidate if update else "",
        "Origin": ", ".join(dict.fromkeys(_origin(origin) for origin in origins)),
        "PatchSeverity": _vendor_word(patch.target),
        "CVEIds": list(update.cve_ids) if update else [],
        "AdvisoryIds": list(update.advisory_ids) if update else [],
        "Held": update.held if update else "",
        "InstalledTime": package.installed_at.isoformat() if package and package.installed_at else "",
        "DeploymentStatus": decision.status.value if decision else "",
        "Note": patch.note,
    }
    return {
        "Title": f"{patch.name}.{patch.arch}" if patch.arch else patch.name,
        "State": patch.state.value,
        "Compliant": patch.compliant,
        "Severity": patch.severity.value,
        "Classification": _classification(patch),
        "PatchBaselineId": baseline,
        **{name: value for name, value in optional.items() if value},
    }


def _classification(patch: Patch) -> str:
    """Return the vendor's word for it (`Bugfix`), `Security` before all others; `Other` where it has none."""
    if patch.security:
        return "Security"
    advisories = (
        patch.target.advisories if patch.target else patch.package.advisories if patch.package else ()
    )
    return next((a.classification.capitalize() for a in advisories if a.classification), "Other")


def _severities(result: PatchResult, *, compliant: bool) -> dict[str, int]:
    counts = SeverityCounts.of(patch.severity for patch in result.patches if patch.compliant is compliant)
    return {severity.value: counts.counts[severity] for severity in Severity if counts.counts.get(severity)}


def _other_updates(result: PatchResult) -> list[Mapping[str, Any]]:
    return [
        {
            "Title": f"{update.name}.{update.arch}",
            "InstalledVersion": update.installed,
            "CandidateVersion": update.versions[0].version,
            "Origin": ", ".join(dict.fromkeys(_origin(origin) for origin in update.versions[0].origins)),
            "Held": update.held,
        }
        for update in result.other_updates
    ]


def _origin(origin: Origin) -> str:
    """Return an origin as apt writes it: `Debian-Security:bookworm-security/main`; without a label, the repository."""
    return (
        f"{origin.label or origin.origin}:{origin.repository}"
        if origin.label or origin.origin
        else origin.repository
    )


def _vendor_word(target: AvailableVersion | None) -> str:
    words = [advisory.severity for advisory in target.advisories if advisory.severity] if target else []
    return words[0] if words else ""


def _platform(state: PackageState) -> dict[str, str]:
    """Return what the host is, in the words of SSM's InstanceInformation where it has them."""
    facts = state.facts
    told = {
        "PlatformName": facts.pretty_name or facts.os_id,
        "PlatformVersion": facts.version_id,
        "KernelVersion": facts.kernel,
        "Architecture": facts.machine,
        "BootId": facts.boot_id,
        "Virtualisation": facts.virtualisation,
        "PackageManager": state.manager,
    }
    return {name: value for name, value in told.items() if value}
