"""The end of a scan: from the outcomes of its run to a verdict that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleetctl.compliance.model import ComplianceReport
from fleetctl.compliance.report import keep, report_json
from fleetctl.engine.order import RunResult
from fleetctl.engine.report import exit_code
from fleetctl.patch.report import scan_exit_code, scan_report

__all__ = ["Scanned", "conclude"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a scan found.

    Attributes:
        run: the run that looked.
        looked: runs that looked at other hosts of the same order, of which nothing was asked.
        verdict: about the fleet.
        report: the verdict, JSON-ready, as it is kept.
        path: where it is kept.
    """

    run: RunResult
    looked: tuple[RunResult, ...] = ()
    verdict: ComplianceReport
    report: dict[str, Any] = field(repr=False)
    path: Path

    @property
    def exit_code(self) -> int:
        """What a program that scanned should exit with: 130, 3 or 4 as for a run; else 5 where a host is not compliant; else 0."""
        runs = (self.run, *self.looked)
        code = exit_code(
            [outcome for run in runs for outcome in run.outcomes],
            interrupted=any(run.interrupted for run in runs),
            paused=any(run.paused for run in runs),
        )
        return scan_exit_code(self.verdict, code)


def conclude(run: RunResult, folder: Path, *, looked: Sequence[RunResult] = ()) -> Scanned:
    """Judge a run of `ScanTask` or `InstallTask`, and keep the compliance report as `<folder>/<run-id>.json`.

    Args:
        run: whose report it is.
        folder: where it is kept.
        looked: runs that looked at further hosts: they are in the report too, each with the run that looked at it.

    Raises:
        StateFolderError: it cannot be written.
    """
    verdict = scan_report(run.outcomes, run_id=run.run_id)
    for other in looked:
        more = scan_report(other.outcomes, run_id=other.run_id)
        verdict = replace(
            verdict,
            resources=verdict.resources + more.resources,
            items=verdict.items + more.items,
            unscanned=verdict.unscanned + more.unscanned,
        )
    report = report_json(verdict)
    return Scanned(run=run, looked=tuple(looked), verdict=verdict, report=report, path=keep(report, folder))
