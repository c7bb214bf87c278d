"""`AWS-GatherSoftwareInventory`: one look at one host, which changes nothing there, kept as soon as it is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from fleetctl.engine.task import Session
from fleetctl.errors import StateFolderError
from fleetctl.inventory.ask import Wanted
from fleetctl.inventory.reading import read_answer
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.store.items import Items

__all__ = ["DOCUMENT", "CollectTask"]

DOCUMENT = "AWS-GatherSoftwareInventory"


@dataclass(frozen=True, kw_only=True)
class CollectTask:
    """Collects inventory: one task for all hosts of a run.

    A type that a host cannot tell is left out, with a warning; what was known of it stays. An answer that does not come whole is
    not kept at all: the host has failed.

    Attributes:
        store: where it is kept.
        wanted: what is asked for.
        become: True, False, or None: as the inventory says. An unprivileged user sees all but some files.
    """

    store: Items
    wanted: Wanted = field(default_factory=Wanted)
    become: bool | None = None

    @cached_property
    def script(self) -> str:
        """What is sent to each host."""
        return self.wanted.script()

    def on(self, host: Host) -> Command:
        """Return what would be sent to a host."""
        become = None if self.become is False else host.become
        return Command(script=self.script, become=become or (Become() if self.become else None))

    async def __call__(self, session: Session) -> Outcome:
        """Ask one host, and keep what it tells."""
        end = await session.exec(self.on(session.host))
        outcome = session.outcome(end)
        if outcome.status is not Status.SUCCESS:
            return outcome
        # Some 30 ms of CPU and a commit: other hosts' connections go on meanwhile.
        return await asyncio.to_thread(
            self.keep, outcome, stdout=session.stdout(), stderr=session.stderr(), run=session.run_id
        )

    def keep(self, outcome: Outcome, *, stdout: bytes, stderr: bytes, run: str) -> Outcome:
        """Read and keep what a host has printed; also what it printed long ago, from a run's folder.

        Args:
            outcome: of the command; it is completed with what was kept.
            stdout: as stored.
            stderr: as stored.
            run: that asked.
        """
        told = read_answer(stdout, stderr, self.wanted, host=outcome.host)
        if not told.complete:
            return _failed(
                outcome, Reason.REMOTE, told.warnings[0], "run it again, or look: fleetctl runs output RUN"
            )
        try:
            before = {capture.type: capture.hash for capture in self.store.latest(host=outcome.host)}
            kept = self.store.keep(
                outcome.host, told.contents, captured=outcome.ended or datetime.now(UTC), run=run
            )
        except StateFolderError as exc:
            return _failed(outcome, Reason.OUTPUT, f"what it told could not be kept: {exc}", exc.hint or "")
        types = {
            name: {
                "Count": capture.count,
                "ContentHash": capture.hash,
                "Changed": before.get(name) != capture.hash,
            }
            for name, capture in kept.items()
        }
        return replace(outcome, data={"Types": types, "Warnings": list(told.warnings)})


def _failed(outcome: Outcome, reason: Reason, message: str, hint: str) -> Outcome:
    return replace(outcome, status=Status.FAILED, reason=reason, message=message, hint=hint)
