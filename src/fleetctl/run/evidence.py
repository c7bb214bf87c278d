"""Verify the audit log, and with it that every run is still there, as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fleetctl.errors import FleetError, StateFolderError
from fleetctl.run.verify import verify_run
from fleetctl.store.audit import AuditLog
from fleetctl.store.audited import AuditedRun, audited_runs
from fleetctl.store.chain import Chain
from fleetctl.store.checkpoint import (
    Checkpoint,
    Signature,
    checkpoints,
    has_ssh_keygen,
    read_checkpoint,
    verify_signature,
)
from fleetctl.store.flaws import Flaw
from fleetctl.store.lock import owner_of
from fleetctl.store.runs import RunFolder, Runs, file_name

__all__ = ["Checked", "Evidence", "verify_audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A checkpoint that was compared with the log.

    Attributes:
        signature: None if it is not signed, or nobody could verify it here.
    """

    checkpoint: Checkpoint
    signature: Signature | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it with the field names of reports."""
        row: dict[str, Any] = {
            "Sequence": self.checkpoint.sequence,
            "Head": self.checkpoint.head,
            "DateTime": self.checkpoint.at,
            "File": str(self.checkpoint.path),
            "Signed": self.checkpoint.signature.exists(),
        }
        if self.signature is not None:
            row |= {
                "SignatureGood": self.signature.good,
                "Key": self.signature.key,
                "Signer": self.signature.who,
            }
        return {key: value for key, value in row.items() if value != ""}


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What is known of the audit log, and of the runs that it tells of.

    Attributes:
        records, sequence, head: of the log.
        runs: how many it knows; `removed` of them were removed, and say so.
        flaws: everything that is wrong, each named, with the file it is about.
        notes: what else is worth knowing.
    """

    records: int = 0
    sequence: int = 0
    head: str = ""
    runs: int = 0
    removed: int = 0
    checked: list[Checked] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong but perhaps a torn end."""
        return all(flaw.kind == "torn" for flaw in self.flaws)

    def to_json(self) -> dict[str, Any]:
        """Return it with the field names of reports."""
        return {
            "State": "sound" if self.sound else "damaged",
            "Records": self.records,
            "Sequence": self.sequence,
            "Head": self.head,
            "Runs": self.runs,
            "RemovedRuns": self.removed,
            "Checkpoints": [item.to_json() for item in self.checked],
            "Flaws": [
                {
                    "Kind": flaw.kind,
                    "File": flaw.file,
                    **({"Line": flaw.line} if flaw.line else {}),
                    "Message": flaw.message,
                }
                for flaw in self.flaws
            ],
            "Notes": self.notes,
        }


def verify_audit(
    log: AuditLog, runs: Runs, *, against: Sequence[Path] = (), allowed: Path | None = None
) -> Evidence:
    """Look through the audit log, compare all runs and checkpoints with it.

    Args:
        log: the audit log.
        runs: the run folders.
        against: checkpoints that were kept elsewhere: what really protects the end of the log.
        allowed: an allowed signers file (ssh-keygen(1)): who may sign checkpoints.

    Raises:
        NotFoundError, DamagedError: there is no such checkpoint as `against` names.
        StateFolderError: the log cannot be read.
    """
    evidence = Evidence()
    there = {
        folder.run_id: folder for folder in runs
    }  # before the log: what begins meanwhile is not taken for a stranger
    kept = [read_checkpoint(path) for path in against]
    own = [point for path in checkpoints(log) if (point := _readable(path, evidence)) is not None]
    records: list[Mapping[str, Any]] = []
    chain = log.inspect(
        see=lambda _, record: records.append(record), marks={point.sequence for point in (*own, *kept)}
    )
    evidence.records, evidence.sequence, evidence.head = chain.count, chain.sequence, chain.head
    for flaw in chain.flaws:
        evidence.flaws.append(
            Flaw(kind=flaw.kind, message=flaw.message, line=flaw.line, file="audit/audit.jsonl")
        )
    _compare_runs(evidence, runs, there, records)
    for point in (*own, *kept):
        _compare_checkpoint(evidence, chain, point, allowed=allowed)
        if allowed is not None and point in kept and not point.signature.exists():
            text = "nobody has signed it, and --allowed-signers asks for that"
            evidence.flaws.append(Flaw(kind="missing", file=f"{point.path}.sig", message=text))
    evidence.flaws += _recorded(own, log, records)
    return evidence


def _readable(path: Path, evidence: Evidence) -> Checkpoint | None:
    try:
        return read_checkpoint(path)
    except FleetError as exc:
        evidence.flaws.append(
            Flaw(kind="unreadable", file=f"audit/checkpoints/{path.name}", message=exc.message)
        )
        return None


def _compare_runs(
    evidence: Evidence, runs: Runs, there: Mapping[str, RunFolder], records: Sequence[Mapping[str, Any]]
) -> None:
    known = audited_runs(records)
    evidence.runs = len(known)
    evidence.removed = sum(run.removed is not None for run in known.values())
    for name, run in known.items():
        folder = RunFolder(runs.path / file_name(name))
        if folder.path.is_dir():
            _compare_run(evidence, folder, run)
        elif run.removed is None:
            text = (
                f"run {name} of {run.began.get('user', 'somebody')} is gone, and nothing says who removed it"
            )
            evidence.flaws.append(Flaw(kind="missing", file=f"runs/{name}", message=text))
    began = _time(records[0].get("at")) if records else None
    older = 0
    for name, folder in there.items():
        if name not in known and _has_begun(folder):
            older += (is_older := _is_older(folder, began))
            if not is_older:
                text = f"run {name} is not in the audit log"
                evidence.flaws.append(Flaw(kind="foreign", file=f"runs/{name}", message=text))
    if older:
        evidence.notes.append(f"{older} runs are older than the audit log, and it knows nothing of them")


def _compare_run(evidence: Evidence, folder: RunFolder, run: AuditedRun) -> None:
    name = folder.run_id
    try:
        verdict = verify_run(folder, output=False, audited=run)
    except StateFolderError as exc:
        evidence.flaws.append(Flaw(kind="unreadable", file=f"runs/{name}", message=exc.message))
        return
    for flaw in verdict.flaws:
        file = f"runs/{name}/{flaw.file or 'events.jsonl'}"
        evidence.flaws.append(Flaw(kind=flaw.kind, line=flaw.line, file=file, message=flaw.message))
    if run.removed is not None:
        text = f"run {name} is there, though it was removed: it was put back, or not removed whole"
        evidence.flaws.append(Flaw(kind="foreign", file=f"runs/{name}", message=text))
    elif verdict.state == "sound" and run.told.get("type") != "run-ended":
        evidence.notes.append(
            f"run {name} ended, and the audit log does not say so: fleetctl was killed at that moment, or could not write it"
        )


def _has_begun(folder: RunFolder) -> bool:
    """Tell whether anything of a run that the log does not know may have happened: it is entered before its first act."""
    try:
        return folder.events.exists() and owner_of(folder.path) is None
    except FleetError:
        return True


def _is_older(folder: RunFolder, began: datetime | None) -> bool:
    try:
        asked = _time(folder.run().get("RequestedDateTime"))
    except FleetError:
        return False
    return began is None or (asked is not None and asked < began)


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (TypeError, ValueError):
        return None


def _compare_checkpoint(evidence: Evidence, chain: Chain, point: Checkpoint, *, allowed: Path | None) -> None:
    file = str(point.path)
    if point.sequence > chain.sequence:
        gone = point.sequence - chain.sequence
        text = f"the log ends at record {chain.sequence}; the checkpoint of {point.at} saw {gone} more: they were cut off"
        evidence.flaws.append(Flaw(kind="truncated", file=file, message=text))
    elif chain.marks.get(point.sequence) != point.head:
        text = f"record {point.sequence} is not the one that the checkpoint of {point.at} saw: the log was written anew, or the checkpoint"
        evidence.flaws.append(Flaw(kind="changed", file=file, message=text))
    signature = None
    if point.signature.exists():
        if has_ssh_keygen():
            signature = verify_signature(point.path, allowed=allowed)
            if not signature.good:
                evidence.flaws.append(
                    Flaw(
                        kind="changed",
                        file=f"{file}.sig",
                        message=f"the signature does not hold: {signature.message}",
                    )
                )
        else:
            evidence.notes.append(f"the signature of {file} was not verified: there is no ssh-keygen here")
    elif allowed is not None:
        evidence.flaws.append(
            Flaw(kind="missing", file=f"{file}.sig", message="the checkpoint is not signed")
        )
    evidence.checked.append(Checked(checkpoint=point, signature=signature))


def _recorded(
    own: Sequence[Checkpoint], log: AuditLog, records: Sequence[Mapping[str, Any]]
) -> Iterator[Flaw]:
    """Yield checkpoints that the log tells of and that are not there, or not as they were."""
    there = {point.sequence: point for point in own}
    last = {record.get("checkpoint"): record for record in records if record["type"] == "checkpoint"}
    for sequence, record in last.items():
        file = f"audit/checkpoints/{sequence}.txt"
        point = there.get(sequence) if isinstance(sequence, int) else None
        if point is None:
            if not (log.checkpoints / f"{sequence}.txt").exists():
                yield Flaw(
                    kind="missing", file=file, message=f"the checkpoint after record {sequence} is gone"
                )
            continue
        if point.digest != record.get("text"):
            yield Flaw(
                kind="changed",
                file=file,
                message=f"the checkpoint after record {sequence} is not the one that was made",
            )
        if record.get("key") and not point.signature.exists():
            yield Flaw(
                kind="missing", file=f"{file}.sig", message=f"the signature by {record['key']} is gone"
            )
