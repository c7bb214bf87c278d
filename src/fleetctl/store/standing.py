"""How a run stands, read from the end of its ledger: what can be asked of thousands of runs without reading them whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fleetctl.errors import StateFolderError
from fleetctl.store.chain import hash_of

__all__ = ["RUN_RECORDS", "Standing", "standing"]

RUN_RECORDS: Final = frozenset({"run-started", "controller", "run-ended", "run-paused", "run-released"})
"""Types of records that tell how a run as a whole stands; the last one counts."""

# Behind the record that ends a run comes nothing, or little.
_TAIL = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The end of a ledger.

    Attributes:
        kind: type of the last record about the run as a whole; empty if none is near the end, as in a run that goes on.
        status: what `run-ended` says.
        at: when the last record was written, aware UTC; None in an empty ledger.
        head: hash of the last whole line: what vouches for the ledger.
        sequence: its `seq`.
    """

    kind: str = ""
    status: str = ""
    at: datetime | None = None
    head: str = ""
    sequence: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do and the controller said so."""
        return self.kind == "run-ended"


def standing(ledger: Path) -> Standing:
    """Read the end of a ledger; one that does not exist stands nowhere.

    Raises:
        StateFolderError: it cannot be read.
    """
    try:
        with ledger.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            data = file.read(_TAIL)
    except FileNotFoundError:
        return Standing()
    except OSError as exc:
        raise StateFolderError(f"{ledger} cannot be read: {exc.strerror}") from exc
    whole = data[: data.rfind(b"\n") + 1]  # what a power cut left of a line is no record
    return _read(whole.splitlines())


def _read(lines: list[bytes]) -> Standing:
    at: datetime | None = None
    sequence = 0
    for line in reversed(lines):
        try:
            record = json.loads(line)
            kind = record["type"]
            at = at or datetime.fromisoformat(record["at"]).astimezone(UTC)
            sequence = sequence or int(record["seq"])
        except (ValueError, TypeError, KeyError):
            continue  # cut in two by where the tail begins, or damaged: `runs verify` says so
        if kind in RUN_RECORDS:
            status = str(record.get("status", "")) if kind == "run-ended" else ""
            return Standing(kind=kind, status=status, at=at, head=hash_of(lines[-1]), sequence=sequence)
    return Standing(at=at, head=hash_of(lines[-1]) if lines else "", sequence=sequence)
