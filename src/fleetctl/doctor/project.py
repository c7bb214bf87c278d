"""Look at the project: its settings, its state folder, its inventory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fleetctl.doctor.model import Finding, State, from_error
from fleetctl.errors import FleetError, NotFoundError
from fleetctl.store.project import PROJECT_FILE, Project

if TYPE_CHECKING:
    from fleetctl.hosts import Inventory

__all__ = ["examine_inventory", "examine_project"]

# Below that a large run's output may not fit; below a tenth of it not even a ledger.
_ENOUGH_SPACE = 1 << 30


def examine_project(project: Project) -> Iterator[Finding]:
    """Look at the project folder and the state folder; the latter is made if it does not exist yet."""
    if project.root is None:
        yield Finding(
            check="project",
            state=State.INFO,
            message=f"no {PROJECT_FILE} here or above: defaults apply",
            remedy="make a project with: fleetctl init",
        )
    else:
        yield Finding(
            check="project", state=State.OK, subject=str(project.root), message="settings are valid"
        )
    yield from _state_folder(project)


def _state_folder(project: Project) -> Iterator[Finding]:
    subject = str(project.state)
    try:
        folder = project.state_folder("runs")
        probe = folder / f".doctor.{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except FleetError as exc:
        yield from from_error("state-folder", exc)
        return
    except OSError as exc:
        yield Finding(
            check="state-folder",
            state=State.FAIL,
            subject=subject,
            message=f"cannot be written: {exc.strerror}",
            remedy="free some space, or name another folder with --state FOLDER or FLEETCTL_STATE",
        )
        return
    free = shutil.disk_usage(folder).free
    scarce = free < _ENOUGH_SPACE
    yield Finding(
        check="state-folder",
        state=State.FAIL if free < _ENOUGH_SPACE // 10 else State.WARN if scarce else State.OK,
        subject=subject,
        message=f"can be written, {_size(free)} free",
        remedy="remove old runs with: fleetctl runs rm RUN" if scarce else "",
    )
    if (mode := project.state.stat().st_mode) & 0o077 and project.state.stat().st_uid == os.getuid():
        yield Finding(
            check="state-folder",
            state=State.WARN,
            subject=subject,
            message=f"other users can look into it (mode {mode & 0o777:04o}): it holds what hosts printed",
            remedy=f"chmod 700 {project.state}",
        )


def examine_inventory(load: Callable[[], Inventory]) -> tuple[Inventory | None, list[Finding]]:
    """Load the hosts.

    Args:
        load: loads them, and raises what is wrong with them.
    """
    try:
        inventory = load()
    except NotFoundError as exc:
        missing = Finding(check="inventory", state=State.WARN, message=str(exc), remedy=exc.hint or "")
        return None, [missing]
    except FleetError as exc:
        return None, from_error("inventory", exc)
    count = len(inventory.hosts)
    return inventory, [
        Finding(
            check="inventory",
            state=State.OK if count else State.WARN,
            message=f"{count} host{'s' if count != 1 else ''}",
            remedy="" if count else "write some hosts into inventories/*.yaml",
        )
    ]


def _size(number: int) -> str:
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
