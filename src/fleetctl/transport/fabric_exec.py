"""One command over a Paramiko channel, in one thread: dialogue first, then script and stdin in, output out."""

from __future__ import annotations

import asyncio
import contextlib
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import fabric
import paramiko

from fleetctl.model import Exit, Reason
from fleetctl.transport.become import Stream
from fleetctl.transport.protocol import ExecFailed, OutputSink
from fleetctl.transport.shell import Wire

__all__ = ["Exchange", "Relay"]

_PIECE: Final = 64 * 1024
_OPEN_SECONDS: Final = 10.0
_TRIES: Final = 8
_PAUSE: Final = 0.05
_TICK: Final = 0.5
"""Seconds after which a thread looks whether it was told to stop, when nothing comes."""
_IN_FLIGHT: Final = 16
"""Pieces of output handed to the event loop and not yet taken: what bounds the memory of a host that prints much."""


class Relay:
    """Hands output from a thread to a sink that lives in the event loop, and waits where the sink is slow."""

    def __init__(self, sink: OutputSink, *, loop: asyncio.AbstractEventLoop) -> None:
        self._sink = sink
        self._loop = loop
        self._credit = threading.BoundedSemaphore(_IN_FLIGHT)
        self.failure: BaseException | None = None
        self.stopped = threading.Event()

    def put(self, stream: Stream, data: bytes) -> None:
        """Take output. Called from the thread."""
        if not data:
            return
        while not self._credit.acquire(timeout=_TICK):
            if self.stopped.is_set():
                return
        self._loop.call_soon_threadsafe(self._take, stream, data)

    def flush(self) -> None:
        """Wait until all is taken. Called from the thread."""
        taken = 0
        while taken < _IN_FLIGHT and not self.stopped.is_set():
            taken += self._credit.acquire(timeout=_TICK)
        if self.failure:
            raise self.failure

    def _take(self, stream: Stream, data: bytes) -> None:
        try:
            if self.failure is None and not self.stopped.is_set():
                (self._sink.stdout if stream == "stdout" else self._sink.stderr)(data)
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread, which ends the command
            self.failure = exc
        finally:
            self._credit.release()


