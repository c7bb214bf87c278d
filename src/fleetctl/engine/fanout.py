"""Run one task on many hosts: rate control, budgets, statuses, interrupts.

    every host:  wait for a place -> connect -> intent on disk -> task -> result in the ledger

Workers take hosts from one queue in the order given, so that memory grows with the concurrency, not with the fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fleetctl.engine import endings
from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.engine.control import Control
from fleetctl.engine.events import Audience, HostConnecting, HostEnded, HostStarted, Note
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.output import OutputFiles, StreamFilter
from fleetctl.engine.task import Session, Task
from fleetctl.errors import CredentialError, FleetError
from fleetctl.model import Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder
from fleetctl.transport.protocol import Connection, Unreachable

__all__ = ["FanOut"]

# A transport promises to close within a few seconds; one that does not must not hold up the run.
_CLOSE_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class FanOut:
    """One run of one task over some hosts.

    Attributes:
        audience: is told every event.
        filters: makes a filter per stream that takes secrets out of output, or None where there are none.
        redact: takes secrets out of messages.
        redact_data: takes secrets out of what tasks made of the output.
        outcomes: filled as hosts end, in the order they end.
        fatal: why fleetctl itself could not go on (the ledger cannot be written, a named key cannot be read); no new host was
            started then, and hosts in flight were let finish.
        abandoned: whether the caller's own task was cancelled: the run was then cut short as by `Control.cancel`.
    """

    folder: RunFolder
    hosts: Sequence[Host]
    task: Task
    limits: Limits
    connector: Connector
    ledger: Ledger
    control: Control
    audience: Audience = field(default_factory=Audience)
    filters: Callable[[], StreamFilter | None] | None = None
    redact: Callable[[str], str] | None = None
    redact_data: Callable[[Any], Any] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    fatal: FleetError | None = None
    abandoned: bool = False
    _errors: int = 0
    _unreachable: int = 0
    _stopped: Reason | None = None
    _connecting: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> list[Outcome]:
        """Work through all hosts; every host has exactly one outcome at the end, in the order of `hosts`.

        Look at `fatal` and `abandoned` afterwards.
        """
        waiting = iter(self.hosts)
        places = min(len(self.hosts), self.limits.max_concurrency.of(len(self.hosts), least=1))
        workers = [asyncio.create_task(self._work(waiting)) for _ in range(places)]
        self.control.attach(on_stop=self._cut_connecting, on_cancel=lambda: _cut(workers))
        try:
            await self._all_of(workers)
        finally:
            self.control.detach()
        for worker in workers:
            if not worker.cancelled() and (fault := worker.exception()) is not None:
                raise fault
        for host in waiting:  # workers that were cancelled before their first step took none
            self._end(endings.not_started(host, self._reason_to_stop() or Reason.INTERRUPTED))
        order = {host.name: index for index, host in enumerate(self.hosts)}
        self.outcomes.sort(key=lambda outcome: order[outcome.host])
        return self.outcomes

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
            self._end(await self._invoke(host))

    async def _invoke(self, host: Host) -> Outcome:
        if (why := self._reason_to_stop()) is not None:
            return endings.not_started(host, why)
        attempts = 0

        def on_attempt(number: int) -> None:
            nonlocal attempts
            attempts = number
            self.audience.tell(HostConnecting(host, number))

        try:
            connection = await self._open(host, on_attempt)
        except Unreachable as exc:
            return endings.unreachable(host, exc, attempts=attempts)
        except FleetError as exc:
            self._give_up(exc)
            why = Reason.CREDENTIALS if isinstance(exc, CredentialError) else Reason.TRANSPORT
            problem = Unreachable(why, exc.message, hint=exc.hint or "")
            return endings.unreachable(host, problem, attempts=attempts)
        except asyncio.CancelledError:
            _uncancel()
            return endings.not_started(host, self._reason_to_stop() or Reason.INTERRUPTED)
        try:
            outcome = await self._on_host(host, connection)
        finally:
            await _close(connection)
        return replace(outcome, attempts=attempts) if attempts > 1 else outcome

    async def _open(self, host: Host, on_attempt: Callable[[int], None]) -> Connection:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - a coroutine of `_work`, which is a task
        self._connecting.add(worker)
        try:
            return await self.connector.open(host, on_attempt=on_attempt)
        finally:
            self._connecting.discard(worker)

    async def _on_host(self, host: Host, connection: Connection) -> Outcome:
        if (why := self._reason_to_stop()) is not None:
            return endings.not_started(host, why)
        self.ledger.append("invocation-started", host=host.name)
        try:
            await self.ledger.commit()
        except FleetError as exc:
            self._give_up(exc)
            return endings.not_started(host, Reason.INTERNAL)
        except asyncio.CancelledError:
            _uncancel()
            return endings.not_started(host, Reason.INTERRUPTED)
        if (why := self._reason_to_stop()) is not None:  # others may have failed while the disk was busy
            return endings.not_started(host, why)
        self.audience.tell(HostStarted(host))
        files = OutputFiles(self.folder, host.name, filters=self.filters)
        session = Session(connection, self.folder, files, run_id=self.folder.run_id)
        return endings.with_output(await self._task(session), files)

    async def _task(self, session: Session) -> Outcome:
        limit = asyncio.timeout(self.limits.timeout)
        try:
            async with limit:
                return await self.task(session)
        except asyncio.CancelledError:
            _uncancel()
            return endings.cancelled(session)
        except Exception as exc:  # noqa: BLE001 - a bug on one host's path must not hide the others' results
            if limit.expired():
                return endings.timed_out(session, f"still running after {self.limits.timeout:g} s, killed")
            return endings.failed(session, exc)

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

    def _end(self, outcome: Outcome) -> None:
        if self.redact is not None and outcome.message:
            outcome = replace(outcome, message=self.redact(outcome.message), hint=self.redact(outcome.hint))
        if self.redact_data is not None and outcome.data:
            outcome = replace(outcome, data=self.redact_data(outcome.data))
        self.ledger.append(
            "invocation-ended",
            host=outcome.host,
            status=outcome.status,
            details=outcome.details,
            reason=outcome.reason,
            code=outcome.response_code,
            signal=outcome.signal,
            message=outcome.message,
            out=outcome.stdout_digest,
            err=outcome.stderr_digest,
        )
        self.ledger.flush_soon()
        self.outcomes.append(outcome)
        self.audience.tell(HostEnded(outcome))
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        total = len(self.hosts)
        self._errors += outcome.status.is_error
        self._unreachable += outcome.status is Status.UNDELIVERABLE
        if self._stopped is not None:
            return
        if self._errors > self.limits.max_errors.of(total):
            limit = self.limits.max_errors
            self._stop(Reason.ERROR_BUDGET, f"{self._errors} errors: more than --max-errors {limit} allows")
        elif self._unreachable > self.limits.max_unreachable.of(total):
            limit = self.limits.max_unreachable
            text = f"{self._unreachable} unreachable: more than --max-unreachable {limit} allows"
            self._stop(Reason.UNREACHABLE_BUDGET, text)

    def _stop(self, why: Reason, text: str) -> None:
        self._stopped = why
        self._cut_connecting()
        self.ledger.append("stopped", reason=why)
        self.audience.tell(Note(f"{text}; no new host is started"))


def _cut(workers: Iterable[asyncio.Task[None]]) -> None:
    for worker in tuple(workers):
        worker.cancel()


def _uncancel() -> None:
    """Take note of cancellations that were turned into an outcome, so that the worker goes on to the next host."""
    task = asyncio.current_task()
    while task is not None and task.uncancel():
        pass


async def _close(connection: Connection) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()
    except asyncio.CancelledError:
        _uncancel()
    except Exception:  # noqa: BLE001, S110 - the work is done and its result known; nothing depends on a clean goodbye
        pass
