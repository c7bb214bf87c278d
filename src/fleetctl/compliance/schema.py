"""The JSON Schema of compliance reports."""

from __future__ import annotations

from typing import Any

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.compliance.summary import GROUP_COUNTERS
from fleetctl.model import Status
from fleetctl.report.shape import COUNT, TEXT, TEXTS, TIME, Shape, listed, published, record, table_of, told

__all__ = ["items_schema", "report_schema", "summary_schema"]


def report_schema() -> Shape:
    """Return the JSON Schema (draft 2020-12) of `reports/compliance/*.json`."""
    undecided = told(COUNT, "hosts of which something could not be judged, and nothing is known to be wrong")
    unscanned = record({"UnscannedCount": COUNT, "Reasons": table_of(COUNT)})
    whole = record(
        {
            "SchemaVersion": {"const": "1.0"},
            "ComplianceType": _ref("type"),
            "CommandId": told(TEXT, "the run; its raw output lies under runs/"),
            "CapturedTime": TIME,
            "ResourceCount": told(COUNT, "hosts, whether or not they could be judged"),
            "Summary": record(
                {
                    "ComplianceType": _ref("type"),
                    "CompliantSummary": _ref("compliant"),
                    "NonCompliantSummary": _ref("nonCompliant"),
                    "UnscannedSummary": unscanned,
                },
                UnknownCount=undecided,
            ),
            "ResourceSummaries": listed(_ref("resource")),
            "ComplianceItems": listed(_ref("item")),
            "Unscanned": listed(_ref("unscanned")),
        }
    )
    return published("compliance report", {**whole, "$defs": _definitions()})


def items_schema() -> Shape:
    """Return the JSON Schema of `compliance list` and `compliance show`."""
    return published("compliance items", {**listed(_ref("item")), "$defs": _definitions()})


def summary_schema() -> Shape:
    """Return the JSON Schema of `compliance summary`: by type, or with `--by` by groups of hosts."""
    counts = dict.fromkeys(("Hosts", "Compliant", "NonCompliant", "Unknown", "Findings"), COUNT)
    moment = {
        "CommandId": TEXT,
        "CapturedTime": TIME,
        **dict.fromkeys(("Compliant", "NonCompliant", "Unscanned"), COUNT),
    }
    by_type = record(
        {"ComplianceType": TEXT, **counts, "CapturedTime": TIME, "Trend": listed(record(moment))}
    )
    by_group = record(
        {
            "ComplianceType": TEXT,
            "GroupBy": TEXT,
            "Group": told(TEXT, "empty: hosts without one"),
            **counts,
            "NotJudged": told(COUNT, "hosts of the inventory without any verdict of the type"),
        },
        Instances=told(COUNT, "SSM: DescribePatchGroupState, as the other counters of hosts"),
        **dict.fromkeys(GROUP_COUNTERS, COUNT),
    )
    return published("compliance in numbers", listed({"anyOf": [by_type, by_group]}))


def _ref(name: str) -> Shape:
    return {"$ref": f"#/$defs/{name}"}


def _definitions() -> dict[str, Any]:
    severities = record({f"{severity.value.capitalize()}Count": COUNT for severity in Severity})
    head = {
        "ComplianceType": {"$ref": "#/$defs/type"},
        "ResourceType": {"const": "ManagedInstance"},
        "ResourceId": {**TEXT, "minLength": 1, "description": "the host's name"},
        "Status": {"enum": [status.value for status in ComplianceStatus]},
    }
    return {
        "type": {"type": "string", "pattern": "^(Association|Patch|Custom:.+)$"},
        "severity": {"enum": [severity.value for severity in Severity]},
        "execution": record(
            {"ExecutionTime": TIME, "ExecutionId": TEXT, "ExecutionType": {"enum": ["Command", "Put"]}}
        ),
        "compliant": record({"CompliantCount": COUNT, "SeveritySummary": severities}),
        "nonCompliant": record({"NonCompliantCount": COUNT, "SeveritySummary": severities}),
        "item": record(
            {
                **head,
                "Id": TEXT,
                "Title": {**TEXT, "maxLength": 500},
                "Severity": {"$ref": "#/$defs/severity"},
                "ExecutionSummary": {"$ref": "#/$defs/execution"},
                "Details": {"type": "object", "properties": {**_patch_details(), **_policy_details()}},
            }
        ),
        "resource": record(
            {
                **head,
                "OverallSeverity": {"$ref": "#/$defs/severity"},
                "ExecutionSummary": {"$ref": "#/$defs/execution"},
                "CompliantSummary": {"$ref": "#/$defs/compliant"},
                "NonCompliantSummary": {"$ref": "#/$defs/nonCompliant"},
            },
            PatchSummary={"$ref": "#/$defs/patchSummary"},
            Platform={"type": "object", "additionalProperties": TEXT},
            WaivedCount=COUNT,
            UnknownCount={**COUNT, "description": "items that could not be judged"},
            ContentHash={**TEXT, "description": "of what was put; the same again changes nothing"},
            Warnings=TEXTS,
            Unseen={
                **TEXTS,
                "description": "what the scan could not see, for lack of rights or of a tool",
            },
        ),
        "unscanned": record(
            {
                "ResourceId": TEXT,
                "Status": {"enum": [status.value for status in Status]},
                "StatusDetails": TEXT,
                "Reason": TEXT,
            },
            Message=TEXT,
            Hint=TEXT,
        ),
        "patchSummary": _patch_summary(),
    }


