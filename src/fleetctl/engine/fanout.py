"""Run one task on many hosts: rate control, budgets, statuses, interrupts.

    every host:  wait for a place -> connect -> intent on disk -> task -> result in the ledger

Workers take hosts from one queue in the order given, so that memory grows with the concurrency, not with the fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fleetctl.engine import endings
from fleetctl.engine.control import Control
from fleetctl.engine.events import HostConnecting, HostEnded, HostStarted, Note
from fleetctl.engine.invocation import Invocation, Terms, close, uncancel
from fleetctl.engine.record import ended_record, keep_data
from fleetctl.engine.replay import Share
from fleetctl.errors import CredentialError, FleetError
from fleetctl.model import EMPTY, Host, Outcome, Reason, Status
from fleetctl.transport.protocol import Connection, Unreachable

__all__ = ["FanOut"]

_NEW = Share()


@dataclass(slots=True, kw_only=True)
class FanOut:
    """One run of one task over some hosts.

    Attributes:
        terms: what all invocations share.
        hosts: all hosts of the run: what percentages are taken of.
        shares: what the ledger knows of hosts that another controller had begun, by name.
        redact: takes secrets out of messages.
        redact_data: takes secrets out of what tasks made of the output.
        outcomes: filled as hosts end, in the order they end.
        fatal: why fleetctl itself could not go on (the ledger cannot be written, a named key cannot be read); no new host was
            started then, and hosts in flight were let finish.
        abandoned: whether the caller's own task was cancelled: the run was then cut short as by `Control.cancel`.
    """

    terms: Terms
    hosts: Sequence[Host]
    control: Control
    shares: Mapping[str, Share] = EMPTY
    redact: Callable[[str], str] | None = None
    redact_data: Callable[[Any], Any] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    fatal: FleetError | None = None
    abandoned: bool = False
    _errors: int = 0
    _unreachable: int = 0
    _stopped: Reason | None = None
    _connecting: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, hosts: Sequence[Host] | None = None) -> list[Outcome]:
        """Work through hosts; every one has exactly one outcome at the end, in their order.

        Look at `fatal` and `abandoned` afterwards. It may be called again with further hosts: budgets count on.

        Args:
            hosts: some of `hosts` (a wave); None: all of them.
        """
        hosts = self.hosts if hosts is None else hosts
        before = len(self.outcomes)
        waiting = iter(hosts)
        places = min(len(hosts), self.terms.limits.max_concurrency.of(len(self.hosts), least=1))
        workers = [asyncio.create_task(self._work(waiting)) for _ in range(places)]
        self.control.attach(
            on_stop=self._cut_connecting, on_cancel=lambda: _cut(workers), on_leave=self.terms.leaving.set
        )
        try:
            await self._all_of(workers)
        finally:
            self.control.detach()
        for worker in workers:
            if not worker.cancelled() and (fault := worker.exception()) is not None:
                raise fault
        for host in waiting:  # workers that were cancelled before their first step took none
            self._end(self._not_begun(host, self._reason_to_stop() or Reason.INTERRUPTED))
        order = {host.name: index for index, host in enumerate(hosts)}
        return sorted(self.outcomes[before:], key=lambda outcome: order[outcome.host])

    @property
    def stopped(self) -> bool:
        """Whether no new host may be started any more."""
        return self._reason_to_stop() is not None

    async def _all_of(self, workers: Sequence[asyncio.Task[None]]) -> None:
        pending = set(workers)
        while pending:
            try:
                _, pending = await asyncio.wait(pending)
            except (
                asyncio.CancelledError
            ):  # whoever called us was cancelled: nothing may go on behind its back
                self.abandoned = True
                self.control.cancel()
                pending = {worker for worker in pending if not worker.done()}

    async def _work(self, waiting: Iterator[Host]) -> None:
        for host in waiting:
            await self._invoke(host)

    async def _invoke(self, host: Host) -> None:
        """Work on one host, and have its outcome recorded before anything of it is cleared away."""
        share = self.shares.get(host.name, _NEW)
        if (why := self._reason_to_stop()) is not None:
            self._end(self._not_begun(host, why))
            return
        attempts = 0

        def on_attempt(number: int) -> None:
            nonlocal attempts
            attempts = number
            self.terms.audience.tell(HostConnecting(host, number))

        try:
            connection = await self._open(host, on_attempt)
        except Unreachable as exc:
            self._end(self._not_reached(host, exc, attempts=attempts))
            return
        except FleetError as exc:
            self._give_up(exc)
            reason = Reason.CREDENTIALS if isinstance(exc, CredentialError) else Reason.TRANSPORT
            problem = Unreachable(reason, exc.message, hint=exc.hint or "")
            self._end(self._not_reached(host, problem, attempts=attempts))
            return
        except asyncio.CancelledError:
            uncancel()
            self._end(self._not_begun(host, self._reason_to_stop() or Reason.INTERRUPTED))
            return
        invocation = Invocation(self.terms, connection, share=share)
        try:
            outcome = await self._on_host(invocation)
            outcome = self._end(replace(outcome, attempts=attempts) if attempts > 1 else outcome)
            await self._settle(invocation, outcome)
        finally:
            await close(invocation.connection)

    def _not_begun(self, host: Host, why: Reason) -> Outcome:
        """Tell that nothing was done on a host now; where another controller had begun it, what is known of that still holds."""
        share = self.shares.get(host.name, _NEW)
        if share.outcome is not None:
            return share.outcome
        if share.notes and self.terms.detached:
            return endings.left(host, share.begun)
        if share.notes:
            lost = endings.controller_lost(host, started=share.begun)
            return endings.with_stored(lost, self.terms.folder)
        return endings.not_started(host, why)

    def _not_reached(self, host: Host, exc: Unreachable, *, attempts: int) -> Outcome:
        share = self.shares.get(host.name, _NEW)
        if share.notes or share.outcome is not None:
            begun = share.outcome.started if share.outcome else share.begun
            outcome = endings.out_of_reach(host, exc, started=begun)
            return endings.with_stored(outcome, self.terms.folder)
        return endings.unreachable(host, exc, attempts=attempts)

    async def _open(self, host: Host, on_attempt: Callable[[int], None]) -> Connection:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - a coroutine of `_work`, which is a task
        self._connecting.add(worker)
        try:
            return await self.terms.connector.open(host, on_attempt=on_attempt)
        except Unreachable:
            if not _was_rebooting(self.shares.get(host.name, _NEW)):
                raise
            return await self.terms.connector.reopen(host, seconds=self.terms.patience, on_attempt=on_attempt)
        finally:
            self._connecting.discard(worker)

    async def _on_host(self, invocation: Invocation) -> Outcome:
        host = invocation.connection.host
        if invocation.again:
            self.terms.ledger.append("invocation-taken-up", host=host.name)
        elif (why := self._reason_to_stop()) is not None:
            return self._not_begun(host, why)
        else:
            self.terms.ledger.append("invocation-started", host=host.name)
        try:
            await self.terms.ledger.commit()
        except FleetError as exc:
            self._give_up(exc)
            return self._not_begun(host, Reason.INTERNAL)
        except asyncio.CancelledError:
            uncancel()
            return self._not_begun(host, Reason.INTERRUPTED)
        # Others may have failed while the disk was busy.
        if (why := self._reason_to_stop()) is not None and not invocation.again:
            return self._not_begun(host, why)
        self.terms.audience.tell(HostStarted(host))
        return await invocation.run()

    async def _settle(self, invocation: Invocation, outcome: Outcome) -> None:
        try:
            await invocation.settle(outcome)
        except FleetError as exc:
            self._give_up(exc)
        except asyncio.CancelledError:  # what is left on the host is found by `runs gc`
            uncancel()

    def _reason_to_stop(self) -> Reason | None:
        if self.fatal is not None:
            return Reason.INTERNAL
        if self.control.stopping:
            return Reason.INTERRUPTED
        return self._stopped

    def _give_up(self, why: FleetError) -> None:
        if self.fatal is None:
            self.fatal = why
            self._cut_connecting()

    def _cut_connecting(self) -> None:
        """Take hosts to which nothing was sent yet out of their connecting: they are not going to be started."""
        _cut(self._connecting)

    def _end(self, outcome: Outcome) -> Outcome:
        if self.redact is not None and outcome.message:
            outcome = replace(outcome, message=self.redact(outcome.message), hint=self.redact(outcome.hint))
        if self.redact_data is not None and outcome.data:
            outcome = replace(outcome, data=self.redact_data(outcome.data))
        outcome = endings.naming(outcome, self.terms.folder.run_id)
        if outcome.status.ended:
            try:
                kept = keep_data(self.terms.folder, outcome)
            except FleetError as exc:
                self._give_up(exc)
                kept = None
            self.terms.ledger.append("invocation-ended", **ended_record(outcome), data=kept)
        self.terms.ledger.flush_soon()
        self.outcomes.append(outcome)
        self.terms.audience.tell(HostEnded(outcome))
        self._count(outcome)
        return outcome

    def _count(self, outcome: Outcome) -> None:
        total = len(self.hosts)
        self._errors += outcome.status.is_error
        self._unreachable += outcome.status is Status.UNDELIVERABLE
        if self._stopped is not None:
            return
        limits = self.terms.limits
        if self._errors > (allowed := limits.max_errors.of(total)):
            text = f"{self._errors} failed: --max-errors {limits.max_errors} allows {allowed} of {total}"
            self._stop(Reason.ERROR_BUDGET, text)
        elif self._unreachable > (allowed := limits.max_unreachable.of(total)):
            text = f"{self._unreachable} unreachable: --max-unreachable {limits.max_unreachable} allows {allowed} of {total}"
            self._stop(Reason.UNREACHABLE_BUDGET, text)

    def _stop(self, why: Reason, text: str) -> None:
        self._stopped = why
        self._cut_connecting()
        self.terms.ledger.append("stopped", reason=why)
        self.terms.audience.tell(Note(f"{text}; no new host is started"))


def _was_rebooting(share: Share) -> bool:
    """Tell whether the controller that was lost had asked the host to reboot: it is down because we wanted it to be."""
    kinds = [note.get("type") for note in share.notes if note.get("type") in {"rebooting", "rebooted"}]
    return kinds[-1:] == ["rebooting"]


def _cut(workers: Iterable[asyncio.Task[None]]) -> None:
    for worker in tuple(workers):
        worker.cancel()
