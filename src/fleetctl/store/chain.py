"""Records bound to one another by hashes: what the ledger of a run and the audit log have in common.

A chain is a file of lines, each one JSON object with `seq` (from 1), `at` (UTC), `type`, the fields of its type, and `prev`: the
SHA-256 of the line before, without its newline; of something outside the file for the first. Nothing in it can be changed,
dropped or put elsewhere unseen, except at its end, which only what is kept elsewhere can protect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from fleetctl.errors import DamagedError, StateFolderError
from fleetctl.store.flaws import Entry, Flaw, Kind, diagnose
from fleetctl.store.runs import to_bytes

__all__ = ["Chain", "Flaw", "Kind", "cut_torn", "end_of", "hash_of", "inspect", "mend", "records", "seal"]

# No record comes near it: what is longer is none, and must not fill the memory.
_LONGEST = 1 << 25
_CHUNK = 1 << 16


@dataclass(slots=True, kw_only=True)
class Chain:
    """What a look through a chain found.

    Attributes:
        count: whole records.
        head: hash of the last whole line; what the first is bound to, where there is none.
        sequence: `seq` of the last whole record; 0 where there is none.
        size: bytes of whole lines.
        torn: bytes of an unfinished last line.
        flaws: everything that is wrong, in the order of the file; a torn end is among them.
        marks: hashes of the records that were asked for, by their `seq`.
    """

    count: int = 0
    head: str
    sequence: int = 0
    size: int = 0
    torn: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong but perhaps a torn end, as a power cut leaves it."""
        return all(flaw.kind == "torn" for flaw in self.flaws)


def hash_of(line: bytes) -> str:
    """Return what the record after this line carries as `prev`."""
    return sha256(line).hexdigest()


def seal(type_: str, fields: Mapping[str, Any], *, sequence: int, previous: str) -> bytes:
    """Make the line of a record, without its newline. Fields that are None or empty text are left out."""
    record = {
        "seq": sequence,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "type": type_,
    }
    record |= {key: value for key, value in fields.items() if value is not None and value != ""}
    record["prev"] = previous
    return to_bytes(record)


def inspect(
    path: Path,
    *,
    first: str,
    see: Callable[[int, Mapping[str, Any]], None] | None = None,
    marks: Collection[int] = (),
    base: str = "what it stands on",
) -> Chain:
    """Look through a whole chain, one line in memory at a time.

    Args:
        path: the file; one that does not exist is an empty chain.
        first: what the first record must carry as `prev`.
        see: called with line number and record for each that can be read.
        marks: `seq` of records whose hashes are wanted.
        base: what `first` is the hash of, in words.

    Raises:
        StateFolderError: the file cannot be read.
    """
    chain = Chain(head=first)
    fits = True
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                if not line.endswith(b"\n"):
                    chain.torn = len(line)
                    continue
                record = _parse(line)
                fits &= _follows(chain, record)
                chain.size += len(line)
                chain.head = hash_of(line[:-1])
                if record is None:
                    continue
                chain.sequence = record["seq"]
                chain.count += 1
                if record["seq"] in marks:
                    chain.marks[record["seq"]] = chain.head
                if see is not None:
                    see(number, record)
            if not fits:  # only then is everything held at once, to tell what happened
                file.seek(0)
                chain.flaws += diagnose(map(_entry, _lines(file)), first=first, base=base)
    except FileNotFoundError:
        return chain
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc
    if chain.torn:
        text = f"the last line has no end: {chain.torn} bytes of a record, as a power cut leaves them"
        chain.flaws.append(Flaw(line=0, kind="torn", message=text))
    return chain


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, the last perhaps without its newline; what is too long to be a record comes in pieces that are none either."""
    while line := file.readline(_LONGEST):
        if len(line) == _LONGEST and not line.endswith(b"\n") and file.peek(1):  # type: ignore[attr-defined]
            line += b"\n"
        yield line


def _follows(chain: Chain, record: Mapping[str, Any] | None) -> bool:
    return record is not None and record["seq"] == chain.sequence + 1 and record.get("prev") == chain.head


def _entry(line: bytes) -> Entry | None:
    if not line.endswith(b"\n"):
        return None
    record = _parse(line) or {}
    return Entry(sequence=record.get("seq", 0), previous=str(record.get("prev", "")), hash=hash_of(line[:-1]))


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("type"), str):
        return None
    sequence = record.get("seq")
    return record if isinstance(sequence, int) and not isinstance(sequence, bool) and sequence > 0 else None


def end_of(path: Path, *, first: str) -> Chain:
    """Look at the end of a chain only: what is needed to add to it. `count` is not filled.

    Lines at the end that are no records each stand for one, so that what is added after them fits what is before them; they
    are among the flaws.

    Raises:
        DamagedError: there is no record anywhere near the end.
        StateFolderError: the file cannot be read.
    """
    chain = Chain(head=first)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            found = _read_back(file, size)
    except FileNotFoundError:
        return chain
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc
    if found is None:
        raise DamagedError(
            f"{path} is damaged: it does not end with a record",
            hint="see what is wrong with: fleetctl audit verify",
        )
    lines, torn, sequence = found
    chain.torn, chain.size = len(torn), size - len(torn)
    if lines:
        chain.head = hash_of(lines[-1])
        chain.sequence = sequence + len(lines) - 1 if sequence else len(lines)
    chain.flaws += [
        Flaw(kind="unreadable", message="a line at the end is no record")
        for _ in (lines[1:] if sequence else lines)
    ]
    return chain


def _read_back(file: BinaryIO, size: int) -> tuple[list[bytes], bytes, int] | None:
    """Return the whole lines from the last record on, what stands after them, and that record's `seq`.

    Where the file holds no record at all, these are all of its lines, and 0.
    """
    tail = b""
    while True:
        whole, _, torn = tail.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        all_of_it = len(tail) == size
        for index in range(len(lines) - 1, -1 if all_of_it else 0, -1):
            if (record := _parse(lines[index])) is not None:
                return lines[index:], torn, record["seq"]
        if all_of_it:
            return lines, torn, 0
        if len(tail) >= _LONGEST:
            return None
        start = max(0, size - 2 * len(tail) - _CHUNK)
        file.seek(start)
        tail = file.read(size - start)


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a chain as they stand, without comparing hashes; what is no record is passed over.

    Raises:
        StateFolderError: the file cannot be read; one that does not exist holds none.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and (record := _parse(line)) is not None:
                    yield record
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc


def cut_torn(path: Path, chain: Chain) -> None:
    """Take an unfinished last line away, as it must be before anything is added.

    Raises:
        StateFolderError: the file cannot be written.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, chain.size)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}") from exc


def mend(path: Path, chain: Chain) -> None:
    """Take an unfinished last line away, and leave a `repaired` record that says so.

    Raises:
        StateFolderError: the file cannot be written.
    """
    dropped = chain.torn
    cut_torn(path, chain)
    line = seal("repaired", {"dropped": dropped}, sequence=chain.sequence + 1, previous=chain.head)
    try:
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}") from exc
