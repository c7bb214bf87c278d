"""A patch installation as data in `run.json`, and back: what `runs resume` makes its task of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetctl.engine.boot import RebootRule
from fleetctl.engine.work import Work
from fleetctl.errors import StateFolderError
from fleetctl.patch.install import InstallTask
from fleetctl.patch.plan import Plan
from fleetctl.patch.scan import ScanTask

__all__ = ["install_work", "restore_install"]


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
