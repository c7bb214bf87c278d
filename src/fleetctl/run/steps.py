"""What became of a document's steps on one host, and what that makes of the invocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from fleetctl.document.bind import BoundStep
from fleetctl.document.model import Document
from fleetctl.engine.task import Session
from fleetctl.model import Outcome, Reason, Status
from fleetctl.run.command import REBOOT_FAILED
from fleetctl.store.runs import file_name

__all__ = ["StepResult", "outcome_of"]

# SSM: the document failed if any step failed, else timed out if any did; skipped steps do no harm.
_WORST_FIRST: Final = (Status.UNKNOWN, Status.FAILED, Status.TIMED_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of one step (SSM: CommandPlugin).

    Attributes:
        code: exit code; -1 where there is none (SSM: ResponseCode).
        ends_all: nothing more can be done on the host, not even a finallyStep.
        reboots: how often the host was rebooted because the step asked for it.
    """

    step: BoundStep
    status: Status
    details: str = ""
    reason: Reason | None = None
    message: str = ""
    hint: str = ""
    code: int = -1
    signal: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    ends_all: bool = False
    reboots: int = 0

    @classmethod
    def of(cls, step: BoundStep, started: datetime, **facts: Any) -> StepResult:
        """Make the result of a step that ran, and has ended now."""
        if facts["status"] is Status.TIMED_OUT:
            facts.setdefault("details", "Execution Timed Out")
        return cls(step=step, started=started, ended=datetime.now(UTC), **facts)

    @property
    def ran(self) -> bool:
        """Whether its script was started."""
        return self.started is not None

    def to_json(self, host: str) -> dict[str, Any]:
        """Return it with SSM's field names; paths are relative to the run's folder, the files exist if anything was printed."""
        folder = f"out/{file_name(host)}/{file_name(self.step.name)}"
        return {
            "Name": self.step.name,
            "PluginName": self.step.action,
            "Status": self.status.value,
            "StatusDetails": self.details or self.status.value,
            "ResponseCode": self.code,
            "ResponseStartDateTime": _stamp(self.started),
            "ResponseFinishDateTime": _stamp(self.ended),
            "StandardOutputUrl": f"{folder}/stdout" if self.ran else "",
            "StandardErrorUrl": f"{folder}/stderr" if self.ran else "",
            **({"Reason": self.reason.value} if self.reason else {}),
            **({"Message": self.message} if self.message else {}),
            **({"Reboots": self.reboots} if self.reboots else {}),
        }

    def to_note(self) -> dict[str, Any]:
        """Return what the ledger keeps of it where the host reboots before the document is done."""
        return {
            "step": self.step.name,
            "status": self.status.value,
            "details": self.details,
            "reason": self.reason.value if self.reason else None,
            "message": self.message,
            "code": self.code,
            "signal": self.signal,
            "started": _stamp(self.started) or None,
            "ended": _stamp(self.ended) or None,
            "reboots": self.reboots,
        }

    @classmethod
    def from_note(cls, note: Mapping[str, Any], step: BoundStep) -> StepResult:
        """Read what `to_note` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is another step's, or not of this form.
        """
        if note["step"] != step.name:
            raise ValueError(f"the record is of step '{note['step']}', not of '{step.name}'")
        return cls(
            step=step,
            status=Status(note["status"]),
            details=str(note["details"]),
            reason=Reason(note["reason"]) if note["reason"] else None,
            message=str(note["message"]),
            code=int(note["code"]),
            signal=note["signal"],
            started=datetime.fromisoformat(note["started"]) if note["started"] else None,
            ended=datetime.fromisoformat(note["ended"]) if note["ended"] else None,
            reboots=int(note["reboots"]),
        )


def outcome_of(
    results: Sequence[StepResult],
    session: Session,
    *,
    document: Document,
    reboots: Sequence[Mapping[str, Any]] = (),
) -> Outcome:
    """Make the invocation's outcome from its steps, all of which have a result.

    `reboots` are those of the host, as reports tell them.

    A host on which every step was skipped is `Skipped`: nothing was done there.
    """
    host = session.host.name
    outcome = Outcome(
        host=host,
        status=Status.SUCCESS,
        response_code=0,
        started=session.started,
        ended=datetime.now(UTC),
        data={
            "DocumentName": document.name,
            "DocumentHash": document.digest,
            "CommandPlugins": [result.to_json(host) for result in results],
            **({"Reboots": list(reboots)} if reboots else {}),
        },
    )
    worst = _worst(results)
    if worst is None:
        return outcome
    named = f"step '{worst.step.name}': " if len(results) > 1 else ""
    failed = [result for result in results if result.status in _WORST_FIRST]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return replace(
        outcome,
        status=worst.status,
        details=worst.details,
        reason=worst.reason,
        message=f"{named}{worst.message}{more}",
        hint=worst.hint,
        response_code=worst.code,
        signal=worst.signal,
    )


def _worst(results: Sequence[StepResult]) -> StepResult | None:
    """Return the result that decides about the invocation, or None where all is well."""
    for result in results:
        if result.reason is Reason.REBOOT_REQUESTED or result.details == REBOOT_FAILED:
            return result
    for status in _WORST_FIRST:
        for result in results:
            if result.status is status:
                return result
    return results[0] if all(result.status is Status.SKIPPED for result in results) else None


def _stamp(moment: datetime | None) -> str:
    return moment.isoformat(timespec="milliseconds") if moment else ""
