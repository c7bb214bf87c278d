"""Patch Manager: what hosts lack by their baselines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fleetctl.fleet.run import RunCalls
from fleetctl.model import Host

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.patch.conclude import Scanned
    from fleetctl.patch.scan import ScanTask

__all__ = ["PatchCalls"]


class PatchCalls(RunCalls):
    """Patch Manager."""

    def scan_task(self, *, baseline: Sequence[str] = (), **options: Any) -> ScanTask:
        """Return what scans hosts by the project's patch baselines, counting from and keeping first-seen dates.

        Args:
            baseline: names or files that stand in for what groups and systems get, at most one for each system.
            **options: as `fleetctl.patch.scan.ScanTask` takes them.

        Raises:
            ProblemsError: baselines are wrong.
            NotFoundError: there is no baseline of that name.
            StateFolderError: the state folder cannot be written.
        """
        from fleetctl.patch.choose import baseline_choice  # noqa: PLC0415
        from fleetctl.patch.first_seen import SeenBook  # noqa: PLC0415
        from fleetctl.patch.scan import ScanTask  # noqa: PLC0415
        from fleetctl.store.first_seen import FirstSeenDates  # noqa: PLC0415

        options.setdefault("choose", baseline_choice(self.project, baseline))
        options.setdefault("seen", SeenBook(FirstSeenDates(self.project.state_folder())))
        return ScanTask(**options)

    def patch_scan(
        self, hosts: str | Sequence[Host], *, baseline: Sequence[str] = (), **options: Any
    ) -> Scanned:
        """Look at the packages of hosts, judge them by their patch baselines, and keep the compliance report.

        Args:
            hosts: a selector, or hosts.
            baseline: as `scan_task` takes them.
            **options: as `fan_out` takes them.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that cannot be judged are in the report as such.
        """
        from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

        options.setdefault("parameters", {"Operation": "Scan"})
        self.reports_folder("compliance")
        task = self.scan_task(baseline=baseline)
        return self.conclude_scan(asyncio.run(self.fan_out(task, hosts, name=DOCUMENT, **options)))

    def conclude_scan(self, run: RunResult) -> Scanned:
        """Judge a run of `ScanTask`, and keep the compliance report.

        Raises:
            StateFolderError: it cannot be kept.
        """
        from fleetctl.patch.conclude import conclude  # noqa: PLC0415

        return conclude(run, self.reports_folder("compliance"))
