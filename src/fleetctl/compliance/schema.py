"""The JSON Schema of compliance reports."""

from __future__ import annotations

from typing import Any

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.model import Status

__all__ = ["report_schema"]

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_TIME = {"type": "string", "format": "date-time"}


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `reports/compliance/*.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleetctl compliance report",
        **_object(
            {
                "SchemaVersion": {"const": "1.0"},
                "ComplianceType": {"$ref": "#/$defs/type"},
                "CommandId": {**_TEXT, "description": "the run; its raw output lies under runs/"},
                "CapturedTime": _TIME,
                "ResourceCount": {**_COUNT, "description": "hosts, whether or not they could be judged"},
                "Summary": _object(
                    {
                        "ComplianceType": {"$ref": "#/$defs/type"},
                        "CompliantSummary": {"$ref": "#/$defs/compliant"},
                        "NonCompliantSummary": {"$ref": "#/$defs/nonCompliant"},
                        "UnscannedSummary": _object(
                            {
                                "UnscannedCount": _COUNT,
                                "Reasons": {"type": "object", "additionalProperties": _COUNT},
                            }
                        ),
                    },
                    optional={
                        "UnknownCount": {
                            **_COUNT,
                            "description": "hosts of which something could not be judged, and nothing is known to be wrong",
                        }
                    },
                ),
                "ResourceSummaries": {"type": "array", "items": {"$ref": "#/$defs/resource"}},
                "ComplianceItems": {"type": "array", "items": {"$ref": "#/$defs/item"}},
                "Unscanned": {"type": "array", "items": {"$ref": "#/$defs/unscanned"}},
            }
        ),
        "$defs": _definitions(),
    }


def _object(properties: dict[str, Any], *, optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


def _definitions() -> dict[str, Any]:
    severities = _object({f"{severity.value.capitalize()}Count": _COUNT for severity in Severity})
    head = {
        "ComplianceType": {"$ref": "#/$defs/type"},
        "ResourceType": {"const": "ManagedInstance"},
        "ResourceId": {**_TEXT, "minLength": 1, "description": "the host's name"},
        "Status": {"enum": [status.value for status in ComplianceStatus]},
    }
    return {
        "type": {"type": "string", "pattern": "^(Association|Patch|Custom:.+)$"},
        "severity": {"enum": [severity.value for severity in Severity]},
        "execution": _object(
            {"ExecutionTime": _TIME, "ExecutionId": _TEXT, "ExecutionType": {"enum": ["Command", "Put"]}}
        ),
        "compliant": _object({"CompliantCount": _COUNT, "SeveritySummary": severities}),
        "nonCompliant": _object({"NonCompliantCount": _COUNT, "SeveritySummary": severities}),
        "item": _object(
            {
                **head,
                "Id": _TEXT,
                "Title": {**_TEXT, "maxLength": 500},
                "Severity": {"$ref": "#/$defs/severity"},
                "ExecutionSummary": {"$ref": "#/$defs/execution"},
                "Details": {"type": "object", "properties": {**_patch_details(), **_policy_details()}},
            }
        ),
        "resource": _object(
            {
                **head,
                "OverallSeverity": {"$ref": "#/$defs/severity"},
                "ExecutionSummary": {"$ref": "#/$defs/execution"},
                "CompliantSummary": {"$ref": "#/$defs/compliant"},
                "NonCompliantSummary": {"$ref": "#/$defs/nonCompliant"},
            },
            optional={
                "PatchSummary": {"$ref": "#/$defs/patchSummary"},
                "Platform": {"type": "object", "additionalProperties": _TEXT},
                "WaivedCount": _COUNT,
                "UnknownCount": {**_COUNT, "description": "items that could not be judged"},
                "ContentHash": {**_TEXT, "description": "of what was put; the same again changes nothing"},
                "Warnings": _TEXTS,
                "Unseen": {
                    **_TEXTS,
                    "description": "what the scan could not see, for lack of rights or of a tool",
                },
            },
        ),
        "unscanned": _object(
            {
                "ResourceId": _TEXT,
                "Status": {"enum": [status.value for status in Status]},
                "StatusDetails": _TEXT,
                "Reason": _TEXT,
            },
            optional={"Message": _TEXT, "Hint": _TEXT},
        ),
        "patchSummary": _patch_summary(),
    }


def _patch_details() -> dict[str, Any]:
    """Return the fields of `Details` where the type is Patch; see docs/reference/patch-states.md."""
    return {
        "PatchState": _TEXT,
        "PatchSeverity": {**_TEXT, "description": "the vendor's own word"},
        "Classification": _TEXT,
        "InstalledVersion": _TEXT,
        "CandidateVersion": {**_TEXT, "description": "the version that the baseline asks for"},
        "ManagerCandidate": {**_TEXT, "description": "what the package manager itself would install"},
        "Origin": _TEXT,
        "CVEIds": _TEXTS,
        "AdvisoryIds": _TEXTS,
        "Held": {**_TEXT, "description": "what keeps it back on the host: hold, pin, phased, ..."},
        "InstalledTime": _TIME,
        "PatchBaselineId": _TEXT,
        "DeploymentStatus": {
            "enum": ["APPROVED", "PENDING_APPROVAL", "EXPLICIT_APPROVED", "EXPLICIT_REJECTED"]
        },
        "Note": _TEXT,
    }


def _policy_details() -> dict[str, Any]:
    """Return the fields of `Details` where the type is Custom:policy; see docs/reference/compliance.md."""
    waiver = _object({"Owner": _TEXT, "Reason": _TEXT, "Expires": {"type": "string", "format": "date"}})
    return {
        "PolicyName": _TEXT,
        "CheckId": _TEXT,
        "Finding": {**_TEXT, "description": "expected X, found Y; or why it could not be judged"},
        "Why": _TEXT,
        "Remedy": _TEXT,
        "References": {"type": "object", "additionalProperties": _TEXT},
        "Source": {**_TEXT, "description": "FILE:LINE of the check"},
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
    return _object(
        {
            "BaselineId": _TEXT,
            "OperatingSystem": _TEXT,
            "Operation": {"enum": ["Scan", "Install"]},
            "OperationStartTime": _TIME,
            "OperationEndTime": _TIME,
            **{f"{state}Count": _COUNT for state in states},
            "OtherUpdateCount": {
                **_COUNT,
                "description": "newer versions that the baseline does not ask for",
            },
            "RebootRequired": {"type": ["boolean", "null"], "description": "null: it could not be told"},
            "RebootReasons": _TEXTS,
            "HeldPackages": _TEXTS,
            "ServicesToRestart": _TEXTS,
            "MetadataAgeSeconds": {"type": ["integer", "null"], "minimum": 0},
        },
        optional={"PatchGroup": _TEXT, "MetadataTime": _TIME},
    )
