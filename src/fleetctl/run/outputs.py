"""Compare what lies on disk of a host's output with the digests that the ledger holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from fleetctl.store.flaws import Flaw
from fleetctl.store.runs import RunFolder, file_name

__all__ = ["output_flaws", "strangers"]

_CHUNK = 1 << 20
_DATA = ".data"


def output_flaws(folder: RunFolder, record: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield what is wrong with the output of one host.

    Args:
        folder: the run.
        record: the host's last `invocation-ended`.
    """
    host = str(record.get("host", ""))
    for stream, field in (("stdout", "out"), ("stderr", "err")):
        yield from _stream(folder, host, stream, told=str(record.get(field) or ""))
    if told := record.get("data"):
        path = folder.output(host) / _DATA
        name = path.relative_to(folder.path).as_posix()
        try:
            found = sha256(path.read_bytes()).hexdigest()
        except OSError as exc:
            yield Flaw(
                kind="missing",
                file=name,
                message=f"{name}: what was made of the output of {host}: {exc.strerror}",
            )
        else:
            if found != told:
                yield Flaw(
                    kind="changed",
                    file=name,
                    message=f"{name}: what was made of the output of {host} was changed",
                )


def strangers(folder: RunFolder, hosts: set[str]) -> Iterator[Flaw]:
    """Yield folders of output that belong to no host of the run."""
    known = {file_name(host) for host in hosts}
    try:
        names = sorted(item.name for item in (folder.path / "out").iterdir())
    except OSError:
        return
    for name in names:
        if name not in known:
            yield Flaw(
                kind="foreign", file=f"out/{name}", message=f"out/{name} belongs to no host of this run"
            )


def _stream(folder: RunFolder, host: str, stream: str, *, told: str) -> Iterator[Flaw]:
    paths = dict.fromkeys((folder.output(host) / stream, *folder.output_files(host, stream)))
    shown = next(iter(paths)).relative_to(folder.path).as_posix()
    digests: list[str] = []
    base = ""
    for path in paths:
        name = path.relative_to(folder.path).as_posix()
        try:
            digest = _digest(path)
        except OSError as exc:
            yield Flaw(kind="unreadable", file=name, message=f"{name} cannot be read: {exc.strerror}")
            return
        if digest:
            shown = name
            if path.parent == folder.output(host):
                base = digest
            else:
                digests.append(digest)
    possible = set(_combined(digests, base))
    if told in possible:
        return
    if not told:
        yield Flaw(
            kind="foreign", file=shown, message=f"{shown} holds output that the ledger knows nothing of"
        )
    elif possible == {""}:
        yield Flaw(kind="missing", file=shown, message=f"{shown} is gone: {host} printed something")
    else:
        what = shown if len(digests) + bool(base) == 1 else f"{stream} of {host}, in {shown} or beside it,"
        yield Flaw(kind="changed", file=shown, message=f"{what} was changed")


def _combined(digests: list[str], base: str) -> Iterator[str]:
    """Yield what the ledger may hold for these files: see `fleetctl.engine.output.OutputFiles.digests`.

    What was printed outside of any step may have come before, between or after steps.
    """
    for place in range(len(digests) + 1) if base else (0,):
        parts = [*digests[:place], base, *digests[place:]] if base else digests
        yield parts[0] if len(parts) == 1 else _of_digests(parts)


def _of_digests(parts: list[str]) -> str:
    return blake2b("".join(parts).encode(), digest_size=16).hexdigest() if parts else ""


def _digest(path: Path) -> str:
    """Return the digest of a file; empty for one that is empty or not there."""
    digest, size = blake2b(digest_size=16), 0
    try:
        with path.open("rb") as file:
            while data := file.read(_CHUNK):
                digest.update(data)
                size += len(data)
    except FileNotFoundError:
        return ""
    return digest.hexdigest() if size else ""
