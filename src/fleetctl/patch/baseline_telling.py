"""A baseline as data: as a person would write it, and with SSM's names."""

from __future__ import annotations

from typing import Any

from fleetctl.patch.baseline import ApprovalRule, Baseline, Filters
from fleetctl.patch.baseline_load import Declared

__all__ = ["form_data", "ssm_data"]


def form_data(baseline: Baseline, *, named: bool = True) -> dict[str, Any]:
    """Return what a file of `baselines/` would say; what is as by default is left out.

    Args:
        baseline: any.
        named: with its name; not for a copy, which is to have one of its own.
    """
    given: dict[str, Any] = {
        "name": baseline.name if named else "",
        "description": baseline.description,
        "operating_system": baseline.operating_system.value,
        "global_filters": _filters(baseline.global_filters),
        "approval_rules": [_rule(rule) for rule in baseline.approval_rules],
        "approved_patches": list(baseline.approved_patches),
        "approved_patches_compliance_level": _unless(
            baseline.approved_patches_compliance_level.value, "UNSPECIFIED"
        ),
        "approved_patches_enable_non_security": baseline.approved_patches_enable_non_security,
        "rejected_patches": list(baseline.rejected_patches),
        "rejected_patches_action": _unless(baseline.rejected_patches_action.value, "ALLOW_AS_DEPENDENCY"),
        "available_security_updates_compliance_status": _unless(
            baseline.available_security_updates_compliance_status.value, "COMPLIANT"
        ),
        "sources": [
            {"name": s.name, "products": list(s.products), "configuration": s.configuration}
            for s in baseline.sources
        ],
    }
    return {name: value for name, value in given.items() if value}


def ssm_data(item: Declared, *, origin: str, default: bool) -> dict[str, Any]:
    """Return it as SSM's GetPatchBaseline does.

    Args:
        item: the baseline, with its groups.
        origin: `project`, `built-in` or `file`.
        default: whether hosts of its system get it where nothing else is said.
    """
    baseline = item.baseline
    return {
        "BaselineId": baseline.name,
        "Name": baseline.name,
        "OperatingSystem": baseline.operating_system.value,
        "Description": baseline.description,
        "DefaultBaseline": default,
        "PatchGroups": list(item.patch_groups),
        "Owner": origin,
        "Source": str(item.where),
        "GlobalFilters": _patch_filters(baseline.global_filters),
        "ApprovalRules": {"PatchRules": [_ssm_rule(rule) for rule in baseline.approval_rules]},
        "ApprovedPatches": list(baseline.approved_patches),
        "ApprovedPatchesComplianceLevel": baseline.approved_patches_compliance_level.value,
        "ApprovedPatchesEnableNonSecurity": baseline.approved_patches_enable_non_security,
        "RejectedPatches": list(baseline.rejected_patches),
        "RejectedPatchesAction": baseline.rejected_patches_action.value,
        "AvailableSecurityUpdatesComplianceStatus": baseline.available_security_updates_compliance_status.value,
        "Sources": [
            {"Name": s.name, "Products": list(s.products), "Configuration": s.configuration}
            for s in baseline.sources
        ],
    }


def _filters(filters: Filters) -> dict[str, list[str]]:
    return {key.value: list(values) for key, values in filters.values.items()}


def _rule(rule: ApprovalRule) -> dict[str, Any]:
    until = rule.approve_until_date
    given = {
        "filters": _filters(rule.filters),
        "compliance_level": _unless(rule.compliance_level.value, "UNSPECIFIED"),
        "approve_until_date": until.isoformat() if until else "",
        "enable_non_security": rule.enable_non_security,
    }
    delay = {} if until else {"approve_after_days": rule.approve_after_days or 0}
    return {**{name: value for name, value in given.items() if value}, **delay}


def _ssm_rule(rule: ApprovalRule) -> dict[str, Any]:
    until = rule.approve_until_date
    return {
        "PatchFilterGroup": _patch_filters(rule.filters),
        "ComplianceLevel": rule.compliance_level.value,
        **(
            {"ApproveUntilDate": until.isoformat()}
            if until
            else {"ApproveAfterDays": rule.approve_after_days or 0}
        ),
        "EnableNonSecurity": rule.enable_non_security,
    }


def _patch_filters(filters: Filters) -> dict[str, Any]:
    return {
        "PatchFilters": [{"Key": key.value, "Values": list(values)} for key, values in filters.values.items()]
    }


def _unless(value: str, default: str) -> str:
    return "" if value == default else value
