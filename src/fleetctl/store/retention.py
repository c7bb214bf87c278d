"""Which runs may go, and how they go: the oldest first, and never one whose story is not over or not copied.

Removal survives being cut off: a run is renamed into `runs/.going/`, where no listing looks, and deleted from there; what a killed
program left in that folder goes with the next removal.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from fleetctl.errors import FleetError, LockedError, StateFolderError
from fleetctl.store.lock import RunLock, owner_of
from fleetctl.store.runs import RunFolder, Runs, sync_folder
from fleetctl.store.shipped import unshipped
from fleetctl.store.standing import standing

__all__ = ["Aged", "Pruning", "plan_pruning", "prune", "sweep"]

_GOING = ".going"
_RUN_ID = re.compile(rb"\d{8}T\d{6}\.\d{3}-[0-9a-f]{6}")
# `@failed:7f3a9c`: a run that hosts were taken from, by a part of its id.
_SELECTED = re.compile(rb"@[a-z]+:([0-9A-Za-z.-]{3,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A run as retention sees it.

    Attributes:
        at: when its last record was written; when it began, where there is none. Aware UTC.
        size: bytes of all its files.
        head: hash of its ledger's last record; what the audit log keeps of a run that is gone.
        spared: why it must stay although its time has come; empty: it may go.
    """

    folder: RunFolder
    at: datetime
    size: int
    head: str = ""
    spared: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What would be removed, by age and by size.

    Attributes:
        goes: oldest first.
        spared: runs whose time has come, and that stay nevertheless, with their reasons; oldest first.
        total, after: bytes of all runs, now and when those have gone.
        too_large: whether more would have to go for `max_size` than may.
    """

    goes: tuple[Aged, ...]
    spared: tuple[Aged, ...]
    total: int
    after: int
    too_large: bool = False


def plan_pruning(
    runs: Runs,
    *,
    keep: float | None,
    max_size: int | None,
    sinks: Sequence[str] = (),
    now: datetime | None = None,
) -> Pruning:
    """Find out what may go. Nothing is changed.

    Args:
        runs: all of them.
        keep: seconds; a run whose last record is older goes. None: age does not matter.
        max_size: bytes; the oldest go until all together take no more. None: size does not matter.
        sinks: URLs that runs must have been shipped to.
        now: aware; for tests.
    """
    now = now or datetime.now(UTC)
    found = sorted((_look(folder) for folder in runs), key=lambda run: (run.at, run.folder.run_id))
    total = left = sum(run.size for run in found)
    wanted = _named_by_unfinished(found)
    goes: list[Aged] = []
    spared: list[Aged] = []
    for run in found:
        old = keep is not None and (now - run.at).total_seconds() > keep
        large = max_size is not None and left > max_size
        if not old and not large:
            continue
        if why := run.spared or _why_spared(run, sinks, wanted):
            spared.append(replace(run, spared=why))
        else:
            goes.append(run)
            left -= run.size
    return Pruning(
        goes=tuple(goes),
        spared=tuple(spared),
        total=total,
        after=left,
        too_large=max_size is not None and left > max_size,
    )


def prune(runs: Runs, pruning: Pruning, *, gone: Callable[[Aged], None]) -> Iterator[Aged]:
    """Remove what a plan says, one run at a time.

    Args:
        runs: all of them.
        pruning: as `plan_pruning` returned it.
        gone: told of each run right before it goes, so that nothing goes unrecorded; if it raises, that run stays and nothing more goes.

    Yields:
        Each run when it is gone; with `spared` set, when somebody has taken it up since the plan.

    Raises:
        StateFolderError: one cannot be removed.
    """
    sweep(runs)
    for run in pruning.goes:
        if not run.folder.path.is_dir():
            continue  # somebody else removed it
        try:
            lock = RunLock.take(run.folder.path, doing="fleetctl runs prune")
        except LockedError as exc:
            yield replace(run, spared=exc.message)
            continue
        try:
            if standing(run.folder.events).head != run.head:
                yield replace(run, spared="somebody worked on it meanwhile")
                continue
            gone(run)
            moved = _rename(runs, run.folder)
        finally:
            lock.release()
        _delete(moved)
        yield run


def sweep(runs: Runs) -> None:
    """Delete what a removal that was cut off has left behind.

    Raises:
        StateFolderError: it cannot be deleted.
    """
    _delete(runs.path / _GOING)


def _look(folder: RunFolder) -> Aged:
    size = _size(folder.path)
    try:
        stands = standing(folder.events)
        begun = datetime.fromisoformat(str(folder.run()["RequestedDateTime"])).astimezone(UTC)
    except (FleetError, KeyError, ValueError):
        made = datetime.now(UTC)
        with contextlib.suppress(OSError):
            made = datetime.fromtimestamp(folder.path.stat().st_mtime, UTC)
        why = "it is damaged: look at it, or delete it with: fleetctl runs rm"
        return Aged(folder=folder, at=made, size=size, spared=why)
    why = "" if stands.ended else "it is unfinished: resume it, or delete it with: fleetctl runs rm"
    return Aged(folder=folder, at=stands.at or begun, size=size, head=stands.head, spared=why)


def _why_spared(run: Aged, sinks: Sequence[str], wanted: dict[str, str]) -> str:
    """Return a reason to keep a run that has ended."""
    try:
        owner = owner_of(run.folder.path)
    except StateFolderError as exc:
        return exc.message
    if owner is not None:
        return f"somebody works on it: {owner}"
    if lacking := unshipped(run.folder, sinks):
        return f"it is not in {', '.join(lacking)}; settle it with: fleetctl runs ship {run.folder.run_id}"
    for part, by in wanted.items():
        if part in run.folder.run_id:
            return f"{by}, which is unfinished, refers to it"
    return ""


def _named_by_unfinished(found: Sequence[Aged]) -> dict[str, str]:
    """Return the ids, and parts of ids, that unfinished runs speak of in their `run.json`, each with the run that does."""
    named: dict[str, str] = {}
    for run in found:
        if run.spared:
            with contextlib.suppress(OSError):
                data = (run.folder.path / "run.json").read_bytes()
                for name in {*_RUN_ID.findall(data), *_SELECTED.findall(data)}:
                    named.setdefault(name.decode(), run.folder.run_id)
    return named


def _size(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - for every file of thousands of runs
    return size


def _rename(runs: Runs, folder: RunFolder) -> Path:
    moved = runs.path / _GOING / folder.run_id
    try:
        moved.parent.mkdir(mode=0o700, exist_ok=True)
        folder.path.rename(moved)
        sync_folder(runs.path)
    except OSError as exc:
        raise StateFolderError(f"{folder.path} cannot be removed: {exc.strerror}") from exc
    return moved


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StateFolderError(
            f"{folder} cannot be deleted: {exc.strerror}", hint="delete it by hand"
        ) from exc
