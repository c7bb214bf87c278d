"""The reboots of one invocation: those that a lost controller announced or saw through are known from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleetctl.engine.boot import Rebooted, RebootRule
from fleetctl.engine.reboot import reboot, resume_reboot
from fleetctl.engine.task import Session
from fleetctl.model import EMPTY, Become

__all__ = ["Reboots", "announced"]


class Reboots:
    """The reboots of one invocation in their order: those that a lost controller saw through are not done again.

    Args:
        session: of the host; its `notes` tell what was done.
        rule: for all of them.
        become: how to become root there.

    Attributes:
        done: so far, those of a lost controller included once they are come to.
    """

    def __init__(self, session: Session, rule: RebootRule, *, become: Become | None) -> None:
        self._session = session
        self._rule = rule
        self._become = become
        self._notes = _pairs(session.notes)
        self.done: list[Rebooted] = []

    def unfinished(self) -> Mapping[str, Any] | None:
        """Take in the reboots that a lost controller saw through, and return what the task kept with the one that it did not.

        Returns:
            None where the last one was seen through, or none was announced: what was at work then is not known.
        """
        if not self._notes or self._notes[-1][1] is not None:
            return None
        self.done = [Rebooted.from_json(ended.get("reboot") or {}) for _, ended in self._notes if ended]
        return announced([self._notes[-1][0]])

    async def reboot(self, *, done: Mapping[str, Any] = EMPTY) -> Rebooted:
        """Do the next reboot, or what is left of it.

        Raises:
            RebootFailed, ExecFailed, StateFolderError: as `reboot`.
        """
        number = len(self.done)
        begun, ended = self._notes[number] if number < len(self._notes) else (None, None)
        if ended is not None:
            result = Rebooted.from_json(ended.get("reboot") or {})
        else:
            if begun is not None:
                result = await resume_reboot(self._session, self._rule, begun, become=self._become)
            else:
                result = await reboot(self._session, self._rule, become=self._become, done=done)
            await self._session.note("rebooted", boot=result.after, reboot=result.to_json())
        self.done.append(result)
        return result


def announced(notes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return what the task kept with the last reboot that was announced (`done`), or None if none was."""
    for note in reversed(notes):
        if note.get("type") == "rebooting":
            done = note.get("done")
            return done if isinstance(done, dict) else EMPTY
    return None


def _pairs(
    notes: Sequence[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Pair the records of reboots: how each was announced, and how it ended if that was seen."""
    pairs: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = []
    for note in notes:
        if note.get("type") == "rebooting":
            pairs.append((note, None))
        elif note.get("type") == "rebooted" and pairs:
            pairs[-1] = (pairs[-1][0], note)
    return pairs
