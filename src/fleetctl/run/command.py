"""Run Command's simplest task: one command on every host."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome

__all__ = ["BecomeRule", "CommandTask", "shell_line"]


def shell_line(words: Sequence[str]) -> str:
    """Turn the words behind `--` into shell text.

    One word is a line for the shell, as it stands (`'df -h | tail -1'`); several words are one program and its arguments,
    each quoted, so that `-- sh -c 'exit 3'` means what it says.
    """
    return words[0] if len(words) == 1 else shlex.join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class BecomeRule:
    """What the order says about becoming another user; where it is silent, the host's own `become` holds.

    Attributes:
        wanted: True (`--become`), False (`--no-become`), or None: as the inventory says.
        user: `--become-user`; None: as the inventory says, else root.
    """

    wanted: bool | None = None
    user: str | None = None

    def of(self, host: Host) -> Become | None:
        """Return how commands become another user on that host, or None."""
        if self.wanted is False or (self.wanted is None and host.become is None and self.user is None):
            return None
        become = host.become or Become()
        return replace(become, user=self.user) if self.user else become


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTask:
    """Runs one command; the same on every host, or rendered for each.

    Attributes:
        command: what to run.
        render: makes the script for a host out of its template; None where the script is the same everywhere.
        become: the order's word on becoming another user.
    """

    command: Command
    render: Callable[[Host], str] | None = None
    become: BecomeRule = BecomeRule()

    def on(self, host: Host) -> Command:
        """Return what would be sent to a host."""
        script = self.render(host) if self.render else self.command.script
        return replace(self.command, script=script, become=self.become.of(host))

    async def __call__(self, session: Session) -> Outcome:
        """Run it."""
        return session.outcome(await session.exec(self.on(session.host)))
