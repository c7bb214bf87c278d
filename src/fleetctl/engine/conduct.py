"""Carry out a run from its folder to its report, or carry on with one that another controller left.

run.json  ->  events.jsonl  ->  out/<host>/...  ->  report.json
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from fleetctl.engine.clearing import clear_away, jobs_left
from fleetctl.engine.connect import Connector
from fleetctl.engine.control import Control
from fleetctl.engine.descriptors import within_open_files
from fleetctl.engine.events import Audience, Note, Observer, RunEnded, RunStarted
from fleetctl.engine.fanout import FanOut
from fleetctl.engine.header import run_json
from fleetctl.engine.invocation import Terms
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.order import Audit, Order, RunResult
from fleetctl.engine.record import ended_record
from fleetctl.engine.replay import replay
from fleetctl.engine.report import run_report, run_status
from fleetctl.engine.secrecy import Secrecy
from fleetctl.engine.stages import Stages, Worked, stages_of, unrecorded
from fleetctl.errors import FleetError, StateFolderError
from fleetctl.model import Become
from fleetctl.store.lock import Request, RunLock
from fleetctl.store.runs import RunFolder, Runs, new_run_id

if TYPE_CHECKING:
    from fleetctl.engine.shipping import Shipping

__all__ = ["Ask", "Conduct", "execute", "proceed"]

Ask: TypeAlias = Callable[[str], bool | None]
"""Asks the operator a question; None where there is nobody to ask."""

# Seconds between two looks for a request to cancel.
_LOOK = 1.0


async def execute(
    order: Order,
    runs: Runs,
    *,
    observers: Sequence[Observer] = (),
    control: Control | None = None,
    audit: Audit | None = None,
    ask: Ask | None = None,
) -> RunResult:
    """Carry out an order.

    An observer that fails does not stop the run; its exception is raised when all is done and written. So is the cancellation of
    the task that calls this: what runs on hosts is killed first, and the report tells so.

    Args:
        order: what to do.
        runs: where the run's folder is made.
        observers: called with every event, in order, from the event loop.
        control: how an operator stops it.
        audit: takes note of its begin and end.
        ask: asks the operator between waves, where that is wanted.

    Raises:
        FleetError: fleetctl itself cannot go on; single hosts that fail never raise.
    """
    secrecy = Secrecy(order.secrets, order.transport.credentials)
    requested = datetime.now(UTC)
    folder = runs.create(new_run_id(requested))
    lock = RunLock.take(folder.path, doing="fleetctl run")
    try:
        run = run_json(order, folder.run_id, requested, secrecy.redactor())
        folder.write_run(run)
        first = (folder.path / "run.json").read_bytes()
        ledger = Ledger(folder.events, first=first)
        ledger.append("run-started", hosts=len(order.hosts))
        conduct = Conduct(
            order=order, folder=folder, run=run, ledger=ledger, lock=lock, secrecy=secrecy,
            audience=Audience(observers), control=control or Control(), audit=audit,
        )  # fmt: skip
        await conduct.tell_audit("run-started", **_told(order, run, sha256(first).hexdigest()))
        return await conduct.to_the_end(ask)
    finally:
        lock.release()


async def proceed(
    order: Order,
    folder: RunFolder,
    *,
    doing: str,
    start: bool = True,
    retry_unknown: bool = False,
    end: bool = False,
    observers: Sequence[Observer] = (),
    control: Control | None = None,
    audit: Audit | None = None,
    ask: Ask | None = None,
) -> RunResult:
    """Carry on with a run that another controller left, in whatever state.

    Hosts that have ended stay as they are. Detached jobs are attached to. Hosts that were begun by a lost controller and are not
    detached become `Unknown`. What was never begun is begun.

    Args:
        order: the run's own, with its task made again, and its hosts in its order.
        folder: the run.
        doing: for the lock: `fleetctl runs resume`.
        start: whether hosts may be begun; else only detached jobs are attached to.
        retry_unknown: whether hosts whose end nobody saw are begun again.
        end: the task is one that ends what others began; hosts that were not begun are `Cancelled`.
        observers: as above.
        control: as above.
        audit: as above.
        ask: as above.

    Raises:
        LockedError: another controller works on it.
        DamagedError: its ledger does not verify.
        FleetError: fleetctl itself cannot go on.
    """
    lock = RunLock.take(folder.path, doing=doing)
    try:
        ledger = Ledger.reopen(folder.events, first=(folder.path / "run.json").read_bytes())
        story = replay(folder, data=True)
        stages = stages_of(
            story,
            order.hosts,
            rollout=order.rollout,
            detached=order.detached,
            resumable=hasattr(order.task, "resume"),
            retry_unknown=retry_unknown,
            start=start,
            end=end,
        )
        who = lock.owner
        ledger.append("controller", user=who.user, on=who.host, pid=who.pid, doing=doing)
        if story.paused and start and not end:
            # The operator has just said so; whoever carries on after us need not be asked again.
            next_, of = story.paused.get("next"), story.paused.get("of")
            ledger.append("wave-passed", wave=next_, of=of, by=who.user)
        for outcome in await asyncio.to_thread(unrecorded, stages, story, folder):
            ledger.append("invocation-ended", **ended_record(outcome))
        conduct = Conduct(
            order=order, folder=folder, run=folder.run(), ledger=ledger, lock=lock, stages=stages,
            left=jobs_left(story, stages.done) if order.detached else {},
            secrecy=Secrecy(order.secrets, order.transport.credentials),
            audience=Audience(observers), control=control or Control(), audit=audit,
        )  # fmt: skip
        await conduct.tell_audit("run-continued", user=who.user, host=who.host, doing=doing)
        return await conduct.to_the_end(ask)
    finally:
        lock.release()


def _told(order: Order, run: dict[str, Any], digest: str) -> dict[str, Any]:
    return {
        "name": run["DocumentName"],
        "user": run["RequestedBy"]["User"],
        "host": run["RequestedBy"]["Host"],
        "selector": order.selector,
        "targets": len(order.hosts),
        "comment": run["Comment"],
        "run_json": digest,
    }


@dataclass(slots=True, kw_only=True)
class Conduct:
    """One controller's work on one run.

    Attributes:
        run: what `run.json` holds.
        stages: which hosts are done, and which are to do, wave by wave; made of `order` where it is a new run.
        left: detached jobs that may still lie on hosts although their result is here, by host and id.
    """

    order: Order
    folder: RunFolder
    run: dict[str, Any]
    ledger: Ledger
    lock: RunLock
    secrecy: Secrecy
    audience: Audience
    control: Control
    audit: Audit | None = None
    stages: Stages | None = None
    left: dict[str, dict[str, Become | None]] = field(default_factory=dict)
    _fatal: FleetError | None = None
    _watch: asyncio.Task[None] | None = field(default=None)

    async def to_the_end(self, ask: Ask | None) -> RunResult:
        """Work through all hosts, write the report, and tell what became of it."""
        limits, note = within_open_files(self.order.limits, hosts=len(self.order.hosts))
        stages = self.stages or Stages(hosts=self.order.hosts, rollout=self.order.rollout)
        fan_out = self._fan_out(stages, limits)
        shipping = self._shipping()
        self.audience.tell(RunStarted(self.folder.run_id, stages.to_do))
        if note:
            self.audience.tell(Note(note))
        self._watch = asyncio.create_task(self._take_requests())
        try:
            worked = await stages.work_through(fan_out, ask=ask)
            await self._clear_away(fan_out)
            status = run_status(worked.outcomes, paused=worked.paused is not None)
            report = await self._close(worked, status)
        finally:
            # Whatever happens, also a second cancellation, the ledger is brought to disk.
            self._watch.cancel()
            await asyncio.shield(self._shut(fan_out))
        if shipping is not None:
            await shipping.finish(leave=lambda: self.control.cancelled or self.control.leaving)
        self.audience.tell(RunEnded(self.folder.run_id, status))
        if fan_out.abandoned:
            raise asyncio.CancelledError
        if fault := fan_out.fatal or self._fatal or self.audience.fault:
            raise fault
        return RunResult(
            run_id=self.folder.run_id,
            status=status,
            outcomes=worked.outcomes,
            folder=self.folder,
            report=report,
            interrupted=self.control.stopping and worked.paused is None and not stages.end_rest,
            paused=worked.message,
        )

    async def _clear_away(self, fan_out: FanOut) -> None:
        """Remove what a controller, killed in between, had no time to remove."""
        stays = self.left and await clear_away(
            self.left, self.order.hosts, terms=fan_out.terms, control=self.control
        )
        if stays:
            text = f"what detached jobs left on {stays} hosts could not be removed: fleetctl runs gc"
            self.audience.tell(Note(text))

    def _shipping(self) -> Shipping | None:
        """Begin to copy the run to its sinks."""
        if not self.order.sinks:
            return None
        from fleetctl.engine.shipping import Shipping  # noqa: PLC0415 - only where something is shipped

        shipping = Shipping(self.order.sinks, self.folder, tell=self.audience.tell)
        self.audience.add(shipping.observe)
        return shipping

    def _fan_out(self, stages: Stages, limits: Any) -> FanOut:
        terms = Terms(
            folder=self.folder,
            task=self.order.task,
            limits=limits,
            connector=Connector(self.order.transport, limits=limits),
            ledger=self.ledger,
            audience=self.audience,
            filters=self.secrecy.stream,
            detached=self.order.detached,
            wait=self.order.wait,
            begin=stages.only is None,
        )
        return FanOut(
            terms=terms,
            hosts=self.order.hosts,
            control=self.control,
            shares=stages.shares,
            redact=self.secrecy.text,
            redact_data=self.secrecy.data,
        )

    async def _close(self, worked: Worked, status: str) -> dict[str, Any]:
        """Write the report, and say in the ledger how the run stands, bound to that report."""
        paused = worked.pause()
        report = run_report(self.run, worked.outcomes, status=status, ended=datetime.now(UTC), paused=paused)
        digest = None
        try:
            digest = await asyncio.to_thread(_keep, self.folder, report)
        except StateFolderError as exc:
            self._fatal = exc
        if paused:
            self.ledger.append("run-paused", report=digest, **paused)
        elif any(not outcome.status.ended for outcome in worked.outcomes):
            self.ledger.append("run-released", report=digest)
        else:
            self.ledger.append("run-ended", status=status, report=digest)
        counts = report["Counts"]
        with suppress(StateFolderError):  # told below, when the ledger is closed
            await self.ledger.commit()
            head, sequence = self.ledger.head, self.ledger.sequence
            await self.tell_audit("run-ended", status=status, counts=counts, head=head, sequence=sequence)
        return report

    async def _shut(self, fan_out: FanOut) -> None:
        await fan_out.terms.connector.close()
        try:
            await self.ledger.close()
        except StateFolderError as exc:
            fan_out.fatal = fan_out.fatal or exc

    async def tell_audit(self, type_: str, **fields: Any) -> None:
        """Add a record to the audit log; one that cannot be written must not hold up hosts, and is told at the end."""
        if self.audit is None:
            return
        try:
            await asyncio.to_thread(self.audit.add, type_, run=self.folder.run_id, **fields)
        except FleetError as exc:
            self._fatal = self._fatal or exc

    async def _take_requests(self) -> None:
        """Look for what other processes ask of this controller."""
        while True:
            await asyncio.sleep(_LOOK)
            if request := self.lock.requests():
                self._take(request)

    def _take(self, request: Request) -> None:
        if request.kind == "cancel":
            self.audience.tell(Note(f"cancelled by {request.by}"))
            self.ledger.append("cancel-requested", by=request.by)
            self.control.cancel()
        else:
            self.audience.tell(Note(f"another controller has taken this run over: {request.by}"))
            self.control.leave()


def _keep(folder: RunFolder, report: dict[str, Any]) -> str:
    folder.write_report(report)
    return sha256(folder.report_path.read_bytes()).hexdigest()
