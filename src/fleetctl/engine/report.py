"""The result of a run, in SSM's words: `report.json` and everything that is told from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fleetctl.model import Outcome, Status

__all__ = ["exit_code", "invocation_json", "run_report", "run_schema", "run_status"]

_COPIED = (
    "CommandId",
    "DocumentName",
    "Comment",
    "Parameters",
    "RequestedDateTime",
    "RequestedBy",
    "FleetctlVersion",
    "Selector",
    "TargetCount",
    "MaxConcurrency",
    "MaxErrors",
    "MaxUnreachable",
    "TimeoutSeconds",
    "ConnectTimeoutSeconds",
)

_COPIED_IF_ANY = ("RetryOf", "Detached", "Waves")

_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_SECONDS = {"type": "number"}


def run_status(outcomes: Iterable[Outcome], *, paused: bool = False) -> str:
    """Return the run's StatusDetails (SSM: Command StatusDetails).

    The worst that became of a host decides. Unreachable hosts beside successful ones make it `Incomplete`, which SSM calls Success
    and which misleads; nothing but unreachable hosts is `Undeliverable`. A run that waits between waves is `Paused`, one whose
    detached jobs go on without a controller is `InProgress`, one of which some hosts were never begun `Interrupted`.
    """
    seen = Counter(outcome.status for outcome in outcomes)
    reached = seen[Status.SUCCESS] or seen[Status.SKIPPED]
    worst_first = (
        ("Paused", paused),
        ("InProgress", seen[Status.IN_PROGRESS]),
        ("Interrupted", seen[Status.PENDING]),
        ("Cancelled", seen[Status.CANCELLED]),
        ("Terminated", seen[Status.TERMINATED]),
        ("Failed", seen[Status.FAILED] or seen[Status.UNKNOWN]),
        ("TimedOut", seen[Status.TIMED_OUT]),
        ("Incomplete", seen[Status.UNDELIVERABLE] and reached),
        ("Undeliverable", seen[Status.UNDELIVERABLE]),
    )
    return next((status for status, holds in worst_first if holds), "Success")


def exit_code(outcomes: Iterable[Outcome], *, interrupted: bool = False, paused: bool = False) -> int:
    """Return what the process exits with.

    130 interrupted, 7 stopped by a gate or paused between waves, 3 a host failed or was not begun, 4 hosts unreachable and none failed,
    0 all well; detached jobs that go on are no failure.
    """
    seen = {outcome.status for outcome in outcomes}
    if interrupted:
        return 130
    if paused:
        return 7
    if seen & {Status.FAILED, Status.TIMED_OUT, Status.UNKNOWN, Status.CANCELLED}:
        return 3
    if Status.UNDELIVERABLE in seen:
        return 4
    return 3 if seen & {Status.TERMINATED, Status.PENDING} else 0


def invocation_json(outcome: Outcome) -> dict[str, Any]:
    """Return one host's share as SSM's CommandInvocation; what does not apply is left out."""
    elapsed = None
    if outcome.started and outcome.ended:  # the clock may have been set back meanwhile
        elapsed = max(0.0, (outcome.ended - outcome.started).total_seconds())
    optional = {
        "Reason": outcome.reason.value if outcome.reason else None,
        "Message": outcome.message or None,
        "Hint": outcome.hint or None,
        "Signal": outcome.signal,
        "ExecutionStartDateTime": outcome.started.isoformat(timespec="milliseconds")
        if outcome.started
        else None,
        "ExecutionEndDateTime": outcome.ended.isoformat(timespec="milliseconds") if outcome.ended else None,
        "ElapsedSeconds": round(elapsed, 3) if elapsed is not None else None,
        "StandardOutputDigest": outcome.stdout_digest or None,
        "StandardErrorDigest": outcome.stderr_digest or None,
        "Data": dict(outcome.data) or None,
    }
    return {
        "InstanceId": outcome.host,
        "Status": outcome.status.value,
        "StatusDetails": outcome.status_details,
        "ResponseCode": outcome.response_code,
        "ConnectAttempts": outcome.attempts,
        "StandardOutputBytes": outcome.stdout_bytes,
        "StandardErrorBytes": outcome.stderr_bytes,
        **{key: value for key, value in optional.items() if value is not None},
    }


def run_report(
    run: Mapping[str, Any],
    outcomes: Iterable[Outcome],
    *,
    status: str,
    ended: datetime,
    paused: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the report of a run.

    Args:
        run: what `run.json` holds.
        outcomes: one for each host, in the run's order.
        status: as `run_status` says.
        ended: aware UTC.
        paused: why and after which wave the run waits; None if it does not.
    """
    outcomes = list(outcomes)
    seen = Counter(outcome.status for outcome in outcomes)
    reasons = Counter(o.reason.value for o in outcomes if o.reason is not None)
    return {
        "SchemaVersion": "1.0",
        **{key: run[key] for key in _COPIED},
        **{key: run[key] for key in _COPIED_IF_ANY if key in run},
        "Status": status,
        **({"Paused": {key.title(): value for key, value in paused.items() if value}} if paused else {}),
        "EndedDateTime": ended.isoformat(timespec="milliseconds"),
        "CompletedCount": sum(outcome.status.ended for outcome in outcomes),
        "ErrorCount": sum(count for name, count in seen.items() if name.is_error),
        "UndeliverableCount": seen[Status.UNDELIVERABLE],
        "Counts": {name.value: seen[name] for name in Status if seen[name]},
        "Reasons": dict(sorted(reasons.items())),
        "Invocations": [invocation_json(outcome) for outcome in outcomes],
    }


