"""The end of a scan: from the outcomes of its run to a verdict that is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
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
        verdict: about the fleet.
        report: the verdict, JSON-ready, as it is kept.
        path: where it is kept.
    """

    run: RunResult
    verdict: ComplianceReport
    report: dict[str, Any] = field(repr=False)
    path: Path

    @property
    def exit_code(self) -> int:
        """What a program that scanned should exit with: 130, 3 or 4 as for a run; else 5 where a host is not compliant; else 0."""
        run = self.run
        return scan_exit_code(
            self.verdict, exit_code(run.outcomes, interrupted=run.interrupted, paused=bool(run.paused))
        )


def conclude(run: RunResult, folder: Path) -> Scanned:
    """Judge a run of `ScanTask`, and keep the compliance report as `<folder>/<run-id>.json`.

    Raises:
        StateFolderError: it cannot be written.
    """
    verdict = scan_report(run.outcomes, run_id=run.run_id)
    report = report_json(verdict)
    return Scanned(run=run, verdict=verdict, report=report, path=keep(report, folder))
