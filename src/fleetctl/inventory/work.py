"""A look at inventory as data in `run.json`, and back: what `runs resume` and `runs retry` make their task of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetctl.engine.work import Work
from fleetctl.errors import StateFolderError
from fleetctl.inventory.ask import FilePattern, Wanted
from fleetctl.inventory.collect import CollectTask
from fleetctl.store.items import Items

__all__ = ["collect_work", "restore_collect"]


def collect_work(task: CollectTask) -> Work | None:
    """Return the task as data."""
    wanted = task.wanted
    spec = {
        "Store": str(task.store.path.parent.absolute()),
        "Become": task.become,
        "Types": list(wanted.types),
        "Files": [[pattern.folder, pattern.name] for pattern in wanted.files],
        "Recursive": wanted.recursive,
        "Custom": [[name, script] for name, script in wanted.custom.items()],
        "CustomFiles": wanted.custom_files,
    }
    return Work.of("inventory-collect", spec, repeatable=True)


def restore_collect(spec: Mapping[str, Any]) -> CollectTask:
    """Make the task again.

    Raises:
        StateFolderError: what was kept is damaged, or the store cannot be used.
    """
    try:
        wanted = Wanted(
            types=tuple(spec["Types"]),
            files=tuple(FilePattern(folder=folder, name=name) for folder, name in spec["Files"]),
            recursive=spec["Recursive"],
            custom=dict(spec["Custom"]),
            custom_files=spec["CustomFiles"],
        )
        return CollectTask(store=Items(Path(spec["Store"])), wanted=wanted, become=spec["Become"])
    except (KeyError, TypeError, ValueError) as exc:
        raise StateFolderError(
            f"what run.json says of the inventory is damaged: {type(exc).__name__}: {exc}"
        ) from exc
