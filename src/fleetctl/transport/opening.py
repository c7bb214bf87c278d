"""Know that it was our command that a host ran, and not something else in its place.

The shell that starts says so on stderr before it reads its script, which is on its way meanwhile: it costs no round trip. A host
that was told to run something else (ForceCommand, `command=` in authorized_keys, a login shell that lets nobody in) may
exit with 0 like any command; without the mark that is no success.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fleetctl.model import Exit, Reason
from fleetctl.transport.become import Stream
from fleetctl.transport.protocol import ExecFailed

__all__ = ["Opening"]

_NOT_RUN: Final = frozenset({126, 127})
"""Exit codes of a login shell that cannot start the interpreter: as honest as the interpreter's own."""

_SAID: Final = 300
"""Bytes kept of what came instead, for the message."""


@dataclass(slots=True, kw_only=True)
class Opening:
    """Watches for a mark and takes it out of the output.

    What start-up files print before it is passed on as it comes. It is looked for on both streams: a wrapper may have made them one.

    Attributes:
        mark: what the shell prints first.
        ready: whether it has come; from then on output need not be fed any more.
    """

    mark: bytes
    ready: bool = False
    _held: dict[Stream, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""}, repr=False)
    _said: bytes = field(default=b"", repr=False)

    def feed(self, stream: Stream, data: bytes) -> bytes:
        """Take a piece of output and return what of it is to be passed on now."""
        if self.ready:
            held, self._held[stream] = self._held[stream], b""
            return held + data
        data = self._held[stream] + data
        before, mark, after = data.partition(self.mark)
        if mark:
            self.ready = True
            self._held[stream] = b""
            return before + after
        longest = range(min(len(self.mark), len(data)), -1, -1)
        cut = len(data) - next(size for size in longest if data.endswith(self.mark[:size]))
        data, self._held[stream] = data[:cut], data[cut:]
        self._said = (self._said + data)[-_SAID:]
        return data

    def rest(self, stream: Stream) -> bytes:
        """Return what was held back because the mark might have begun there; to be passed on at the end."""
        held, self._held[stream] = self._held[stream], b""
        return held

    def fault(self, ended: Exit) -> ExecFailed | None:
        """Tell what is wrong with a command that ended, or None where the mark came."""
        if self.ready or ended.code in _NOT_RUN:
            return None
        how = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines()]
        said = " ".join(filter(None, lines))
        return ExecFailed(
            Reason.REMOTE,
            f"the host ran something else instead of the command ({how})"
            + (f"; it said: {said}" if said else ""),
            hint="look for ForceCommand in its sshd_config, command= in authorized_keys, and at the user's login shell",
        )
