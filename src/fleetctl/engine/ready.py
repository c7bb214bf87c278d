"""Wait until a host that is back from a reboot is ready, and see whether it stays up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fleetctl.engine.boot import Boot, RebootFailed, RebootRule, look
from fleetctl.engine.task import Session, StepTimedOut
from fleetctl.model import Become, Command, Reason
from fleetctl.transport.protocol import ExecFailed, Unreachable

__all__ = ["LOOK_SECONDS", "Readiness", "named"]

# For a host to answer one look. A host that boots is slow.
LOOK_SECONDS = 20.0
# After so many boots that nobody asked for it is not watched any longer.
_MOST_AGAIN = 3
# Names in a message.
_MOST_NAMES = 5


def named(names: tuple[str, ...]) -> str:
    """Name some, and count the rest."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


class _LostError(Exception):
    """The host does not answer any more, or is another boot already: it is awaited from the beginning."""


class Readiness:
    """Waits for one host.

    Args:
        session: connected to the new boot.
        rule: how long, and what counts as ready.
        before: the boot that was left.
        boot: the new one.
        become: of the order.
    """

    def __init__(
        self, session: Session, rule: RebootRule, *, before: Boot, boot: Boot, become: Become | None
    ) -> None:
        self._session = session
        self._rule = rule
        self._before = before
        self._boot = boot
        self._become = become
        self._again = 0
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + rule.ready_timeout

    async def wait(self) -> Boot:
        """Return the boot that is ready.

        Raises:
            RebootFailed: it is degraded, not ready in time, or went down again by itself.
            ExecFailed: it cannot be asked: not by its state, but by how it is set up.
        """
        while True:
            try:
                await self._started()
                if not self._newly_failed:
                    await self._command_is_green()
                await asyncio.sleep(self._rule.settle)
                self._seen(await self._look())
                await self._not_going_down()
            except _LostError as exc:
                await self._find_again(str(exc))
                continue
            return self._verdict()

    @property
    def _left(self) -> float:
        return self._ends - self._loop.time()

    @property
    def _newly_failed(self) -> tuple[str, ...]:
        return tuple(unit for unit in self._boot.failed if unit not in self._before.failed)

    def _seen(self, boot: Boot) -> None:
        """Take in how the host stands; another boot than the last one begins everything again."""
        other = boot.is_other_than(self._boot)
        self._boot = boot
        if other:
            self._again += 1
            if self._again >= _MOST_AGAIN:
                raise self._went_down("it is watched no longer")
            raise _LostError("it was booted again")

    async def _not_going_down(self) -> None:
        if self._boot.is_going_down:
            await asyncio.sleep(self._rule.pause)
            raise _LostError("it is shutting down")

    async def _look(self, *, wait: bool = False) -> Boot:
        seconds = max(self._left, 1.0) if wait else LOOK_SECONDS
        try:
            return await look(self._session, become=self._become, timeout=seconds, wait=wait)
        except ExecFailed as exc:
            raise _or_lost(exc) from exc
        except StepTimedOut as exc:
            if wait:
                raise
            raise _LostError(f"no answer within {seconds:g} s") from exc

    async def _started(self) -> None:
        """Wait until systemd has finished starting, where it can be asked; the host itself does the waiting."""
        if not self._before.can_be_awaited:
            return
        while True:
            try:
                boot = await self._look(wait=True)
            except StepTimedOut:
                boot = await self._look()
            self._seen(boot)
            unclear = boot.is_starting or not boot.can_be_awaited
            if not unclear or self._left <= 0:
                break
            await asyncio.sleep(self._rule.pause)
        if unclear:
            jobs = f"; it waits for {named(boot.jobs)}" if boot.jobs else ""
            raise self._not_well(
                f"came back, and had not finished starting {self._rule.ready_timeout:g} s later{jobs}",
                hint="look there: systemctl list-jobs; give it more time with --ready-timeout SECONDS",
            )
        await self._not_going_down()

    async def _command_is_green(self) -> None:
        wanted = self._rule.ready
        if wanted is None:
            return
        environment = {**self._session.env, **wanted.env}
        command = replace(wanted, become=wanted.become or self._become, env=environment)
        why = ""
        while not why or self._left > 0:  # once at least
            why = await self._try(command)
            if not why:
                return
            await asyncio.sleep(min(self._rule.pause, max(self._left, 0)))
        raise self._not_well(
            f"came back, and was not ready within {self._rule.ready_timeout:g} s: the ready command {why}",
            hint="look there at what --ready checks; give it more time with --ready-timeout SECONDS",
        )

    async def _try(self, command: Command) -> str:
        """Run the ready command once, and return why it was not green; nothing if it was."""
        try:
            answer = await self._session.ask(command, timeout=max(self._left, 1.0))
        except StepTimedOut:
            return "was still running then"
        except ExecFailed as exc:
            raise _or_lost(exc) from exc
        end = answer.end
        if end.ok:
            return ""
        how = f"ended by signal {end.signal}" if end.code is None else f"ended with exit code {end.code}"
        last = answer.said or next(reversed(answer.text.splitlines()), "")
        return how + (f" ({last.strip()[:200]})" if last else "")

    async def _find_again(self, why: str) -> None:
        """Connect to a host that was lost after it had come back, and count a new boot.

        Raises:
            RebootFailed: it cannot be reached any more.
        """
        ends = max(self._ends, self._loop.time() + LOOK_SECONDS)
        while True:
            left = ends - self._loop.time()
            if left <= 0:
                raise self._went_down(f"it cannot be reached now: {why}")
            try:
                await self._session.reconnect(left)
                self._seen(await look(self._session, become=None, timeout=LOOK_SECONDS))
            except (Unreachable, ExecFailed, StepTimedOut) as exc:
                why = str(exc)
            except _LostError:  # another boot, which is counted
                return
            else:
                return
            await asyncio.sleep(min(self._rule.pause, max(ends - self._loop.time(), 0)))

    def _verdict(self) -> Boot:
        if self._again:
            raise self._went_down("it is up now")
        if self._boot.state == "maintenance":
            raise self._not_well(
                "came back in rescue or emergency mode", hint="look there: journalctl -xb -p err"
            )
        if units := self._newly_failed:
            raise self._not_well(
                f"came back degraded: failed, and had not before: {named(units)}",
                hint=f"look there: systemctl status {' '.join(units[:_MOST_NAMES])}",
            )
        return self._boot

    def _not_well(self, message: str, *, hint: str) -> RebootFailed:
        if self._again:
            return self._went_down(f"then it {message}")
        return RebootFailed(Reason.REBOOT_DEGRADED, message, hint=hint, facts=self._facts)

    def _went_down(self, now: str) -> RebootFailed:
        times = "once" if self._again == 1 else f"{self._again} times"
        what = f"went down again by itself {times}" if self._again else "was lost again"
        return RebootFailed(
            Reason.REBOOT_LOOP,
            f"came back, and {what}; {now}",
            hint="look there at the journals of its last boots: journalctl --list-boots; journalctl -b -1 -e",
            facts={**self._facts, "BootsAgain": self._again},
        )

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            "BootIdBefore": self._before.boot_id,
            "BootIdAfter": self._boot.boot_id,
            "FailedUnits": list(self._boot.failed),
        }


def _or_lost(exc: ExecFailed) -> Exception:
    """Tell a host that cannot be asked for good from one that is lost for now."""
    return exc if exc.reason.value.startswith("become") else _LostError(exc.message)
