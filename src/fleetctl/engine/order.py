"""An order to many hosts, and what became of it: the two ends of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fleetctl.engine.budget import Limits
from fleetctl.engine.task import Task
from fleetctl.engine.work import Work
from fleetctl.model import EMPTY, Host, Outcome
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
from fleetctl.transport.protocol import TransportOptions

if TYPE_CHECKING:
    from fleetctl.engine.rollout import Rollout

__all__ = ["Audit", "Order", "RunResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do, on which hosts, within which limits.

    Attributes:
        name: SSM's DocumentName (`AWS-RunShellScript`), or the verb.
        hosts: resolved, in order, without duplicates.
        selector: as it was written.
        parameters: what is worth recording of the order (the command line, a document's parameters); secrets are taken out.
        comment: free text of the operator, up to 100 characters (SSM: Comment).
        secrets: values that must not appear in anything that is kept or shown.
        work: how to make the task again on another day; None for a task that is known only to this process.
        reach: how hosts were named and reached, so that the same can be said again on another day; JSON-ready.
        detached: whether commands run as jobs on the hosts that outlive connection and controller.
        wait: whether detached jobs are followed to their end.
        rollout: waves and gates; None does all hosts in one go.
        retry_of: the run whose hosts these are.
        sinks: where the run's folder is copied to, while it goes on.
    """

    name: str
    hosts: tuple[Host, ...]
    task: Task
    limits: Limits = field(default_factory=Limits)
    transport: TransportOptions = field(default_factory=TransportOptions)
    selector: str = ""
    parameters: Mapping[str, Any] = EMPTY
    comment: str = ""
    secrets: frozenset[str] = frozenset()
    work: Work | None = None
    reach: Mapping[str, Any] = EMPTY
    detached: bool = False
    wait: bool = True
    rollout: Rollout | None = None
    retry_of: str = ""
    sinks: tuple[SinkSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of a run.

    Attributes:
        status: the run's, in SSM's words.
        interrupted: whether the operator stopped it, even if nothing was left to stop.
        paused: why it waits between two waves; empty if it does not.
        report: what `report.json` holds.
    """

    run_id: str
    status: str
    outcomes: tuple[Outcome, ...]
    folder: RunFolder
    report: dict[str, Any] = field(repr=False)
    interrupted: bool = False
    paused: str = ""


class Audit(Protocol):
    """Takes note of every run: the audit log."""

    def add(self, type_: str, **fields: Any) -> None:
        """Add a record, on disk when this returns; called in a thread."""
