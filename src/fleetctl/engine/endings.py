"""Outcomes of invocations that did not end by their own task's word."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from fleetctl.engine.output import OutputFiles, StoreFailed
from fleetctl.engine.task import Session, StepTimedOut, how_cut
from fleetctl.errors import FleetError
from fleetctl.model import Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder
from fleetctl.transport.protocol import ExecFailed, Unreachable

__all__ = [
    "STILL_RUNNING",
    "STILL_RUNNING_HINT",
    "cancelled",
    "controller_lost",
    "failed",
    "left",
    "naming",
    "not_started",
    "not_yet",
    "out_of_reach",
    "settled",
    "timed_out",
    "unreachable",
    "with_output",
    "with_stored",
]

STILL_RUNNING: Final = "Still Running"
"""StatusDetails of a host on which something was cut short that is not proven to be ended."""
STILL_RUNNING_HINT: Final = (
    "look at the host: its processes carry the name of the run; to end them there: fleetctl runs cancel"
)

_CARRY_ON = re.compile(r"\bfleetctl runs (?:resume|attach|cancel)\b(?! \d{8}T)")
_WHY_NOT_STARTED = {
    Reason.ERROR_BUDGET: "not started: more errors than --max-errors allows",
    Reason.UNREACHABLE_BUDGET: "not started: more unreachable hosts than --max-unreachable allows",
    Reason.INTERRUPTED: "not started: the run was interrupted",
}
_SETTLED = frozenset({Status.SUCCESS, Status.FAILED, Status.TIMED_OUT, Status.CANCELLED, Status.SKIPPED})
_UNSURE = frozenset({Reason.OUTPUT, Reason.REMOTE, Reason.INTERNAL})
_LOST = frozenset({Reason.CONNECTION_LOST, Reason.CONNECTION_CLOSED})


def not_started(host: Host, why: Reason) -> Outcome:
    """Nothing was started on the host because the run had to stop: `Cancelled` by the operator, else `Terminated`."""
    return Outcome(
        host=host.name,
        status=Status.CANCELLED if why is Reason.INTERRUPTED else Status.TERMINATED,
        reason=why,
        message=_WHY_NOT_STARTED.get(why, "not started: fleetctl could not go on"),
        attempts=0,
    )


def unreachable(host: Host, exc: Unreachable, *, attempts: int) -> Outcome:
    """Nothing was started on the host because it could not be reached."""
    return Outcome(
        host=host.name,
        status=Status.UNDELIVERABLE,
        reason=exc.reason,
        message=exc.message,
        hint=exc.hint,
        attempts=max(1, attempts),
        ended=datetime.now(UTC),
    )


def out_of_reach(host: Host, exc: Unreachable, *, started: datetime | None) -> Outcome:
    """A host on which work was begun cannot be reached to see what became of it."""
    return Outcome(
        host=host.name,
        status=Status.UNKNOWN,
        details="Connection Lost",
        reason=exc.reason,
        message=f"was begun, and cannot be reached now: {exc.message}",
        hint=exc.hint or "try again later: fleetctl runs resume",
        started=started,
        ended=datetime.now(UTC),
    )


def controller_lost(host: Host, *, started: datetime | None) -> Outcome:
    """The controller was lost while the host was at it, and nothing there outlived the connection: nobody saw the end."""
    return Outcome(
        host=host.name,
        status=Status.UNKNOWN,
        details="Controller Lost",
        reason=Reason.CONTROLLER_LOST,
        message="was begun by a controller that was lost: it may have done its work, or part of it",
        hint="look at the host; to run it again there: fleetctl runs resume --retry-unknown",
        started=started,
        ended=datetime.now(UTC),
    )


def left(host: Host, started: datetime | None) -> Outcome:
    """The operator let go of a detached job: it goes on."""
    return Outcome(
        host=host.name,
        status=Status.IN_PROGRESS,
        message="goes on there as a detached job",
        hint="collect it with: fleetctl runs attach",
        started=started,
    )


def not_yet(host: Host) -> Outcome:
    """A controller that was lost had announced the host's start, which never came there; nothing may be begun now."""
    return Outcome(
        host=host.name,
        status=Status.PENDING,
        message="not started: the controller was lost before its start came to the host",
        hint="begin it with: fleetctl runs resume",
    )


