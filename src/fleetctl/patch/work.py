"""Scans and installations as data in `run.json`, and back: what `runs resume` and `runs retry` make their tasks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetctl.engine.boot import RebootRule
from fleetctl.engine.work import Work
from fleetctl.errors import StateFolderError
from fleetctl.patch.install import InstallTask
from fleetctl.patch.plan import Plan
from fleetctl.patch.scan import ScanTask

__all__ = ["install_work", "restore_install", "restore_scan", "scan_work"]


def scan_work(task: ScanTask) -> Work | None:
    """Return a scan as data, the baselines that it judges by with it."""
    return Work.of("patch-scan", task.record(), repeatable=not task.refresh)


def restore_scan(spec: Mapping[str, Any]) -> ScanTask:
    """Make the task again.

    Raises:
        StateFolderError: what was kept is damaged.
    """
    try:
        return ScanTask.from_record(spec)
    except (KeyError, TypeError, ValueError) as exc:
        raise StateFolderError(
            f"what run.json says of the scan is damaged: {type(exc).__name__}: {exc}"
        ) from exc


def install_work(task: InstallTask) -> Work | None:
    """Return an installation as data, its whole plan with it."""
    spec = {
        "Plan": task.plan.to_json(),
        "Become": task.scan.become,
        "Scan": task.scan.record(),
        "Reboot": task.reboot,
        "Rule": task.rule.record(),
        "Pre": task.pre,
        "Post": task.post,
        "LockSeconds": task.lock_seconds,
    }
    return Work.of("patch-install", spec)


def restore_install(spec: Mapping[str, Any]) -> InstallTask:
    """Make the task again.

    Raises:
        StateFolderError: what was kept is damaged.
    """
    try:
        return InstallTask(
            plan=Plan.from_json(spec["Plan"]),
            scan=ScanTask.from_record(spec.get("Scan", spec)),
            reboot=spec["Reboot"],
            rule=RebootRule.from_record(spec["Rule"]),
            pre=spec["Pre"],
            post=spec["Post"],
            lock_seconds=int(spec["LockSeconds"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise StateFolderError(
            f"what run.json says of the installation is damaged: {type(exc).__name__}: {exc}"
        ) from exc
