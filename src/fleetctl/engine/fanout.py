"""Run one task on many hosts: rate control, budgets, statuses, interrupts.

    every host:  wait for a place -> connect -> intent on disk -> task -> result in the ledger

Workers take hosts from one queue in the order given, so that memory grows with the concurrency, not with the fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.engine.control import Control
from fleetctl.engine.events import Event, HostConnecting, HostEnded, HostStarted, Note, Observer
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.output import OutputFiles, StoreFailed, StreamFilter
from fleetctl.engine.task import Session, StepTimedOut, Task
from fleetctl.errors import FleetError
from fleetctl.model import Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder
from fleetctl.transport.protocol import Connection, ExecFailed, Unreachable

__all__ = ["FanOut"]


@dataclass(slots=True, kw_only=True)
class FanOut:
    """One run of one task over some hosts.

    Attributes:
        filters: makes a filter per stream that takes secrets out of output; None where there are none.
        redact: takes secrets out of messages.
        outcomes: filled as hosts end, in the order they end.
    """

    folder: RunFolder
    hosts: Sequence[Host]
    task: Task
    limits: Limits
    connector: Connector
    ledger: Ledger
    control: Control
    observers: Sequence[Observer] = ()
    filters: Callable[[], StreamFilter] | None = None
    redact: Callable[[str], str] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    _errors: int = 0
    _unreachable: int = 0
    _stopped: Reason | None = None
    _fatal: FleetError | None = None

    async def run(self) -> list[Outcome]:
        """Work through all hosts; every host has exactly one outcome at the end, in the order of `hosts`.

        Raises:
            FleetError: fleetctl itself cannot go on (the ledger cannot be written, a named key cannot be read); hosts in
                flight were let finish, and all that is known is in the ledger.
        """
        waiting = iter(self.hosts)
        places = min(len(self.hosts), self.limits.max_concurrency.of(len(self.hosts), least=1))
        workers = [asyncio.create_task(self._work(waiting)) for _ in range(places)]
        self.control.attach(workers)
        try:
            await asyncio.gather(*workers, return_exceptions=True)
        finally:
            self.control.detach()
        for worker in workers:
            if not worker.cancelled() and (fault := worker.exception()) is not None:
                raise fault
        for host in waiting:  # workers that were cancelled before their first step took none
            self._end(self._not_started(host, self._reason_to_stop() or Reason.INTERRUPTED))
        if self._fatal is not None:
            raise self._fatal
        order = {host.name: index for index, host in enumerate(self.hosts)}
        self.outcomes.sort(key=lambda outcome: order[outcome.host])
        return self.outcomes

    async def _work(self, waiting: Iterator[Host]) -> None:
        for host in waiting:
            outcome = await self._invoke(host)
            self._end(outcome)

    async def _invoke(self, host: Host) -> Outcome:
        if (why := self._reason_to_stop()) is not None:
            return self._not_started(host, why)
        attempts = 0

        def on_attempt(number: int) -> None:
            nonlocal attempts
            attempts = number
            self._emit(HostConnecting(host, number))

        try:
            connection = await self.connector.open(host, on_attempt=on_attempt)
        except Unreachable as exc:
            return _unreachable(host, exc, attempts)
        except FleetError as exc:
            self._fatal = self._fatal or exc
            return _unreachable(
                host, Unreachable(Reason.CREDENTIALS, exc.message, hint=exc.hint or ""), attempts
            )
        except asyncio.CancelledError:
            _uncancel()
            return self._not_started(host, Reason.INTERRUPTED)
        try:
            outcome = await self._on_host(host, connection)
        finally:
            await _close(connection)
        return replace(outcome, attempts=attempts) if attempts > 1 else outcome

    async def _on_host(self, host: Host, connection: Connection) -> Outcome:
        if (why := self._reason_to_stop()) is not None:
            return self._not_started(host, why)
        self.ledger.append("invocation-started", host=host.name)
        try:
            await self.ledger.commit()
        except FleetError as exc:
            self._fatal = self._fatal or exc
            return self._not_started(host, Reason.INTERNAL)
        except asyncio.CancelledError:
            _uncancel()
            return self._not_started(host, Reason.INTERRUPTED)
        self._emit(HostStarted(host))
        files = OutputFiles(self.folder, host.name, filters=self.filters)
        session = Session(connection, self.folder, files, run_id=self.folder.run_id)
        outcome = await self._task(session)
        return _with_output(outcome, files)

    async def _task(self, session: Session) -> Outcome:
        host = session.host.name
        ended = Outcome(host=host, status=Status.FAILED, started=session.started)
        try:
            async with asyncio.timeout(self.limits.timeout) as limit:
                return await self.task(session)
        except TimeoutError:
            if not limit.expired():
                raise
            outcome = _timed_out(ended, f"still running after {self.limits.timeout:g} s, killed")
        except StepTimedOut as exc:
            outcome = _timed_out(ended, str(exc))
        except ExecFailed as exc:
            lost = exc.started and exc.reason is Reason.CONNECTION_LOST
            outcome = replace(
                ended,
                status=Status.UNKNOWN if lost else Status.FAILED,
                details="Connection Lost" if lost else "",
                reason=exc.reason,
                message=exc.message,
                hint=exc.hint,
            )
        except asyncio.CancelledError:
            _uncancel()
            outcome = replace(
                ended,
                status=Status.CANCELLED,
                reason=Reason.INTERRUPTED,
                message="cancelled by the operator, killed",
            )
        except Exception as exc:  # noqa: BLE001 - a bug on one host's path must not hide the others' results
            text = f"{type(exc).__name__}: {exc}"
            outcome = replace(ended, reason=Reason.INTERNAL, message=text, hint="this is a bug: report it")
        return replace(outcome, ended=datetime.now(UTC))

    def _reason_to_stop(self) -> Reason | None:
        if self._fatal is not None:
            return Reason.INTERNAL
        if self.control.stopping:
            return Reason.INTERRUPTED
        return self._stopped

    def _not_started(self, host: Host, why: Reason) -> Outcome:
        interrupted = why is Reason.INTERRUPTED
        messages = {
            Reason.ERROR_BUDGET: "not started: more errors than --max-errors allows",
            Reason.UNREACHABLE_BUDGET: "not started: more unreachable hosts than --max-unreachable allows",
            Reason.INTERRUPTED: "not started: the run was interrupted",
        }
        return Outcome(
            host=host.name,
            status=Status.CANCELLED if interrupted else Status.TERMINATED,
            reason=why,
            message=messages.get(why, "not started: fleetctl could not go on"),
            attempts=0,
        )

    def _end(self, outcome: Outcome) -> None:
        if self.redact is not None and outcome.message:
            outcome = replace(outcome, message=self.redact(outcome.message), hint=self.redact(outcome.hint))
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
        self._emit(HostEnded(outcome))
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        total = len(self.hosts)
        self._errors += outcome.status.is_error
        self._unreachable += outcome.status is Status.UNDELIVERABLE
        if self._stopped is not None:
            return
        if self._errors > self.limits.max_errors.of(total):
            self._stop(
                Reason.ERROR_BUDGET,
                f"{self._errors} errors: more than --max-errors {self.limits.max_errors} allows",
            )
        elif self._unreachable > self.limits.max_unreachable.of(total):
            limit = self.limits.max_unreachable
            self._stop(
                Reason.UNREACHABLE_BUDGET,
                f"{self._unreachable} unreachable: more than --max-unreachable {limit} allows",
            )

    def _stop(self, why: Reason, text: str) -> None:
        self._stopped = why
        self.ledger.append("stopped", reason=why)
        self._emit(Note(f"{text}; no new host is started"))

    def _emit(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)


def _uncancel() -> None:
    """Take note of a cancellation that was turned into an outcome, so that the worker goes on to the next host."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def _close(connection: Connection) -> None:
    try:
        await connection.close()
    except asyncio.CancelledError:
        _uncancel()
    except Exception:  # noqa: BLE001, S110 - the work is done and its result known; nothing depends on a clean goodbye
        pass


def _unreachable(host: Host, exc: Unreachable, attempts: int) -> Outcome:
    return Outcome(
        host=host.name,
        status=Status.UNDELIVERABLE,
        reason=exc.reason,
        message=exc.message,
        hint=exc.hint,
        attempts=max(1, attempts),
        ended=datetime.now(UTC),
    )


def _timed_out(ended: Outcome, message: str) -> Outcome:
    return replace(
        ended,
        status=Status.TIMED_OUT,
        details="Execution Timed Out",
        reason=Reason.EXECUTION_TIMEOUT,
        message=message,
    )


def _with_output(outcome: Outcome, files: OutputFiles) -> Outcome:
    try:
        files.close()
    except StoreFailed as exc:
        outcome = replace(outcome, status=Status.FAILED, reason=Reason.OUTPUT, message=str(exc))
    stdout, stderr = files.sizes()
    out_digest, err_digest = files.digests()
    return replace(
        outcome, stdout_bytes=stdout, stderr_bytes=stderr, stdout_digest=out_digest, stderr_digest=err_digest
    )
