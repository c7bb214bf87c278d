"""What of a run is shipped, and under which keys: SSM's layout, `RUN/HOST/STEP/stdout`.

RUN/run.json                            at the start
    HOST/awsrunShellScript/stdout       when the host has ended; stderr beside it; what printed nothing has no object
    HOST/STEP/stdout                    of a document with several steps
    HOST/.data, HOST/.steps             what the task made of the output, and the order of the steps
    events/000001-000120.jsonl          pieces of the ledger, while the run goes on
    earlier/1/HOST/stdout               of an attempt whose end nobody saw, before the host was begun again
    gates/NAME/...                      what gates ran on hosts, when the run has ended or is paused
    events.jsonl, report.json           when the run has ended

SSM's own: PREFIX/COMMAND-ID/INSTANCE-ID/PLUGIN[/STEP]/stdout, where a plain command's plugin is `awsrunShellScript`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from fleetctl.engine.replay import replay
from fleetctl.store.runs import RunFolder
from fleetctl.store.standing import standing

__all__ = [
    "PLAIN_STEP",
    "Piece",
    "final_pieces",
    "host_pieces",
    "load_piece",
    "next_segment",
    "was_begun_again",
]

PLAIN_STEP = "awsrunShellScript"
"""What stands for a step where there are none: SSM's name for the plugin of a plain command."""

_AT_START = ("run.json",)
_AT_END = ("events.jsonl", "report.json")
_TAKEN = frozenset({*_AT_START, *_AT_END, "events", "earlier", "gates"})

_SMALL = 8 << 20
_SEGMENT = 4 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of a run, and the key of its object below the run's id."""

    key: str
    path: Path


def _apart(name: str, taken: frozenset[str]) -> str:
    """Keep a name apart from our own ones. No name is written like this otherwise: `file_name` leaves letters as they are."""
    return f"%{ord(name[0]):02x}{name[1:]}" if name in taken else name


def host_pieces(folder: Path) -> list[Piece]:
    """Return what a host printed, and what was made of it; to be asked when the host has ended.

    Args:
        folder: the host's output folder; one that does not exist holds nothing.
    """
    host = _apart(folder.name, _TAKEN)
    pieces = []
    for path in _files(folder):
        parts = path.relative_to(folder).parts
        if len(parts) == 1 and not parts[0].startswith("."):
            parts = (PLAIN_STEP, *parts)
        elif len(parts) > 1:
            parts = (_apart(parts[0], frozenset({PLAIN_STEP})), *parts[1:])
        pieces.append(Piece("/".join((host, *parts)), path))
    return pieces


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _files(folder: Path) -> Iterator[Path]:
    for path in _entries(folder):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def final_pieces(folder: RunFolder) -> tuple[list[Piece], bool]:
    """Return everything of a run that will not change any more, and whether that is the whole run.

    Raises:
        NotFoundError, StateFolderError: the run cannot be read.
    """
    stands = standing(folder.events)
    if stands.ended:
        hosts = sorted(path for path in _entries(folder.path / "out") if path.is_dir())
    else:
        shares = replay(folder).shares
        over = [name for name, share in shares.items() if share.outcome and share.outcome.status.ended]
        hosts = [folder.output(name) for name in over]
    names = [*_AT_START, *(_AT_END if stands.ended else ())]
    whole = ["earlier", *(["gates"] if stands.ended or stands.kind == "run-paused" else [])]
    files = [folder.path / name for name in names]
    files += [path for name in whole for path in _files(folder.path / name)]
    pieces = [Piece(path.relative_to(folder.path).as_posix(), path) for path in files if path.is_file()]
    for host in hosts:
        pieces += host_pieces(host)
    return pieces, stands.ended


def was_begun_again(folder: RunFolder, path: Path) -> bool:
    """Tell whether a file of output is that of a host's second attempt, or of a later one."""
    out = folder.path / "out"
    if not path.is_relative_to(out):
        return False
    host = path.relative_to(out).parts[0]
    return any((attempt / host).is_dir() for attempt in _entries(folder.path / "earlier"))


def load_piece(path: Path) -> tuple[int, str, bytes | None]:
    """Return a file's size and BLAKE2b-128, and its content unless it is large.

    Raises:
        OSError: it cannot be read.
    """
    digest, size, parts = blake2b(digest_size=16), 0, []
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
            size += len(data)
            if size <= _SMALL:
                parts.append(data)
    return size, digest.hexdigest(), b"".join(parts) if size <= _SMALL else None


def next_segment(events: Path, offset: int) -> tuple[str, bytes] | None:
    """Return the key and the content of what the ledger has grown by, whole records, at most 4 MiB; None: nothing.

    Args:
        events: the ledger. What is returned is on disk: what is told elsewhere must not be lost here.
        offset: bytes that were shipped before.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with events.open("rb") as file:
            os.fdatasync(file.fileno())
            file.seek(offset)
            data = file.read(_SEGMENT)
    except FileNotFoundError:
        return None
    data = data[: data.rfind(b"\n") + 1]
    lines = data.splitlines()
    if not lines:
        return None
    return f"events/{_sequence(lines[0]):06}-{_sequence(lines[-1]):06}.jsonl", data


def _sequence(line: bytes) -> int:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, TypeError, KeyError):
        return 0  # damaged; shipped as it is, and `runs verify` says so
