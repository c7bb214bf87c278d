"""JSON Schemas of what is printed about inventory over time, policies, compliance as it stands, patch baselines and plans."""

from __future__ import annotations

from typing import Final

from fleetctl.report.shape import (
    COUNT,
    FLAG,
    SEVERITIES,
    TEXT,
    TEXTS,
    TIME,
    Shape,
    listed,
    one_of,
    optional,
    published,
    record,
    table_of,
    told,
)

__all__ = [
    "baseline",
    "baseline_list",
    "inventory_deletion",
    "inventory_diff",
    "inventory_history",
    "patch_explanation",
    "patch_plan",
    "policy_list",
    "policy_summary",
]

_SEVERITY: Final = one_of(*SEVERITIES)
_SIZE: Final = told({"type": "integer"}, "bytes")


def inventory_history() -> Shape:
    """Return the schema of `inventory history`."""
    row = record(
        {
            "InstanceId": TEXT,
            "TypeName": TEXT,
            "CaptureTime": TIME,
            "Count": COUNT,
            "Changed": told({"type": ["boolean", "null"]}, "null: it is the first look"),
            "ContentHash": TEXT,
            "CommandId": TEXT,
        }
    )
    return published("looks at inventory", listed(row))


def inventory_deletion() -> Shape:
    """Return the schema of `inventory delete`."""
    row = record(
        {
            "TypeName": TEXT,
            "InstanceCount": told(COUNT, "hosts"),
            "TotalCount": told(COUNT, "captures that were chosen"),
            "RemainingCount": told(COUNT, "of these, what is still there"),
        }
    )
    return published("deletion of inventory", listed(row))


def inventory_diff() -> Shape:
    """Return the schema of `inventory diff`."""
    change = record(
        {
            "Change": one_of("added", "removed", "changed"),
            "TypeName": TEXT,
            "Name": TEXT,
            "Fields": listed(record({"Field": TEXT, "Old": TEXT, "New": TEXT})),
            "Item": table_of(TEXT),
            "CommandId": told(TEXT, "the run that may have done it; empty: none is known"),
        }
    )
    run = record(
        {
            **dict.fromkeys(("CommandId", "DocumentName", "RequestedBy", "Comment"), TEXT),
            "ExecutionStartDateTime": TIME,
            "ExecutionEndDateTime": optional(TIME),
        }
    )
    return published("difference of inventory", record({"Changes": listed(change), "Runs": listed(run)}))


def policy_list() -> Shape:
    """Return the schema of `compliance policy list`."""
    row = record(
        {
            "Name": TEXT,
            "Checks": COUNT,
            "Waivers": COUNT,
            "Hosts": told(TEXT, "a selector; empty: any"),
            "OperatingSystems": TEXTS,
            "Description": TEXT,
            "Source": TEXT,
        }
    )
    return published("policies", listed(row))


def policy_summary() -> Shape:
    """Return the schema of `compliance policy show`."""
    check = record(
        {
            **dict.fromkeys(("Id", "Title", "Resource", "Why", "Remedy"), TEXT),
            "Severity": _SEVERITY,
            "References": table_of(TEXT),
        }
    )
    waiver = record(
        {
            "Checks": TEXTS,
            **dict.fromkeys(("Hosts", "Owner", "Reason"), TEXT),
            "Expires": {"type": "string", "format": "date"},
        }
    )
    whole = {"Name": TEXT, "Description": TEXT, "Checks": listed(check), "Waivers": listed(waiver)}
    return published("policy in short", record(whole))


