"""Verify what a run left: its ledger, from `run.json` to the last record, and everything that the ledger vouches for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, TypeAlias

from fleetctl.errors import LockedError
from fleetctl.run.outputs import output_flaws, strangers
from fleetctl.store.audited import Anchor, AuditedRun
from fleetctl.store.chain import Chain, hash_of, inspect, mend
from fleetctl.store.flaws import Flaw
from fleetctl.store.lock import RunLock, owner_of
from fleetctl.store.runs import RunFolder

__all__ = ["State", "Verdict", "verify_run"]

State: TypeAlias = Literal["sound", "unfinished", "damaged"]

_LEDGER = "events.jsonl"
# Records after which a controller has let go of the run; each carries the SHA-256 of the report it wrote before.
_ENDS = frozenset({"run-ended", "run-paused", "run-released"})
_WHY_UNFINISHED = {
    "run-paused": "it waits between two waves",
    "run-released": "detached jobs go on without a controller",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of a run's evidence.

    Attributes:
        state: `unfinished`: nothing is wrong, but the run has not ended, or was killed.
        records: in the ledger.
        sequence, head: of its last record.
        outputs: hosts whose output was compared.
        flaws: everything that is wrong, each named. A torn end alone does not make a run damaged.
        notes: what else is worth knowing.
    """

    run_id: str
    state: State
    records: int = 0
    sequence: int = 0
    head: str = ""
    outputs: int = 0
    flaws: tuple[Flaw, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it with the field names of reports."""
        flaws = [
            {
                "Kind": flaw.kind,
                "File": flaw.file or _LEDGER,
                "Line": flaw.line or None,
                "Message": flaw.message,
            }
            for flaw in self.flaws
        ]
        return {
            "CommandId": self.run_id,
            "State": self.state,
            "Records": self.records,
            "Sequence": self.sequence,
            "Head": self.head,
            "OutputsCompared": self.outputs,
            "Flaws": [{key: value for key, value in flaw.items() if value is not None} for flaw in flaws],
            "Notes": list(self.notes),
        }


@dataclass(slots=True)
class _Told:
    """What the ledger says, picked up while it is looked through."""

    stands: str = ""
    ends: list[Mapping[str, Any]] = field(default_factory=list)
    hosts: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)

    def ended(self) -> int:
        """Return how many hosts' last share has ended."""
        return sum(record is not None for record in self.hosts.values())

    def see(self, _line: int, record: Mapping[str, Any]) -> None:
        kind, host = record["type"], record.get("host")
        if kind in _ENDS or kind in {"run-started", "controller"}:
            self.stands = kind
        if kind in _ENDS:
            self.ends.append(record)
        if isinstance(host, str):
            if kind == "invocation-ended":
                self.hosts[host] = record
            elif kind in {"invocation-started", "invocation-taken-up"}:
                self.hosts[host] = None


def verify_run(
    folder: RunFolder, *, output: bool = True, audited: AuditedRun | None = None, repair: bool = False
) -> Verdict:
    """Look through all that a run left; only a torn end is ever repaired.

    Args:
        folder: the run.
        output: whether stored output is read and compared.
        audited: what the audit log knows of it.
        repair: cut a torn last line off now, where no controller works on the run.

    Raises:
        StateFolderError: something cannot be read at all.
    """
    told = _Told()
    owner = owner_of(folder.path)
    anchors: Sequence[Anchor] = audited.anchors if audited else ()
    run, first, flaws = _run_json(folder, audited)
    marks = {anchor.sequence for anchor in anchors}
    chain = inspect(folder.events, first=hash_of(first), see=told.see, marks=marks, base="run.json")
    flaws += [flaw for flaw in chain.flaws if flaw.kind != "torn"]
    flaws += _against_anchors(chain, anchors)
    outputs, notes = 0, []
    if owner is not None:  # what it writes at this moment cannot be compared
        notes.append(f"it is going on: {owner}")
    else:
        if chain.torn:
            flaws += _torn(folder, first, chain, notes, repair=repair)
        flaws += _report(folder, told, notes)
        if output:
            outputs = told.ended()
            flaws += _outputs(folder, told, run)
        if told.stands != "run-ended":
            notes.append(_WHY_UNFINISHED.get(told.stands, "it has not ended: its controller was killed"))
    finished = told.stands == "run-ended" and owner is None
    damaged = any(flaw.kind != "torn" for flaw in flaws)
    return Verdict(
        run_id=folder.run_id,
        state="damaged" if damaged else "sound" if finished else "unfinished",
        records=chain.count,
        sequence=chain.sequence,
        head=chain.head,
        outputs=outputs,
        flaws=tuple(flaws),
        notes=tuple(notes),
    )


def _outputs(folder: RunFolder, told: _Told, run: Mapping[str, Any]) -> Iterator[Flaw]:
    for record in told.hosts.values():
        if record is not None:
            yield from output_flaws(folder, record)
    hosts = run.get("Hosts")
    if isinstance(hosts, list):
        names = {str(host.get("InstanceId")) for host in hosts if isinstance(host, dict)}
        yield from strangers(folder, names | set(told.hosts))


def _run_json(folder: RunFolder, audited: AuditedRun | None) -> tuple[Mapping[str, Any], bytes, list[Flaw]]:
    """Return what `run.json` says, its bytes, and what is wrong with it."""
    try:
        first = (folder.path / "run.json").read_bytes()
    except OSError as exc:
        return (
            {},
            b"",
            [Flaw(kind="missing", file="run.json", message=f"run.json cannot be read: {exc.strerror}")],
        )
    flaws = []
    if audited and audited.run_json and sha256(first).hexdigest() != audited.run_json:
        flaws.append(
            Flaw(kind="changed", file="run.json", message="run.json is not the one that the audit log knows")
        )
    try:
        run = json.loads(first)
    except (ValueError, RecursionError):
        run = None
    if not isinstance(run, dict):
        return (
            {},
            first,
            [*flaws, Flaw(kind="unreadable", file="run.json", message="run.json holds no object")],
        )
    return run, first, flaws


def _torn(folder: RunFolder, first: bytes, chain: Chain, notes: list[str], *, repair: bool) -> Iterator[Flaw]:
    """Cut a torn end off, if that is wanted and nobody has begun to work on the run; else yield it."""
    if repair and _repair(folder, first):
        notes.append(f"repaired: {chain.torn} bytes of an unfinished last record were cut off")
        return
    yield Flaw(kind="torn", message=f"torn: {chain.torn} bytes; it will be cut when the run is resumed")


def _repair(folder: RunFolder, first: bytes) -> bool:
    try:
        lock = RunLock.take(folder.path, doing="fleetctl runs verify")
    except LockedError:
        return False
    try:
        chain = inspect(folder.events, first=hash_of(first))
        if chain.torn:
            mend(folder.events, chain)
        return True
    finally:
        lock.release()


def _against_anchors(chain: Chain, anchors: Sequence[Anchor]) -> Iterator[Flaw]:
    """Yield what the audit log saw in this ledger and that is not there any more."""
    last = max(anchors, key=lambda anchor: anchor.sequence, default=None)
    if last is not None and last.sequence > chain.sequence:
        gone = (
            f"record {last.sequence} is"
            if last.sequence == chain.sequence + 1
            else f"records {chain.sequence + 1} to {last.sequence} are"
        )
        yield Flaw(kind="truncated", message=f"{gone} missing at the end: the audit log knows of them")
    for anchor in anchors:
        found = chain.marks.get(anchor.sequence)
        if found is not None and found != anchor.head:
            text = f"record {anchor.sequence} is not the one that the audit log knows"
            yield Flaw(kind="changed", message=text)


def _report(folder: RunFolder, told: _Told, notes: list[str]) -> Iterator[Flaw]:
    """Yield what is wrong with `report.json`: the ledger carries the SHA-256 of each that was written."""
    try:
        data = folder.report_path.read_bytes()
    except FileNotFoundError:
        if told.ends and told.ends[-1].get("report"):
            yield Flaw(
                kind="missing",
                file="report.json",
                message="report.json is gone: the ledger says that it was written",
            )
        return
    except OSError as exc:
        yield Flaw(
            kind="unreadable", file="report.json", message=f"report.json cannot be read: {exc.strerror}"
        )
        return
    known = [end.get("report") for end in told.ends]
    found = sha256(data).hexdigest()
    if told.stands in _ENDS:
        if known[-1] not in (None, found):
            yield Flaw(
                kind="changed",
                file="report.json",
                message="report.json was changed: it is not the one that the ledger knows",
            )
        elif known[-1] is None:
            notes.append("the ledger does not vouch for report.json")
    elif found in known:
        notes.append("report.json is that of an earlier end; the run was resumed after it")
    elif _fits(data, told):
        # It is written a moment before its record: a controller killed in between leaves this.
        notes.append(
            "report.json is there, but the ledger does not say that the run ended; resume it to settle that"
        )
    else:
        text = "report.json tells of ends that the ledger does not know: records are missing at its end, or it was changed"
        yield Flaw(kind="truncated", message=text)


def _fits(data: bytes, told: _Told) -> bool:
    """Tell whether all ends that a report tells of are in the ledger."""
    try:
        invocations = {item["InstanceId"]: item["Status"] for item in json.loads(data)["Invocations"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    ended = {host: record.get("status") for host, record in told.hosts.items() if record is not None}
    return all(
        ended.get(host) == status
        for host, status in invocations.items()
        if status not in {"Pending", "InProgress"}
    )
