"""Reboot a host, prove it, and wait until it is ready.

    look -> "rebooting" in the ledger -> request -> another boot id -> ready -> "rebooted" in the ledger

Only a boot id that changed proves a reboot: after the request ssh often answers from the old boot for some seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fleetctl.engine.boot import Boot, Rebooted, RebootFailed, RebootRule, here, look, script
from fleetctl.engine.ready import LOOK_SECONDS, Readiness, named
from fleetctl.engine.task import Session, StepTimedOut
from fleetctl.model import EMPTY, Become, Command, Reason
from fleetctl.transport.protocol import ExecFailed, Unreachable

__all__ = ["RebootFailed", "RebootRule", "Rebooted", "reboot", "resume_reboot"]

# For the host to take the request; systemctl alone may wait 25 s for a bus that is stuck.
_REQUEST_SECONDS = 60.0
# Where it is not known whether the request arrived, and the host shows no sign of it, it is asked again after so long ...
_GRACE_SECONDS = 15.0
# ... but not more often than this in all.
_MOST_REQUESTS = 3
# One attempt to reach a host that is down; the engine tries more than once in that time.
_REACH_SECONDS = 15.0
# A wrong host key is borne for so long: a small ssh server that unlocks the disk at boot has another key.
_STRANGER_SECONDS = 60.0
_KEY_REASONS = frozenset({Reason.HOST_KEY_CHANGED, Reason.HOST_KEY_UNKNOWN, Reason.HOST_KEY_REVOKED})
_REFUSALS = {
    "root": "only root may reboot it: add --become",
    "inhibited": "wait until that has ended, or end it; look there: systemd-inhibit --list",
    "busy": "wait until that has ended, or end it with: fleetctl runs cancel; then reboot it",
    "program": "reboot it by hand",
}


async def reboot(
    session: Session, rule: RebootRule, *, become: Become | None, done: Mapping[str, Any] = EMPTY
) -> Rebooted:
    """Reboot a host and wait until it is ready again.

    Args:
        session: of the host; it has a new connection afterwards.
        rule: limits, and what counts as ready.
        become: how to become root there.
        done: what a task has to know to go on if this controller is lost; JSON-ready, kept in the ledger's `rebooting` record.

    Raises:
        RebootFailed: it did not reboot, did not come back, or did not come back well.
        ExecFailed: nobody can become root there; nothing was done.
        StateFolderError: the intent cannot be written; nothing was done.
    """
    before = await _before(session, become=become)
    _check(session, before)
    await session.note("rebooting", **before.to_note(), done=dict(done))
    way = _Way(session, rule, before=before, become=become)
    await way.request()
    return await way.to_ready(seconds_known=True)


async def resume_reboot(
    session: Session, rule: RebootRule, note: Mapping[str, Any], *, become: Become | None
) -> Rebooted:
    """Go on with a reboot during which the controller was lost.

    A host that runs another boot than the record names is never asked again. One that still runs the same boot, and shows no
    sign of shutting down some seconds after the record was written, may never have been asked: it is asked then, which does no harm
    if it was.

    Args:
        session: connected to the host.
        rule: as for `reboot`; its limits begin anew.
        note: the ledger's `rebooting` record.
        become: how to become root there.

    Raises:
        RebootFailed: as `reboot`.
    """
    before = Boot.from_note(note)
    _check(session, before)
    way = _Way(session, rule, before=before, become=become)
    way.asked_by_another(_age(note))
    return await way.to_ready(seconds_known=False)


async def _before(session: Session, *, become: Become | None) -> Boot:
    """Look at the host; what ran before may have cost the connection, which says nothing about the host."""
    problem = ""
    for _ in range(2):
        try:
            if problem:
                await session.reconnect(LOOK_SECONDS)
            return await look(session, become=become, timeout=LOOK_SECONDS)
        except Unreachable as exc:
            problem = exc.message
            break
        except StepTimedOut:
            problem = f"it did not answer within {LOOK_SECONDS:g} s"
        except ExecFailed as exc:
            if exc.reason.value.startswith("become"):
                raise
            problem = exc.message
    raise RebootFailed(
        Reason.REBOOT_REFUSED,
        f"was not rebooted, for it could not be asked how it stands: {problem}",
        hint="look at the host; then reboot it with: fleetctl run NAME --reboot",
    )


def _check(session: Session, before: Boot) -> None:
    """Refuse what cannot be proved, and what would take this very program down."""
    if not before.boot_id:
        raise RebootFailed(
            Reason.REBOOT_REFUSED,
            "was not rebooted: it has no boot id, so that nobody could tell whether it was",
            hint="reboot it by hand",
        )
    own = here()
    if session.host.transport == "local" or (own is not None and not before.is_other_than(own)):
        raise RebootFailed(
            Reason.REBOOT_REFUSED,
            "was not rebooted: fleetctl itself runs on it",
            hint="reboot it by hand, or from another machine",
        )


def _age(note: Mapping[str, Any]) -> float:
    """Return how many seconds ago a record was written; 0 where that cannot be told."""
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(str(note.get("at")))).total_seconds())
    except (ValueError, TypeError):
        return 0.0


class _Way:
    """One host's way from the request to the new boot."""

    def __init__(self, session: Session, rule: RebootRule, *, before: Boot, become: Become | None) -> None:
        self._session = session
        self._rule = rule
        self._before = before
        self._become = become
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._ends = self._begun + rule.timeout
        self._requests = 0
        self._sure = False
        self._asked_at = self._begun
        self._strange_since: float | None = None

    def asked_by_another(self, seconds_ago: float) -> None:
        """Count a request that a lost controller has sent, or was about to send."""
        self._asked_at -= seconds_ago

    async def request(self) -> None:
        """Ask for the reboot. That the connection breaks on it is no failure: the request may have been carried out already.

        Raises:
            RebootFailed: it was refused: nothing was done.
            ExecFailed: it could not be asked, for a reason that will not pass.
        """
        self._requests += 1
        command = Command(script=script("reboot-request.sh"), become=self._become)
        try:
            answer = await self._session.ask(command, timeout=_REQUEST_SECONDS)
        except StepTimedOut:
            answer = None
        except ExecFailed as exc:
            if exc.reason.value.startswith("become"):
                raise
            answer = None
        self._asked_at = self._loop.time()
        if answer is None or answer.end.code is None:
            return
        self._sure = answer.end.ok
        _, refused, why = answer.text.rpartition("refused=")
        if refused:
            raise self._refused(why.strip())
        # 128 and more is what is left of a shell that was killed, as by the shutdown that it asked for.
        if 0 < answer.end.code < 128:
            raise self._refused(
                f"the request ended with exit code {answer.end.code}: {answer.said}".rstrip(": ")
            )

    def _refused(self, why: str) -> RebootFailed:
        kind, _, more = why.partition(": ")
        words = {"root": more, "program": more, "busy": more, "inhibited": f"somebody holds it up: {more}"}
        message = words.get(kind, why)
        return RebootFailed(
            Reason.REBOOT_REFUSED,
            f"was not rebooted: {message}",
            hint=_REFUSALS.get(kind, "look there with: systemctl reboot; journalctl -e"),
            facts={"BootIdBefore": self._before.boot_id},
        )

    async def to_ready(self, *, seconds_known: bool) -> Rebooted:
        """Wait for the new boot, and until it is ready."""
        boot = await self._until_back()
        seconds = round(self._loop.time() - self._begun, 1) if seconds_known else None
        ready = Readiness(self._session, self._rule, before=self._before, boot=boot, become=self._become)
        boot = await ready.wait()
        state = "degraded-as-before" if boot.failed else boot.state or "up"
        return Rebooted(
            before=self._before.boot_id,
            after=boot.boot_id,
            seconds_down=seconds,
            state=state,
            failed=boot.failed,
        )

    async def _until_back(self) -> Boot:
        connected, last = True, ""
        boot: Boot | None = None
        while True:
            try:
                if not connected:
                    await self._reconnect()
                    connected = True
                boot = await look(self._session, become=None, timeout=min(LOOK_SECONDS / 2, self._left))
            except Unreachable as exc:
                boot, connected, last = None, False, exc.message
                self._bear(exc)
            except (ExecFailed, StepTimedOut) as exc:
                boot, connected, last = None, False, str(exc)
            else:
                if boot.boot_id and boot.is_other_than(self._before):
                    return boot
                await self._once_more(boot)
            if self._loop.time() + self._rule.pause >= self._ends:
                raise self._not_down(boot) if boot is not None else self._not_back(last)
            await asyncio.sleep(self._rule.pause)

    @property
    def _left(self) -> float:
        """Seconds until the limit; a last attempt gets a little time."""
        return max(self._ends - self._loop.time(), 0.1)

    async def _reconnect(self) -> None:
        await self._session.reconnect(min(_REACH_SECONDS, self._left))
        self._strange_since = None

    def _bear(self, exc: Unreachable) -> None:
        """Bear with a wrong host key for a while."""
        if exc.reason not in _KEY_REASONS:
            self._strange_since = None
            return
        now = self._loop.time()
        if self._strange_since is None:
            self._strange_since = now
        if now - self._strange_since >= _STRANGER_SECONDS:
            raise self._not_back(exc.message, hint=exc.hint)

    async def _once_more(self, boot: Boot) -> None:
        """Ask again where the request may never have arrived, and nothing shows that it did."""
        if self._sure or boot.is_going_down or self._requests >= _MOST_REQUESTS:
            return
        if self._loop.time() - self._asked_at >= _GRACE_SECONDS:
            await self.request()

    def _not_down(self, boot: Boot) -> RebootFailed:
        seconds = f"{self._rule.timeout:g} s"
        if boot.is_going_down:
            jobs = f": it waits for {named(boot.jobs)}" if boot.jobs else ""
            message, hint = f"is still shutting down after {seconds}{jobs}", "look there: systemctl list-jobs"
        else:
            message = f"took the request to reboot, and was still up {seconds} later, in the same boot"
            hint = "look there: systemctl list-jobs; journalctl -e"
        return RebootFailed(
            Reason.REBOOT_NOT_DOWN,
            message,
            hint=f"{hint}; it may go down yet",
            facts={"BootIdBefore": self._before.boot_id},
        )

    def _not_back(self, last: str, *, hint: str = "") -> RebootFailed:
        return RebootFailed(
            Reason.REBOOT_NOT_BACK,
            f"did not come back within {self._rule.timeout:g} s of the request to reboot: {last}",
            hint=hint or "look at its console; give it more time with --reboot-timeout SECONDS",
            facts={"BootIdBefore": self._before.boot_id},
        )