def _baseline() -> Shape:
    filters = record({"PatchFilters": listed(record({"Key": TEXT, "Values": TEXTS}))})
    rule = record(
        {"PatchFilterGroup": filters, "ComplianceLevel": _SEVERITY, "EnableNonSecurity": FLAG},
        ApproveAfterDays=COUNT,
        ApproveUntilDate={"type": "string", "format": "date"},
    )
    return record(
        {
            **dict.fromkeys(
                ("BaselineId", "Name", "OperatingSystem", "Description", "Owner", "Source"), TEXT
            ),
            "DefaultBaseline": FLAG,
            "PatchGroups": TEXTS,
            "GlobalFilters": filters,
            "ApprovalRules": record({"PatchRules": listed(rule)}),
            "ApprovedPatches": TEXTS,
            "ApprovedPatchesComplianceLevel": _SEVERITY,
            "ApprovedPatchesEnableNonSecurity": FLAG,
            "RejectedPatches": TEXTS,
            "RejectedPatchesAction": one_of("ALLOW_AS_DEPENDENCY", "BLOCK"),
            "AvailableSecurityUpdatesComplianceStatus": one_of("COMPLIANT", "NON_COMPLIANT"),
            "Sources": listed(record({"Name": TEXT, "Products": TEXTS, "Configuration": TEXT})),
        }
    )


def baseline() -> Shape:
    """Return the schema of `patch baseline show`."""
    return published("patch baseline, as SSM tells it", _baseline())


def baseline_list() -> Shape:
    """Return the schema of `patch baseline list`."""
    return published("patch baselines, as SSM tells them", listed(_baseline()))


def patch_explanation() -> Shape:
    """Return the schema of `patch baseline explain`."""
    part = record({"By": TEXT, "DeploymentStatus": optional(TEXT)}, Entry=TEXT, WhyNot=TEXT)
    version = record(
        {
            "Version": TEXT,
            "Installed": FLAG,
            "Security": FLAG,
            "Repositories": TEXTS,
            "Parts": told(listed(part), "each part of the baseline, and what it says of the version"),
        },
        DeploymentStatus=TEXT,
        DecidedBy=TEXT,
        ApprovalTime=TIME,
        Since=TIME,
        DatedBy=TEXT,
    )
    names = ("InstanceId", "Title", "State", "PatchBaselineId", "BaselineChosen", "CommandId", "Text")
    whole = record(
        {
            **dict.fromkeys(names, TEXT),
            "Compliant": FLAG,
            "Severity": _SEVERITY,
            "Versions": listed(version),
            "ScanTime": TIME,
            "ExplainedTime": TIME,
        },
        **dict.fromkeys(("InstalledVersion", "WantedVersion", "DecidedBy", "Held", "Note"), TEXT),
    )
    return published("explanations of verdicts", listed(whole))


def patch_plan() -> Shape:
    """Return the schema of `patch plan`, and of the plan files that `patch install` takes."""
    patch = record(
        {"Name": TEXT, "After": TEXT, "Security": FLAG, "Severity": _SEVERITY},
        **dict.fromkeys(("Arch", "Before", "By"), TEXT),
        Cves=TEXTS,
        Advisories=TEXTS,
    )
    change = record(
        {"Kind": TEXT, "Name": TEXT},
        **dict.fromkeys(("Arch", "Before", "After", "Repository"), TEXT),
        Size=_SIZE,
    )
    left_out = record({"Name": TEXT, "Why": TEXT}, Arch=TEXT, Version=TEXT, Cves=TEXTS)
    trouble = record({"Kind": TEXT, "Message": TEXT}, Mend=TEXT, Packages=TEXTS)
    host = record(
        {"Host": TEXT, "Manager": TEXT, "Baseline": TEXT, "RebootExpected": FLAG},
        BaselineDigest=TEXT,
        Patches=listed(patch),
        Changes=listed(change),
        LeftOut=listed(left_out),
        Download=_SIZE,
        Disk=_SIZE,
        Free=_SIZE,
        Services=TEXTS,
        RebootPending=FLAG,
        Troubles=listed(trouble),
        Notes=TEXTS,
    )
    whole = record(
        {
            "SchemaVersion": {"const": "1.0"},
            "PlanId": told(TEXT, "the run that made it"),
            "MadeDateTime": TIME,
            "Selector": TEXT,
            "Hosts": listed(host),
            "Failed": told(table_of(TEXT), "hosts that could not be planned, and why"),
        }
    )
    return published("patch plan", whole)
