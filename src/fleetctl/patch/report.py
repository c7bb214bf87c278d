"""Turn the outcomes of a scan into a compliance report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from fleetctl.compliance.model import (
    ComplianceItem,
    ComplianceReport,
    ComplianceStatus,
    ExecutionSummary,
    ResourceSummary,
    Severity,
    SeverityCounts,
    Unscanned,
)
from fleetctl.model import Outcome

__all__ = ["TYPE", "scan_exit_code", "scan_report"]

TYPE = "Patch"
_TITLE_LIMIT = 500  # SSM: ComplianceItemTitle


def scan_report(outcomes: Iterable[Outcome], *, run_id: str, now: datetime | None = None) -> ComplianceReport:
    """Return the verdict about a fleet. A host that was not scanned to the end is listed as such, never as compliant.

    Args:
        outcomes: of `ScanTask`, one a host.
        run_id: of the run.
        now: when the report is made, aware UTC.
    """
    captured = now or datetime.now(UTC)
    resources: list[ResourceSummary] = []
    items: list[ComplianceItem] = []
    unscanned: list[Unscanned] = []
    for outcome in outcomes:
        if "PatchSummary" in outcome.data:  # also where an installation failed: it was looked at after that
            execution = ExecutionSummary(time=outcome.ended or captured, id=run_id)
            resources.append(_resource(outcome, execution))
            items += [_item(outcome.host, patch, execution) for patch in outcome.data["Patches"]]
        else:
            unscanned.append(_unscanned(outcome))
    return ComplianceReport(
        compliance_type=TYPE,
        run_id=run_id,
        captured=captured,
        resources=tuple(resources),
        items=tuple(items),
        unscanned=tuple(unscanned),
    )


def scan_exit_code(report: ComplianceReport, run_code: int) -> int:
    """Return what `patch scan` exits with: what the run itself says (130, 3, 4) before 5.

    An incomplete scan is told first: 5 means that every host was scanned and some are not compliant.

    Args:
        report: the verdict.
        run_code: as `engine.report.exit_code` says.
    """
    return run_code or (5 if report.non_compliant else 0)


def _resource(outcome: Outcome, execution: ExecutionSummary) -> ResourceSummary:
    data = outcome.data
    extra = {
        name: data[name] for name in ("PatchSummary", "Platform", "Warnings", "Unseen") if data.get(name)
    }
    return ResourceSummary(
        compliance_type=TYPE,
        resource_id=outcome.host,
        status=ComplianceStatus(data["Status"]),
        execution=execution,
        compliant=_counts(data["Severities"]["Compliant"]),
        non_compliant=_counts(data["Severities"]["NonCompliant"]),
        extra=extra,
    )


def _item(host: str, patch: Mapping[str, Any], execution: ExecutionSummary) -> ComplianceItem:
    version = patch.get("CandidateVersion") or patch.get("InstalledVersion", "")
    own = {"Title", "State", "Compliant", "Severity"}
    return ComplianceItem(
        compliance_type=TYPE,
        resource_id=host,
        id=f"{patch['Title']}:{version}" if version else patch["Title"],
        title=patch["Title"][:_TITLE_LIMIT],
        status=ComplianceStatus.COMPLIANT if patch["Compliant"] else ComplianceStatus.NON_COMPLIANT,
        severity=Severity(patch["Severity"]),
        execution=execution,
        details={"PatchState": patch["State"], **{k: v for k, v in patch.items() if k not in own}},
    )


def _unscanned(outcome: Outcome) -> Unscanned:
    return Unscanned(
        resource_id=outcome.host,
        status=outcome.status.value,
        details=outcome.status_details,
        reason=outcome.reason.value if outcome.reason else "unknown",
        message=outcome.message,
        hint=outcome.hint,
    )


def _counts(told: Mapping[str, int]) -> SeverityCounts:
    return SeverityCounts({Severity(name): count for name, count in told.items()})
