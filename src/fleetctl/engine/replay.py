"""What the ledger tells of a run, whoever wrote it and however that ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleetctl.engine.record import outcome_from
from fleetctl.model import Outcome, Status
from fleetctl.store.chain import records
from fleetctl.store.runs import RunFolder
from fleetctl.store.standing import RUN_RECORDS

__all__ = ["Share", "Story", "replay"]


@dataclass(slots=True, kw_only=True)
class Share:
    """One host's share of a run, as far as the ledger knows.

    Attributes:
        outcome: how it ended; None if it did not.
        starts: how often its work was announced.
        notes: records of it since it was last announced, that one first.
    """

    outcome: Outcome | None = None
    starts: int = 0
    notes: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def never_started(self) -> bool:
        """Whether nothing was ever begun on the host, and it was not found to be out of reach either."""
        if self.outcome is None:
            return not self.starts
        not_begun = self.outcome.started is None
        return not_begun and self.outcome.status in {Status.CANCELLED, Status.TERMINATED, Status.PENDING}

    @property
    def begun(self) -> datetime | None:
        """When its work was last announced."""
        try:
            return datetime.fromisoformat(str(self.notes[0].get("at"))) if self.notes else None
        except ValueError:
            return None

    @property
    def unsure(self) -> bool:
        """Whether it was begun, and its end was not seen up to now."""
        return self.in_flight or (self.outcome is not None and self.outcome.status is Status.UNKNOWN)

    @property
    def in_flight(self) -> bool:
        """Whether it was begun, and nobody saw its end."""
        return self.outcome is None and self.starts > 0


@dataclass(slots=True, kw_only=True)
class Story:
    """A run, as far as its ledger knows.

    Attributes:
        shares: by the host's name, in the order of the run.
        stands: the type of the last record about the run as a whole; empty in an empty ledger.
        status: what `run-ended` says.
        paused: what `run-paused` says, if that is how the run stands.
        passed: waves that are done, gates and all.
        waves: records of waves and gates, oldest first.
    """

    shares: dict[str, Share]
    stands: str = ""
    status: str = ""
    paused: Mapping[str, Any] | None = None
    passed: int = 0
    waves: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do and the controller said so."""
        return self.stands == "run-ended"


def replay(folder: RunFolder, *, data: bool = False) -> Story:
    """Read a run's ledger.

    Args:
        folder: the run.
        data: whether outcomes carry what their task made of the output.

    Raises:
        NotFoundError, StateFolderError: the run cannot be read.
    """
    story = Story(shares={host["InstanceId"]: Share() for host in folder.run().get("Hosts", [])})
    for record in records(folder.events):
        _take(story, record, folder if data else None)
    return story


def _take(story: Story, record: Mapping[str, Any], folder: RunFolder | None) -> None:
    kind, host = record["type"], record.get("host")
    if kind in RUN_RECORDS:
        story.stands = kind
        story.status = str(record.get("status", "")) if kind == "run-ended" else ""
        story.paused = record if kind == "run-paused" else None
    elif kind.startswith("wave") or kind == "gate":
        story.waves.append(record)
        if kind == "wave-passed" and isinstance(record.get("wave"), int):
            story.passed = record["wave"]
    elif isinstance(host, str) and (share := story.shares.get(host)) is not None:
        _take_share(share, record, folder)


def _take_share(share: Share, record: Mapping[str, Any], folder: RunFolder | None) -> None:
    if record["type"] == "invocation-ended":
        share.outcome = outcome_from(record, folder)
        return
    if record["type"] == "invocation-started":
        share.starts += 1
        share.outcome = None
        share.notes.clear()
    elif record["type"] == "invocation-taken-up":
        share.outcome = None
        return
    share.notes.append(record)
