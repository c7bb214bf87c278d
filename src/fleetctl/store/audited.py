"""The audit log, run by run: what it says of each one's begin, end and removal."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from fleetctl.store.lock import owner_of
from fleetctl.store.runs import RunFolder

__all__ = ["Anchor", "AuditedRun", "audited_runs", "look_around"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A record of a run's ledger that the audit log vouches for."""

    sequence: int
    head: str


@dataclass(slots=True, kw_only=True)
class AuditedRun:
    """A run, as the audit log knows it.

    Attributes:
        began: the `run-started` record; empty where there is none.
        told: the last record of how it stands: `run-started`, `run-continued`, `run-ended`.
        removed: the `run-removed` or `run-pruned` record, if it was removed.
        anchors: what its ledger held when a controller let go of it.
        users: all who had a hand in it, in order.
        alive: whether a controller works on it, as far as `look_around` has found out; the log does not know that.
        parameters: of the order, from its `run.json`, where that is the one that the log vouches for.
    """

    run_id: str
    began: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    removed: Mapping[str, Any] | None = None
    anchors: list[Anchor] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    alive: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """How it ended; where the log does not know of an end, `InProgress`, or `Interrupted` if nobody works on it."""
        return str(self.told.get("status") or ("InProgress" if self.alive else "Interrupted"))

    @property
    def open(self) -> bool:
        """Whether the log does not know how it ended."""
        return self.told.get("type") != "run-ended"

    @property
    def run_json(self) -> str:
        """SHA-256 of its `run.json`; empty if not known."""
        return str(self.began.get("run_json", ""))

    @property
    def at(self) -> datetime | None:
        """When it began, as far as the log knows."""
        try:
            return datetime.fromisoformat((self.began or self.told)["at"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return it with the field names of reports."""
        began, told = self.began, self.told
        ended = told.get("at") if told.get("type") == "run-ended" else None
        row = {
            "CommandId": self.run_id,
            "RequestedDateTime": began.get("at"),
            "RequestedBy": began.get("user"),
            "RequestedFrom": began.get("host"),
            "AlsoBy": [user for user in self.users if user != began.get("user")],
            "DocumentName": began.get("name"),
            "Parameters": began.get("parameters") or self.parameters,
            "Selector": began.get("selector"),
            "TargetCount": began.get("targets"),
            "Comment": began.get("comment"),
            "Status": self.status,
            "Counts": told.get("counts"),
            "EndedDateTime": ended,
            "RemovedDateTime": self.removed.get("at") if self.removed else None,
            "RemovedBy": self.removed.get("user") if self.removed else None,
        }
        return {key: value for key, value in row.items() if value not in (None, "", [], {})}


def audited_runs(records: Iterable[Mapping[str, Any]]) -> dict[str, AuditedRun]:
    """Fold the records of the audit log into one item for each run, in the order in which they are first met."""
    runs: dict[str, AuditedRun] = {}
    for record in records:
        name = record.get("run")
        if isinstance(name, str):
            _take(runs.setdefault(name, AuditedRun(run_id=name)), record)
    return runs


def look_around(run: AuditedRun, folder: RunFolder) -> None:
    """Add to what the log says of a run what only its folder knows: its parameters, and whether somebody works on it.

    Args:
        run: changed in place.
        folder: the run's; it may be gone.
    """
    if run.open:
        run.alive = owner_of(folder.path) is not None
    with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
        data = (folder.path / "run.json").read_bytes()
        if sha256(data).hexdigest() == run.run_json:
            parameters = json.loads(data).get("Parameters")
            run.parameters = parameters if isinstance(parameters, dict) else {}


def _take(run: AuditedRun, record: Mapping[str, Any]) -> None:
    kind, user = record.get("type"), record.get("user")
    if isinstance(user, str) and user not in run.users:
        run.users.append(user)
    head, sequence = record.get("head"), record.get("sequence")
    if isinstance(head, str) and isinstance(sequence, int):
        run.anchors.append(Anchor(sequence=sequence, head=head))
    if kind == "run-started" and not run.began:
        run.began = record
    if kind in {"run-started", "run-continued", "run-ended"}:
        run.told = record
    elif kind in {"run-removed", "run-pruned"}:
        run.removed = record
