"""Run Command's simplest task: one command on every host, and a reboot after it where that is wanted."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Exit, Host, Outcome, Status

if TYPE_CHECKING:
    from fleetctl.engine.reboot import RebootRule

__all__ = ["ASKS_FOR_REBOOT", "REBOOT_FAILED", "BecomeRule", "CommandTask", "shell_line"]

# SSM agent, contracts: the exit code with which a script asks for a reboot.
ASKS_FOR_REBOOT: Final = 194
# StatusDetails of what ran well, and was to be followed by a reboot that did not go well.
REBOOT_FAILED: Final = "Reboot Failed"


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

    def root_of(self, host: Host) -> Become | None:
        """Return how to become root on that host for a reboot, or None where commands become nobody."""
        become = self.of(host)
        return replace(become, user="root") if become else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTask:
    """Runs one command; the same on every host, or rendered for each. It may reboot the host after it.

    Attributes:
        command: what to run; with an empty script nothing is run, and `reboot` is all.
        render: makes the script for a host out of its template; None where the script is the same everywhere.
        become: the order's word on becoming another user.
        reboot: reboot the host once the command has succeeded (exit code 0, or 194 as in SSM documents); None does not.
        seconds: for the command alone, where the run's limit holds for the reboot too; None leaves it to that.
    """

    command: Command
    render: Callable[[Host], str] | None = None
    become: BecomeRule = BecomeRule()
    reboot: RebootRule | None = None
    seconds: float | None = None

    def on(self, host: Host) -> Command:
        """Return what would be sent to a host."""
        script = self.render(host) if self.render else self.command.script
        return replace(self.command, script=script, become=self.become.of(host))

    async def __call__(self, session: Session) -> Outcome:
        """Run it."""
        command = self.on(session.host)
        end = Exit(code=0)
        if command.script:
            end = await session.exec(command, timeout=self.seconds)
        return await self._after(session, end)

    async def resume(self, session: Session) -> Outcome | None:
        """Go on where a controller was lost while the host rebooted; None where nobody saw the command's end."""
        from fleetctl.engine.reboots import announced  # noqa: PLC0415

        if session.detached:
            return None  # the job tells how the command ended, and what the ledger knows of the reboot is found then
        if (done := announced(session.notes)) is not None:
            code = done.get("code")
            return await self._after(session, Exit(code=code if isinstance(code, int) else -1))
        return await self(session) if not self.on(session.host).script else None

    async def _after(self, session: Session, end: Exit) -> Outcome:
        """Reboot where the order says so, and tell the outcome of both."""
        outcome = session.outcome(end)
        if self.reboot is None or end.code not in (0, ASKS_FOR_REBOOT):
            return outcome
        from fleetctl.engine.boot import RebootFailed  # noqa: PLC0415 - only where something reboots
        from fleetctl.engine.reboots import Reboots  # noqa: PLC0415

        reboots = Reboots(session, self.reboot, become=self.become.root_of(session.host))
        try:
            result = await reboots.reboot(done={"code": end.code})
        except RebootFailed as exc:
            return replace(
                outcome,
                status=Status.FAILED,
                details=REBOOT_FAILED,
                reason=exc.reason,
                message=exc.message,
                hint=exc.hint,
                ended=datetime.now(UTC),
                data={"Reboot": exc.facts},
            )
        return Outcome(
            host=outcome.host,
            status=Status.SUCCESS,
            response_code=outcome.response_code,
            started=outcome.started,
            ended=datetime.now(UTC),
            data={"Reboot": result.to_json()},
        )
