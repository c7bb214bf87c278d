"""Read what `scripts/job-follow.sh` says: a job's output in counted pieces, and what became of it.

After a mark with a nonce, before which a login shell may print what it likes, come lines, each a letter and words:
`S manager boot pid new` it was claimed; `O n` and `E n`, followed by n bytes of stdout or stderr; `K` the connection is alive; `C` output was
cut off by a full disk; `X exit 0` or `X signal KILL`; `L why` no result will come; `P why ...` it could not be started there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fleetctl.model import Exit
from fleetctl.transport.protocol import OutputSink

__all__ = ["Frames", "JobStarted"]

_LONGEST_LINE = 1024
_BEFORE_MARK = 1 << 20
_STARTED = re.compile(r"(systemd|setsid|plain) (\S{1,64}) (\d{1,10}) ([01])")
_ENDED = re.compile(r"(?:exit (\d{1,3})|signal ([A-Z0-9+-]{1,12}))")
_COUNT = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """How a job runs on its host.

    Attributes:
        manager: what keeps it apart from the session that ordered it.
        boot: the kernel's name for the boot it was started in; `-` where the host has none.
        pid: of its supervisor there.
        new: whether this following started it; False: it was there already.
    """

    manager: Literal["systemd", "setsid", "plain"]
    boot: str
    pid: int
    new: bool


@dataclass(slots=True, kw_only=True)
class Frames:
    """A sink that takes frames apart; output goes on to `sink` and is counted in `read`.

    Attributes:
        mark: what the script prints first.
        read: bytes of stdout and stderr so far, those of earlier followings included.
        end: how the job ended; None while that is not known.
        lost: why there will be no end.
        refused: why it could not be started: a word and its details.
        cut: whether the host could not keep all output.
        fault: what could not be read; whatever comes after it is dropped.
        said: what came before the mark, and what came on stderr, its last bytes.
    """

    mark: str
    sink: OutputSink
    on_started: Callable[[JobStarted], None]
    read: dict[str, int]
    started: JobStarted | None = None
    end: Exit | None = None
    lost: str = ""
    refused: tuple[str, ...] = ()
    cut: bool = False
    fault: str = ""
    said: bytes = b""
    _marked: bool = False
    _held: bytearray = field(default_factory=bytearray)
    _stream: str = ""
    _left: int = 0

    def stderr(self, data: bytes) -> None:
        """Keep the end of what the script, or what runs before it, complains about."""
        self.said = (self.said + data)[-500:]

    def stdout(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view and not self.fault:
            view = self._piece(view) if self._left else self._line(view)

    @property
    def over(self) -> bool:
        """Whether the script said all it had to say."""
        return bool(self.end or self.lost or self.refused or self.fault)

    def _piece(self, view: memoryview) -> memoryview:
        piece = bytes(view[: self._left])
        self._left -= len(piece)
        self.read[self._stream] += len(piece)
        (self.sink.stdout if self._stream == "stdout" else self.sink.stderr)(piece)
        return view[len(piece) :]

    def _line(self, view: memoryview) -> memoryview:
        data = bytes(view[: _LONGEST_LINE + 1])
        text, newline, _ = data.partition(b"\n")
        self._held += text
        if newline:
            line, self._held = bytes(self._held), bytearray()
            self._take(line)
        elif len(self._held) > _LONGEST_LINE:
            if self._marked:
                self._fail(bytes(self._held))
            else:
                self.stderr(bytes(self._held))
                del self._held[:-_LONGEST_LINE]
        return view[len(text) + len(newline) :]

    def _take(self, line: bytes) -> None:
        if not self._marked:
            if line.endswith(self.mark.encode()):
                self._marked = True
            else:
                self.stderr(line + b"\n")
            return
        kind, _, rest = line.decode("utf-8", "replace").rstrip("\r").partition(" ")
        if kind in {"O", "E"} and _COUNT.fullmatch(rest) and not self.over:
            self._stream, self._left = ("stdout" if kind == "O" else "stderr"), int(rest)
        elif kind == "S" and (found := _STARTED.fullmatch(rest)):
            self._start(found)
        elif not self._word(kind, rest):
            self._fail(line)

    def _word(self, kind: str, rest: str) -> bool:
        """Take a line that stands for itself; whether it was one."""
        if kind == "K":
            return True
        if self.over or (kind != "C" and not rest.strip()):
            return False
        if kind == "X":
            self._end(rest)
        elif kind == "L":
            self.lost = rest
        elif kind == "P":
            self.refused = tuple(rest.split())
        self.cut = self.cut or kind == "C"
        return kind in {"C", "X", "L", "P"}

    def _start(self, found: re.Match[str]) -> None:
        manager, boot, pid, new = found.groups()
        self.started = JobStarted(manager=manager, boot=boot, pid=int(pid), new=new == "1")  # type: ignore[arg-type]
        self.on_started(self.started)

    def _end(self, rest: str) -> None:
        found = _ENDED.fullmatch(rest)
        if found and found[2]:
            self.end = Exit(signal=found[2])
        elif found and int(found[1]) < 256:
            self.end = Exit(code=int(found[1]))
        else:
            self.lost = "torn"

    def _fail(self, line: bytes) -> None:
        self.fault = repr(line[:80].decode("utf-8", "replace"))
        self._held.clear()
