"""One host's share of a run, from the open connection to the end of its work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fleetctl.engine import endings
from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.engine.detach import Jobs, LeftError, NotBegunError, job_name
from fleetctl.engine.events import Audience, HostBack, HostConnecting, HostRebooting
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.output import OutputFiles, StreamFilter
from fleetctl.engine.replay import Share
from fleetctl.engine.task import Session, Task, plain_name
from fleetctl.model import Outcome, Reason
from fleetctl.store.runs import RunFolder
from fleetctl.transport.protocol import Connection, ExecFailed

__all__ = ["Invocation", "Resumable", "Terms", "close", "uncancel"]

# A transport promises to close within a few seconds; one that does not must not hold up the run.
_CLOSE_SECONDS = 10.0
# What is left of the time limit when a host is taken up again is never less than it takes to collect a result.
_LEAST_SECONDS = 60.0
# Records that observers are told of.
_SHOWN: dict[str, type[HostRebooting | HostBack]] = {"rebooting": HostRebooting, "rebooted": HostBack}


class Resumable(Protocol):
    """A task that can go on, in part at least, where another controller was lost."""

    async def resume(self, session: Session) -> Outcome | None:
        """Go on from what `session.notes` tell; None where nobody can know what happened."""


@dataclass(slots=True, kw_only=True)
class Terms:
    """What all invocations of a run share.

    Attributes:
        filters: makes a filter per stream that takes secrets out of output, or None where there are none.
        detached: whether commands run as jobs that outlive connection and controller.
        wait: whether detached jobs are followed to their end.
        patience: seconds of trying to reach a host again that was lost, where its job goes on without us.
        begin: whether hosts may be begun; else only what was begun is followed.
        leaving: set when the operator lets go of detached jobs.
    """

    folder: RunFolder
    task: Task
    limits: Limits
    connector: Connector
    ledger: Ledger
    audience: Audience
    filters: Callable[[], StreamFilter | None] | None = None
    detached: bool = False
    wait: bool = True
    patience: float = 600.0
    begin: bool = True
    leaving: asyncio.Event = field(default_factory=asyncio.Event)


class Invocation:
    """One host's share, once it is connected. It is the `Link` of its session.

    Args:
        terms: what it shares with the others.
        connection: to the host.
        share: what the ledger knows of it from a controller that was lost.
    """

    def __init__(
        self,
        terms: Terms,
        connection: Connection,
        *,
        share: Share,
    ) -> None:
        self._terms = terms
        self._host = connection.host
        self._share = share
        self._notes = notes = share.notes
        self._attempt = share.starts - 1 if notes else share.starts
        self.connection = connection
        self.jobs = (
            Jobs(
                self._job_id,
                notes=notes,
                leaving=terms.leaving,
                wait=terms.wait,
                patience=terms.patience,
                begin=terms.begin,
                mark=self._mark,
            )
            if terms.detached
            else None
        )

    @property
    def again(self) -> bool:
        """Whether another controller had begun it, and this one goes on."""
        return bool(self._notes)

    def _job_id(self, number: int) -> str:
        run_id = self._terms.folder.run_id
        name = f"{run_id}.{plain_name(self._host.name)}"
        return job_name(name, run_id, attempt=self._attempt, number=number)

    async def run(self) -> Outcome:
        """Do the work within its time, and tell what became of it."""
        files = OutputFiles(self._terms.folder, self._host.name, filters=self._terms.filters)
        session = Session(
            self.connection,
            self._terms.folder,
            files,
            run_id=self._terms.folder.run_id,
            link=self,
            notes=self._notes,
            attempt=self._attempt,
            jobs=self.jobs,
        )
        if self._notes:
            session.started = self._share.begun or session.started
        return endings.with_output(await self._within_time(session, files), files)

    async def _within_time(self, session: Session, files: OutputFiles) -> Outcome:
        seconds = self._terms.limits.timeout
        if self._notes:
            past = (datetime.now(UTC) - session.started).total_seconds()
            seconds = max(seconds - past, min(seconds, _LEAST_SECONDS))
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._task(session, files)
        except LeftError:
            return endings.left(self._host, session.started)
        except NotBegunError:
            return endings.not_yet(self._host)
        except asyncio.CancelledError:
            uncancel()
            return endings.cancelled(session)
        except Exception as exc:  # noqa: BLE001 - a bug on one host's path must not hide the others' results
            if limit.expired():
                return endings.timed_out(session, self._terms.limits.timeout)
            return endings.failed(session, exc)

    async def _task(self, session: Session, files: OutputFiles) -> Outcome:
        task: Any = self._terms.task
        if self._share.starts and not self._notes:
            _set_aside(files, self._share.starts)
        if self._notes:
            if hasattr(task, "resume"):
                files.take_up()
                outcome: Outcome | None = await task.resume(session)
                if outcome is not None:
                    return outcome
            if not self._terms.detached:
                return endings.controller_lost(self._host, started=session.started)
            files.start_over()
        result: Outcome = await task(session)
        return result

    async def reconnect(self, *, seconds: float | None = None) -> Connection:
        """Open a new connection in place of the one that is lost; see `Link`."""
        await close(self.connection)

        def on_attempt(number: int) -> None:
            self._terms.audience.tell(HostConnecting(self._host, number))

        self.connection = await self._terms.connector.reopen(
            self._host, seconds=seconds or self._terms.patience, on_attempt=on_attempt
        )
        return self.connection

    async def note(self, type_: str, **fields: Any) -> None:
        """Add a record to the ledger, on disk when this returns; see `Link`."""
        self._terms.ledger.append(type_, host=self._host.name, **fields)
        await self._terms.ledger.commit()
        if type_ in _SHOWN:
            self._terms.audience.tell(_SHOWN[type_](self._host))

    def _mark(self, type_: str, **fields: Any) -> None:
        self._terms.ledger.append(type_, host=self._host.name, **fields)
        self._terms.ledger.flush_soon()

    async def settle(self, outcome: Outcome) -> None:
        """Once the result is in the ledger: bring it to disk, and only then remove what detached jobs left on the host."""
        if self.jobs is None or not endings.settled(outcome):
            return
        await self._terms.ledger.commit()
        if await asyncio.to_thread(_on_disk, self._terms.folder.output(self._host.name)):
            await self.jobs.remove(self.connection)


def _set_aside(files: OutputFiles, attempt: int) -> None:
    try:
        files.set_aside(attempt)
    except OSError as exc:
        raise ExecFailed(
            Reason.OUTPUT,
            f"what the host printed before cannot be put aside: {exc.strerror}; nothing was started",
            hint="is the disk full?",
        ) from exc


def _on_disk(folder: Path) -> bool:
    """Bring a host's output to disk; tell whether that is so: only then may the host forget it."""
    try:
        for path in [folder, *folder.rglob("*")] if folder.is_dir() else []:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
    except OSError:
        return False
    return True


def uncancel() -> None:
    """Take note of cancellations that were turned into an outcome, so that the worker goes on to the next host."""
    task = asyncio.current_task()
    while task is not None and task.uncancel():
        pass


async def close(connection: Connection) -> None:
    """Close a connection, whatever the transport makes of it."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()
    except asyncio.CancelledError:
        uncancel()
    except Exception:  # noqa: BLE001, S110 - the work is done and its result known; nothing depends on a clean goodbye
        pass