def naming(outcome: Outcome, run_id: str) -> Outcome:
    """Name the run where a hint tells to go on with it: whoever reads it later has other runs by then."""
    if not outcome.hint:
        return outcome
    return replace(outcome, hint=_CARRY_ON.sub(rf"\g<0> {run_id}", outcome.hint))


def settled(outcome: Outcome) -> bool:
    """Tell whether the result is known and safely here, so that nothing needs to be kept on the host."""
    return outcome.status in _SETTLED and outcome.reason not in _UNSURE


def cancelled(session: Session) -> Outcome:
    """The operator cut it short."""
    how = how_cut(ended=not session.unended)
    return _cut(
        _ended(session, Reason.INTERRUPTED, f"cancelled by the operator, {how}"), session, Status.CANCELLED
    )


def timed_out(session: Session, seconds: float) -> Outcome:
    """It took longer than its limit and was cut short (SSM: Execution Timed Out)."""
    what = StepTimedOut(seconds, ended=not session.unended)
    return _cut(_ended(session, Reason.EXECUTION_TIMEOUT, str(what)), session, Status.TIMED_OUT)


def _cut(outcome: Outcome, session: Session, status: Status) -> Outcome:
    """`TimedOut` and `Cancelled` say that nothing of it runs any more; where that is not proven, nobody knows its end."""
    if session.unended:
        return replace(outcome, status=Status.UNKNOWN, details=STILL_RUNNING, hint=STILL_RUNNING_HINT)
    details = "Execution Timed Out" if status is Status.TIMED_OUT else ""
    return replace(outcome, status=status, details=details)


def failed(session: Session, exc: Exception) -> Outcome:
    """The task ended with an exception: what was found out about the host, or a bug that must not hide other hosts' results."""
    if isinstance(exc, StepTimedOut):
        return timed_out(session, exc.seconds)
    if not isinstance(exc, ExecFailed):
        return _failed_here(session, exc)
    outcome = replace(_ended(session, exc.reason, exc.message), hint=exc.hint)
    if exc.reason is Reason.JOB_LOST or (exc.reason is Reason.REMOTE and exc.started and session.detached):
        # Begun, and nobody has seen its end: it may have done all, some or none of its work, or go on.
        return replace(outcome, status=Status.UNKNOWN)
    if exc.reason not in _LOST:
        return outcome
    if exc.started:
        return replace(outcome, status=Status.UNKNOWN, details="Connection Lost")
    return replace(outcome, status=Status.UNDELIVERABLE, started=None)


def _failed_here(session: Session, exc: Exception) -> Outcome:
    """The fault is with us, not with the host."""
    if isinstance(exc, FleetError):  # the ledger cannot be written, a key cannot be read
        return replace(_ended(session, Reason.INTERNAL, exc.message), hint=exc.hint or "")
    text = f"{type(exc).__name__}: {exc}".removesuffix(": ")
    return replace(_ended(session, Reason.INTERNAL, text), hint="this is a bug: report it")


def with_output(outcome: Outcome, files: OutputFiles) -> Outcome:
    """Close the files and add what they hold; output that could not be kept is no success."""
    try:
        files.close()
    except StoreFailed as exc:
        message = f"{outcome.message}; {exc}" if outcome.message else str(exc)
        outcome = replace(outcome, message=message)
        if outcome.status is Status.SUCCESS:
            outcome = replace(outcome, status=Status.FAILED, reason=Reason.OUTPUT)
    stdout, stderr = files.sizes()
    out_digest, err_digest = files.digests()
    return replace(
        outcome, stdout_bytes=stdout, stderr_bytes=stderr, stdout_digest=out_digest, stderr_digest=err_digest
    )


def with_stored(outcome: Outcome, folder: RunFolder) -> Outcome:
    """Add what a controller before this one stored of a host's output."""
    files = OutputFiles(folder, outcome.host)
    with contextlib.suppress(StoreFailed):  # what cannot be read is found by `runs verify`
        files.take_up()
    return with_output(outcome, files)


def _ended(session: Session, reason: Reason, message: str) -> Outcome:
    return Outcome(
        host=session.host.name,
        status=Status.FAILED,
        reason=reason,
        message=message,
        started=session.started,
        ended=datetime.now(UTC),
    )
