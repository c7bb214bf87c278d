"""Stream what hosts print to files, whatever its size, with secrets taken out and a digest taken on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Protocol, TypeAlias

from fleetctl.store.runs import STEPS, RunFolder, to_bytes

__all__ = ["OutputFiles", "StoreFailed", "StreamFilter"]


class StoreFailed(Exception):  # noqa: N818 - becomes an outcome
    """Output could not be kept (disk full): the invocation must not be called a success."""


class StreamFilter(Protocol):
    """Takes secrets out of a byte stream; may hold back a few bytes until `flush`."""

    def feed(self, data: bytes) -> bytes:
        """Return what is safe to keep now."""

    def flush(self) -> bytes:
        """Return what was held back."""


Filters: TypeAlias = Callable[[], StreamFilter | None]


class _Stream:
    """One file of one host, made with its first byte."""

    __slots__ = ("_digest", "_fd", "_filter", "_filters", "_path", "size")

    def __init__(self, path: Path, filters: Filters | None) -> None:
        self._path = path
        self._filters = filters
        self._filter: StreamFilter | None = None
        self._fd = -1
        self._digest = blake2b(digest_size=16)
        self.size = 0

    def write(self, data: bytes) -> None:
        if self._filters is not None:
            # Only now, with its first bytes: a password that this very command asked for is among the secrets by then.
            self._filter, self._filters = self._filters(), None
        if self._filter is not None:
            data = self._filter.feed(data)
        if data:
            self._store(data)

    def _store(self, data: bytes) -> None:
        try:
            if self._fd < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            rest = memoryview(data)
            while rest:
                written = os.write(self._fd, rest)
                self._digest.update(rest[:written])
                self.size += written
                rest = rest[written:]
        except OSError as exc:
            raise StoreFailed(f"output cannot be kept in {self._path}: {exc.strerror}") from exc

    def take_up(self) -> None:
        """Count the bytes that are there already."""
        try:
            with self._path.open("rb") as file:
                while data := file.read(1 << 18):
                    self._digest.update(data)
                    self.size += len(data)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise StoreFailed(f"{self._path} cannot be read: {exc.strerror}") from exc

    def close(self) -> None:
        try:
            if self._filter is not None and (rest := self._filter.flush()):
                self._store(rest)
        finally:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class _Sink:
    """What a transport writes to (`fleetctl.transport.protocol.OutputSink`). A full disk is remembered, not raised."""

    __slots__ = ("err", "failure", "out")

    def __init__(self, out: _Stream, err: _Stream) -> None:
        self.out = out
        self.err = err
        self.failure: StoreFailed | None = None

    def stdout(self, data: bytes) -> None:
        self._keep(self.out, data)

    def stderr(self, data: bytes) -> None:
        self._keep(self.err, data)

    def _keep(self, stream: _Stream, data: bytes) -> None:
        if self.failure is None:
            try:
                stream.write(data)
            except StoreFailed as exc:
                self.failure = exc


class OutputFiles:
    """All output of one invocation: `out/<host>/{stdout,stderr}`, or one folder per step.

    Args:
        folder: the run's folder.
        host: the host's name.
        filters: makes a filter per stream that takes secrets out, when its first bytes come; None keeps them as they are.
    """

    __slots__ = ("_filters", "_folder", "_host", "_sinks")

    def __init__(self, folder: RunFolder, host: str, *, filters: Filters | None = None) -> None:
        self._folder = folder
        self._host = host
        self._filters = filters
        self._sinks: dict[str, _Sink] = {}

    def step(self, name: str = "") -> _Sink:
        """Return where a step's output goes; the same step appends."""
        if name not in self._sinks:
            folder = self._folder.output(self._host, name)
            streams = [_Stream(folder / kind, self._filters) for kind in ("stdout", "stderr")]
            self._sinks[name] = _Sink(*streams)
        return self._sinks[name]

    def start_over(self) -> None:
        """Remove what another controller stored of this host: it comes again from the beginning."""
        self._sinks.clear()
        shutil.rmtree(self._folder.output(self._host), ignore_errors=True)

    def set_aside(self, attempt: int) -> None:
        """Move what an attempt before this one stored to `earlier/<attempt>/<host>`: it is evidence, and not of this one."""
        source = self._folder.output(self._host)
        target = self._folder.path / "earlier" / str(attempt) / source.name
        if source.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            source.rename(target)

    def take_up(self) -> None:
        """Count what another controller stored of this host as ours, and add to it.

        Raises:
            StoreFailed: it cannot be read.
        """
        for name in self._folder.steps(self._host) or [""]:
            sink = self.step(name)
            for stream in (sink.out, sink.err):
                stream.take_up()

    def read(self, step: str, stream: str) -> bytes:
        """Return what a step has printed so far, as stored."""
        return self._folder.read_output(self._host, stream, step)

    def close(self) -> None:
        """Write what filters held back.

        Raises:
            StoreFailed: some output could not be kept.
        """
        failure = self._note_steps()
        for sink in self._sinks.values():
            for stream in (sink.out, sink.err):
                try:
                    stream.close()
                except StoreFailed as exc:
                    failure = failure or exc
            failure = failure or sink.failure
        if failure is not None:
            raise failure

    def _note_steps(self) -> StoreFailed | None:
        printed = [name for name, sink in self._sinks.items() if sink.out.size or sink.err.size]
        if len(printed) > 1:
            path = self._folder.output(self._host) / STEPS
            try:
                path.write_bytes(to_bytes(printed))
            except OSError as exc:
                return StoreFailed(f"{path} cannot be written: {exc.strerror}")
        return None

    def sizes(self) -> tuple[int, int]:
        """Return bytes of stdout and stderr over all steps."""
        return sum(s.out.size for s in self._sinks.values()), sum(s.err.size for s in self._sinks.values())

    def digests(self) -> tuple[str, str]:
        """Return digests of stdout and stderr; over several steps that printed, of their digests in order. Empty output: ''."""
        return self._digest("out"), self._digest("err")

    def _digest(self, which: str) -> str:
        # Steps that printed nothing leave nothing on disk, by which `runs verify` could know of them: they do not count.
        streams: list[_Stream] = [getattr(sink, which) for sink in self._sinks.values()]
        used = [stream.digest for stream in streams if stream.size]
        if len(used) <= 1:
            return "".join(used)
        return blake2b("".join(used).encode(), digest_size=16).hexdigest()
