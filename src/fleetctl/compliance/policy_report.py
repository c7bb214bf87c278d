"""From the outcomes of a run of `PolicyTask` to a report that is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

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
from fleetctl.compliance.report import keep, report_json
from fleetctl.engine.order import RunResult
from fleetctl.engine.report import exit_code
from fleetctl.model import Outcome

__all__ = ["TYPE", "Checked", "conclude_check", "policy_report"]

TYPE: Final = "Custom:policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found.

    Attributes:
        report: the verdict, JSON-ready, as it is kept.
        path: where it is kept.
    """

    run: RunResult
    verdict: ComplianceReport
    report: dict[str, Any] = field(repr=False)
    path: Path

    @property
    def exit_code(self) -> int:
        """What a program should exit with: 130, 3, 4 as for a run; 3 where a check could not be judged; else 5; else 0."""
        run = self.run
        code = exit_code(run.outcomes, interrupted=run.interrupted, paused=bool(run.paused))
        if code:
            return code
        if any(item.status is ComplianceStatus.UNKNOWN for item in self.verdict.items):
            return 3
        return 5 if self.verdict.non_compliant else 0


def conclude_check(run: RunResult, folder: Path) -> Checked:
    """Judge a run of `PolicyTask`, and keep the report as `<folder>/<run-id>.json`.

    Raises:
        StateFolderError: it cannot be written.
    """
    verdict = policy_report(run.outcomes, run_id=run.run_id)
    report = report_json(verdict)
    return Checked(run=run, verdict=verdict, report=report, path=keep(report, folder))


def policy_report(
    outcomes: Iterable[Outcome], *, run_id: str, now: datetime | None = None
) -> ComplianceReport:
    """Return the verdict about a fleet. A host that was not checked to the end is listed as such, never as compliant.

    Args:
        outcomes: of `PolicyTask`, one a host.
        run_id: of the run.
        now: when the report is made, aware UTC.
    """
    captured = now or datetime.now(UTC)
    resources: list[ResourceSummary] = []
    items: list[ComplianceItem] = []
    unscanned: list[Unscanned] = []
    for outcome in outcomes:
        if "Items" in outcome.data:
            execution = ExecutionSummary(time=outcome.ended or captured, id=run_id)
            found = [_item(outcome.host, told, execution) for told in outcome.data["Items"]]
            resources.append(_resource(outcome, found, execution))
            items += found
        else:
            unscanned.append(
                Unscanned(
                    resource_id=outcome.host,
                    status=outcome.status.value,
                    details=outcome.status_details,
                    reason=outcome.reason.value if outcome.reason else "unknown",
                    message=outcome.message,
                    hint=outcome.hint,
                )
            )
    return ComplianceReport(
        compliance_type=TYPE,
        run_id=run_id,
        captured=captured,
        resources=tuple(resources),
        items=tuple(items),
        unscanned=tuple(unscanned),
    )


def _item(host: str, told: dict[str, Any], execution: ExecutionSummary) -> ComplianceItem:
    return ComplianceItem(
        compliance_type=TYPE,
        resource_id=host,
        id=told["Id"],
        title=told["Title"],
        status=ComplianceStatus(told["Status"]),
        severity=Severity(told["Severity"]),
        execution=execution,
        details=told["Details"],
    )


def _resource(outcome: Outcome, items: list[ComplianceItem], execution: ExecutionSummary) -> ResourceSummary:
    seen = Counter(item.status for item in items)
    expired = [item for item in items if "ExpiredWaiver" in item.details]
    warnings = [
        f"the waiver for {item.id} expired on {item.details['ExpiredWaiver']['Expires']}: it counts as none"
        for item in expired
    ]
    extra = {
        "WaivedCount": seen[ComplianceStatus.WAIVED],
        "UnknownCount": seen[ComplianceStatus.UNKNOWN],
        "Platform": outcome.data["Platform"],
        "Warnings": warnings,
    }
    return ResourceSummary(
        compliance_type=TYPE,
        resource_id=outcome.host,
        status=ComplianceStatus(outcome.data["Status"]),
        execution=execution,
        compliant=SeverityCounts.of(i.severity for i in items if i.status is ComplianceStatus.COMPLIANT),
        non_compliant=SeverityCounts.of(
            i.severity for i in items if i.status is ComplianceStatus.NON_COMPLIANT
        ),
        extra={name: value for name, value in extra.items() if value},
    )