def _patch_details() -> dict[str, Any]:
    """Return the fields of `Details` where the type is Patch; see docs/reference/patch-states.md."""
    return {
        "PatchState": TEXT,
        "PatchSeverity": {**TEXT, "description": "the vendor's own word"},
        "Classification": TEXT,
        "InstalledVersion": TEXT,
        "CandidateVersion": {**TEXT, "description": "the version that the baseline asks for"},
        "ManagerCandidate": {**TEXT, "description": "what the package manager itself would install"},
        "Origin": TEXT,
        "CVEIds": TEXTS,
        "AdvisoryIds": TEXTS,
        "Held": {**TEXT, "description": "what keeps it back on the host: hold, pin, phased, ..."},
        "InstalledTime": TIME,
        "PatchBaselineId": TEXT,
        "DeploymentStatus": {
            "enum": ["APPROVED", "PENDING_APPROVAL", "EXPLICIT_APPROVED", "EXPLICIT_REJECTED"]
        },
        "Note": TEXT,
    }


def _policy_details() -> dict[str, Any]:
    """Return the fields of `Details` where the type is Custom:policy; see docs/reference/compliance.md."""
    waiver = record({"Owner": TEXT, "Reason": TEXT, "Expires": {"type": "string", "format": "date"}})
    return {
        "PolicyName": TEXT,
        "CheckId": TEXT,
        "Finding": {**TEXT, "description": "expected X, found Y; or why it could not be judged"},
        "Why": TEXT,
        "Remedy": TEXT,
        "References": {"type": "object", "additionalProperties": TEXT},
        "Source": {**TEXT, "description": "FILE:LINE of the check"},
        "Waiver": {**waiver, "description": "in force"},
        "ExpiredWaiver": {**waiver, "description": "no longer in force: it counts as none"},
    }


def _patch_summary() -> dict[str, Any]:
    """Return the node counters of Patch Manager (SSM: InstancePatchState), and what we add."""
    states = (
        "Installed",
        "InstalledOther",
        "InstalledPendingReboot",
        "InstalledRejected",
        "Missing",
        "Failed",
        "NotApplicable",
        "AvailableSecurityUpdate",
        "CriticalNonCompliant",
        "SecurityNonCompliant",
        "OtherNonCompliant",
    )
    return record(
        {
            "BaselineId": TEXT,
            "OperatingSystem": TEXT,
            "Operation": {"enum": ["Scan", "Install"]},
            "OperationStartTime": TIME,
            "OperationEndTime": TIME,
            **{f"{state}Count": COUNT for state in states},
            "OtherUpdateCount": {
                **COUNT,
                "description": "newer versions that the baseline does not ask for",
            },
            "RebootRequired": {"type": ["boolean", "null"], "description": "null: it could not be told"},
            "RebootReasons": TEXTS,
            "HeldPackages": TEXTS,
            "ServicesToRestart": TEXTS,
            "MetadataAgeSeconds": {"type": ["integer", "null"], "minimum": 0},
        },
        PatchGroup=TEXT,
        MetadataTime=TIME,
    )
