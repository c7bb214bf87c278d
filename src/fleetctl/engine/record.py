"""An outcome as the ledger keeps it, and back: what a controller knew of a host is not lost with the controller."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from fleetctl.errors import StateFolderError
from fleetctl.model import EMPTY, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder, to_bytes

__all__ = ["ended_record", "keep_data", "outcome_from"]

# In a host's output folder: what the task made of the output. No step can have this name: leading dots are escaped.
_DATA = ".data"


def ended_record(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of an `invocation-ended` record. `data` is not among them: `keep_data` puts it beside the output."""
    return {
        "host": outcome.host,
        "status": outcome.status,
        "details": outcome.details,
        "reason": outcome.reason,
        "code": outcome.response_code,
        "signal": outcome.signal,
        "message": outcome.message,
        "hint": outcome.hint,
        "started": _stamp(outcome.started),
        "ended": _stamp(outcome.ended),
        "attempts": outcome.attempts,
        "out": outcome.stdout_digest,
        "err": outcome.stderr_digest,
        "out_bytes": outcome.stdout_bytes or None,
        "err_bytes": outcome.stderr_bytes or None,
    }


def keep_data(folder: RunFolder, outcome: Outcome) -> str | None:
    """Store what a task made of the output, and return its SHA-256; None where there is nothing to store.

    Raises:
        StateFolderError: it cannot be written.
    """
    if not outcome.data:
        return None
    data = to_bytes(dict(outcome.data))
    path = folder.output(outcome.host) / _DATA
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(data)
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}", hint="is the disk full?") from exc
    return sha256(data).hexdigest()


def outcome_from(record: Mapping[str, Any], folder: RunFolder | None = None) -> Outcome:
    """Read an `invocation-ended` record.

    What another version of fleetctl wrote and this one does not know is left out, never a failure.

    Args:
        record: from the ledger.
        folder: where what the task made of the output is read from; None leaves it out.
    """
    outcome = Outcome(
        host=str(record.get("host", "")),
        status=_known(Status, record.get("status")) or Status.UNKNOWN,
        details=str(record.get("details", "")),
        reason=_known(Reason, record.get("reason")),
        message=str(record.get("message", "")),
        hint=str(record.get("hint", "")),
        response_code=_number(record.get("code"), otherwise=-1),
        signal=record.get("signal"),
        started=_time(record.get("started")),
        ended=_time(record.get("ended")),
        attempts=_number(record.get("attempts"), otherwise=1),
        stdout_bytes=_number(record.get("out_bytes")),
        stderr_bytes=_number(record.get("err_bytes")),
        stdout_digest=str(record.get("out", "")),
        stderr_digest=str(record.get("err", "")),
    )
    if folder is not None and record.get("data"):
        return replace(outcome, data=_data(folder, outcome.host))
    return outcome


def _data(folder: RunFolder, host: str) -> Mapping[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        data = json.loads((folder.output(host) / _DATA).read_bytes())
        if isinstance(data, dict):
            return data
    return EMPTY


def _known(kind: type[Any], value: Any) -> Any:
    with contextlib.suppress(ValueError):
        return kind(value) if value is not None else None
    return None


def _number(value: Any, *, otherwise: int = 0) -> int:
    return value if isinstance(value, int) else otherwise


def _stamp(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _time(value: Any) -> datetime | None:
    with contextlib.suppress(TypeError, ValueError):
        return datetime.fromisoformat(value)
    return None
