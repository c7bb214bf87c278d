"""A compliance report as JSON: SSM's field names, a published schema, and files that are never overwritten."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from fleetctl.compliance.index import ReportIndex
from fleetctl.compliance.model import (
    ComplianceItem,
    ComplianceReport,
    ExecutionSummary,
    ResourceSummary,
    Severity,
    SeverityCounts,
    Unscanned,
)
from fleetctl.compliance.schema import report_schema
from fleetctl.errors import StateFolderError
from fleetctl.store.runs import write_json

__all__ = ["item_json", "keep", "report_json", "schema"]


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a compliance report."""
    return report_schema()


def report_json(report: ComplianceReport) -> dict[str, Any]:
    """Return the report, JSON-ready.

    `Summary` counts hosts (SSM: ListComplianceSummaries), by the gravest severity of each; `ResourceSummaries` count items
    (SSM: ListResourceComplianceSummaries); hosts that could not be judged are in `Unscanned` and nowhere else.
    """
    reasons = Counter(host.reason for host in report.unscanned)
    compliant = SeverityCounts.of(host.overall_severity for host in report.compliant)
    failing = SeverityCounts.of(host.overall_severity for host in report.non_compliant)
    return {
        "SchemaVersion": "1.0",
        "ComplianceType": report.compliance_type,
        "CommandId": report.run_id,
        "CapturedTime": report.captured.isoformat(timespec="milliseconds"),
        "ResourceCount": len(report.resources) + len(report.unscanned),
        "Summary": {
            "ComplianceType": report.compliance_type,
            "CompliantSummary": _counts("Compliant", compliant),
            "NonCompliantSummary": _counts("NonCompliant", failing),
            "UnscannedSummary": {
                "UnscannedCount": len(report.unscanned),
                "Reasons": dict(sorted(reasons.items())),
            },
            **({"UnknownCount": len(report.undecided)} if report.undecided else {}),
        },
        "ResourceSummaries": [_resource_json(resource) for resource in report.resources],
        "ComplianceItems": [item_json(item) for item in report.items],
        "Unscanned": [_unscanned_json(host) for host in report.unscanned],
    }


def item_json(item: ComplianceItem) -> dict[str, Any]:
    """Return one item as SSM's ComplianceItem."""
    return {
        "ComplianceType": item.compliance_type,
        "ResourceType": item.resource_type,
        "ResourceId": item.resource_id,
        "Id": item.id,
        "Title": item.title,
        "Status": item.status.value,
        "Severity": item.severity.value,
        "ExecutionSummary": _execution(item.execution),
        "Details": dict(item.details),
    }


def keep(report: dict[str, Any], folder: Path) -> Path:
    """Write a report to `<folder>/<run-id>.json` and return its path.

    What is there is never overwritten: each time that a run was carried on with and judged anew, it gets one more,
    `<run-id>.resumed-N.json`.

    Raises:
        StateFolderError: it cannot be written.
    """
    path = folder / f"{report['CommandId']}.json"
    try:
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as private:
            write_json(whole := Path(private) / path.name, report)
            for number in count(1):
                with suppress(FileExistsError):
                    os.link(whole, path)  # fails where the name is taken, also for two writers at once
                    break
                path = folder / f"{report['CommandId']}.resumed-{number}.json"
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}") from exc
    with suppress(StateFolderError):  # whoever asks next finds the report all the same
        ReportIndex(folder).add(path, report)
    return path


def _resource_json(resource: ResourceSummary) -> dict[str, Any]:
    return {
        "ComplianceType": resource.compliance_type,
        "ResourceType": resource.resource_type,
        "ResourceId": resource.resource_id,
        "Status": resource.status.value,
        "OverallSeverity": resource.overall_severity.value,
        "ExecutionSummary": _execution(resource.execution),
        "CompliantSummary": _counts("Compliant", resource.compliant),
        "NonCompliantSummary": _counts("NonCompliant", resource.non_compliant),
        **resource.extra,
    }


def _unscanned_json(host: Unscanned) -> dict[str, Any]:
    optional = {"Message": host.message, "Hint": host.hint}
    return {
        "ResourceId": host.resource_id,
        "Status": host.status,
        "StatusDetails": host.details,
        "Reason": host.reason,
        **{name: text for name, text in optional.items() if text},
    }


def _execution(execution: ExecutionSummary) -> dict[str, str]:
    return {
        "ExecutionTime": execution.time.isoformat(timespec="milliseconds"),
        "ExecutionId": execution.id,
        "ExecutionType": execution.type,
    }


def _counts(kind: str, counts: SeverityCounts) -> dict[str, Any]:
    by_severity = {
        f"{severity.value.capitalize()}Count": counts.counts.get(severity, 0) for severity in Severity
    }
    return {f"{kind}Count": counts.total, "SeveritySummary": by_severity}