class Exchange:
    """One command's traffic over one channel.

    Attributes:
        begun: whether the host runs a shell for it.
        sent: whether the host was given the script.
    """

    def __init__(
        self, *, connection: fabric.Connection, wire: Wire, stdin: bytes | Path | None, relay: Relay
    ) -> None:
        self._connection = connection
        self._wire = wire
        self._stdin = stdin
        self._relay = relay
        self._channel: paramiko.Channel | None = None
        self._feeder: threading.Thread | None = None
        self.begun = False
        self.sent = False

    @property
    def abandoned(self) -> bool:
        """Whether the command was left to itself while it ran, because its output could not be taken: it has to be ended."""
        return self.sent and self._relay.failure is not None

    def abort(self) -> None:
        """Take no more output: the command was cancelled."""
        self._relay.stopped.set()

    def close(self) -> None:
        """Close the channel, which ends `run` wherever it is."""
        if self._channel is not None:
            self._channel.close()

    def run(self) -> Exit:
        """Run it to its end.

        Raises:
            ExecFailed: it did not start, or its end was not seen.
        """
        if isinstance(self._stdin, Path) and not self._stdin.exists():
            raise ExecFailed(Reason.PRECONDITION, f"cannot read {self._stdin}: no such file")
        channel = self._channel = self._open()
        try:
            if self._wire.dialogue is None:
                self._feed(channel)
            self._pump(channel)
            if self._wire.opening is not None:
                self._relay.put("stdout", self._wire.opening.rest("stdout"))
                self._relay.put("stderr", self._wire.opening.rest("stderr"))
            self._relay.flush()
            return self._ended(channel)
        finally:
            channel.close()
            if self._feeder:
                self._feeder.join(_OPEN_SECONDS)

    def _open(self) -> paramiko.Channel:
        """Open a session and start the shell.

        dropbear closes a fresh session unasked when a process of another one ends at that moment (`quirks`; here that can only be
        the command that is to be killed). No script was sent until the request is answered, so trying again is safe.
        """
        for left in reversed(range(_TRIES)):
            try:
                return self._session()
            except paramiko.ChannelException as exc:
                raise ExecFailed(
                    Reason.REMOTE,
                    f"the host opens no session: {exc.text}",
                    hint="sshd's MaxSessions or a forced command may forbid it",
                ) from exc
            except (paramiko.SSHException, EOFError, OSError) as exc:
                if not left or not self._connection.is_connected:
                    raise self._lost(exc) from exc
                time.sleep(_PAUSE)
        raise AssertionError  # the last try has raised

    def _session(self) -> paramiko.Channel:
        transport: paramiko.Transport = self._connection.transport
        channel = transport.open_session(timeout=_OPEN_SECONDS)
        if self._wire.pty:
            channel.get_pty()
        channel.exec_command(self._wire.command_line)
        self.begun = True
        return channel

    def _lost(self, exc: BaseException | None = None) -> ExecFailed:
        if not self._connection.is_connected:
            started = self.begun and (self._wire.dialogue is None or self._wire.dialogue.ready)
            return ExecFailed(
                Reason.CONNECTION_LOST, "the connection was lost before the command ended", started=started
            )
        return ExecFailed(
            Reason.REMOTE, f"the host does not start commands: {exc}", hint="try it by hand with ssh"
        )

    def _pump(self, channel: paramiko.Channel) -> None:
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        dialogue = self._wire.dialogue
        deadline = time.monotonic() + dialogue.seconds if dialogue else 0.0
        while True:
            closed = channel.closed or (channel.eof_received and channel.exit_status_ready())
            moved = self._drain(channel)
            if self._relay.failure or (self._relay.stopped.is_set() and channel.closed):
                return
            if not moved and closed:
                return
            if dialogue and not dialogue.ready and time.monotonic() > deadline:
                raise dialogue.overdue()
            if moved:
                continue
            if channel.eof_received:  # from now on its descriptor is always readable
                channel.status_event.wait(_TICK)
                time.sleep(0.01)
            else:
                poll.poll(_TICK * 1000)

    def _drain(self, channel: paramiko.Channel) -> bool:
        moved = False
        while channel.recv_ready():
            self._got(channel, "stdout", channel.recv(_PIECE))
            moved = True
        while channel.recv_stderr_ready():
            self._got(channel, "stderr", channel.recv_stderr(_PIECE))
            moved = True
        return moved

    def _got(self, channel: paramiko.Channel, stream: Stream, data: bytes) -> None:
        dialogue = self._wire.dialogue
        if self._wire.opening is not None:
            data = self._wire.opening.feed(stream, data)
        if dialogue is None or dialogue.ready:
            self._relay.put(stream, data)
            return
        step = dialogue.feed(stream, data)
        if step.failed:
            raise step.failed
        if step.send:
            channel.sendall(step.send)
        self._relay.put("stdout", step.stdout)
        self._relay.put("stderr", step.stderr)
        if step.ready:
            self._feed(channel)

    def _feed(self, channel: paramiko.Channel) -> None:
        """Send script and stdin from a thread of its own: a full window must not keep output from being read."""
        self.sent = True
        self._feeder = threading.Thread(target=self._send, args=(channel,), name="fabric-stdin", daemon=True)
        self._feeder.start()

    def _send(self, channel: paramiko.Channel) -> None:
        # A host that does not want all of its stdin closes the channel, which is its right.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            channel.sendall(self._wire.prologue)
            for piece in _pieces(self._stdin):
                channel.sendall(piece)
            if not self._wire.pty:
                channel.shutdown_write()

    def _ended(self, channel: paramiko.Channel) -> Exit:
        signal = getattr(channel, "fleetctl_signal", None)
        code = channel.exit_status
        ended = Exit(signal=signal) if signal else Exit(code=code) if code >= 0 else None
        dialogue = self._wire.dialogue
        if dialogue and not dialogue.ready and (ended or self._connection.is_connected):
            raise dialogue.ended(ended)
        if ended is None:
            if self._connection.is_connected:
                raise ExecFailed(
                    Reason.CONNECTION_LOST,
                    "the host closed the session without telling how the command ended",
                    started=True,
                )
            raise self._lost()
        if self._wire.opening is not None and (fault := self._wire.opening.fault(ended)) is not None:
            raise fault
        return ended


def _pieces(stdin: bytes | Path | None) -> Iterator[bytes]:
    if isinstance(stdin, Path):
        with stdin.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece
    elif stdin:
        yield stdin