def run_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `report.json` and of `fleetctl run --format json`."""
    ended = ("Success", "Failed", "TimedOut", "Incomplete", "Undeliverable", "Terminated", "Cancelled")
    paused = {
        "type": "object",
        "properties": {
            **dict.fromkeys(("Next", "Of"), _COUNT),
            **dict.fromkeys(("Reason", "Gate", "Message"), _TEXT),
        },
    }
    waves = {"type": "array", "items": _COUNT, "description": "hosts that are done after each wave"}
    properties: dict[str, Any] = {
        "SchemaVersion": {"const": "1.0"},
        **dict.fromkeys(("CommandId", "DocumentName", "Comment", "FleetctlVersion", "Selector"), _TEXT),
        "Parameters": {"type": "object"},
        "RequestedDateTime": _TIME,
        "EndedDateTime": _TIME,
        "RequestedBy": {"type": "object"},
        **dict.fromkeys(("MaxConcurrency", "MaxErrors", "MaxUnreachable"), _TEXT),
        **dict.fromkeys(("TimeoutSeconds", "ConnectTimeoutSeconds"), _SECONDS),
        "Status": {"enum": [*ended, "Paused", "InProgress", "Interrupted"]},
        "Paused": {**paused, "description": "why and after which wave the run waits"},
        "RetryOf": {**_TEXT, "description": "the run whose hosts these are"},
        "Detached": {"type": "boolean"},
        "Waves": waves,
        **dict.fromkeys(("TargetCount", "CompletedCount", "ErrorCount", "UndeliverableCount"), _COUNT),
        "Counts": {"type": "object", "additionalProperties": _COUNT},
        "Reasons": {"type": "object", "additionalProperties": _COUNT},
        "Invocations": {"type": "array", "items": _invocation_schema()},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleetctl run report",
        "type": "object",
        "required": ["SchemaVersion", "CommandId", "Status", "TargetCount", "Invocations"],
        "properties": properties,
        "additionalProperties": False,
    }


def _invocation_schema() -> dict[str, Any]:
    digest = {**_TEXT, "description": "BLAKE2b-128, hexadecimal; equal output, equal digest"}
    content = {**_TEXT, "description": "only with --format json on the command line, and in 'runs report'"}
    code = {"type": "integer", "description": "exit code; -1: never started, or ended by a signal"}
    properties: dict[str, Any] = {
        "InstanceId": {**_TEXT, "description": "the host's name"},
        "Status": {"enum": [status.value for status in Status]},
        "StatusDetails": _TEXT,
        "ResponseCode": code,
        "Reason": {**_TEXT, "description": "class of what went wrong; docs/reference/reasons.md"},
        **dict.fromkeys(("Message", "Hint", "Signal"), _TEXT),
        "ConnectAttempts": _COUNT,
        **dict.fromkeys(("ExecutionStartDateTime", "ExecutionEndDateTime"), _TIME),
        "ElapsedSeconds": {"type": "number", "minimum": 0},
        **dict.fromkeys(("StandardOutputBytes", "StandardErrorBytes"), _COUNT),
        **dict.fromkeys(("StandardOutputDigest", "StandardErrorDigest"), digest),
        **dict.fromkeys(("StandardOutputContent", "StandardErrorContent"), content),
        "Data": {"type": "object", "description": "what the task made of the output"},
    }
    return {
        "type": "object",
        "required": ["InstanceId", "Status", "StatusDetails", "ResponseCode"],
        "properties": properties,
        "additionalProperties": False,
    }
