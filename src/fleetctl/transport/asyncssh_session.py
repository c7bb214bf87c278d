"""One command on one open connection: stdin in pieces, output into the sink as it comes, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import asyncssh

from fleetctl.model import Command, Exit, Reason
from fleetctl.transport.become import Step, Stream
from fleetctl.transport.protocol import ExecFailed, OutputSink
from fleetctl.transport.shell import Wire

__all__ = ["RAW_TERMINAL", "Execution"]

_PIECE = 256 * 1024
"""Bytes per write: 211 MB/s measured; 64 KB gives less, 1 MB no more."""

RAW_TERMINAL = {
    asyncssh.PTY_ECHO: 0,
    asyncssh.PTY_ICANON: 0,
    asyncssh.PTY_ISIG: 0,
    asyncssh.PTY_IEXTEN: 0,
    asyncssh.PTY_ICRNL: 0,
    asyncssh.PTY_INLCR: 0,
    asyncssh.PTY_IGNCR: 0,
    asyncssh.PTY_IXON: 0,
    asyncssh.PTY_OPOST: 0,
    asyncssh.PTY_ONLCR: 0,
}


class Execution(asyncssh.SSHClientSession[bytes]):
    """Receives what a channel brings, and feeds it.

    Output is passed on synchronously, before SSH's flow control lets the host send more: memory stays bounded whatever the
    host writes.

    Args:
        sink: takes the output.
        plan: the command as bytes.
        place: the host, for messages.
    """

    def __init__(self, sink: OutputSink, *, plan: Wire, place: str) -> None:
        loop = asyncio.get_running_loop()
        self._sink = sink
        self._dialogue = plan.dialogue
        self._opening = plan.opening
        self._plan = plan
        self._place = place
        self._chan: asyncssh.SSHClientChannel[bytes] | None = None
        self._closed: asyncio.Future[None] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._room: asyncio.Future[None] | None = None
        self._exit: Exit | None = None
        self._trouble: BaseException | None = None
        self._lost: Exception | None = None
        self._sent = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Keep the channel."""
        self._chan = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass output on; what comes before another user's shell is ready goes to the dialogue."""
        if self._trouble is not None:
            return
        try:
            if self._dialogue is not None and not self._dialogue.ready:
                self._take(self._dialogue.feed("stderr" if datatype else "stdout", data))
                return
            if self._opening is not None:
                data = self._opening.feed("stderr" if datatype else "stdout", data)
                if not data:
                    return
            if datatype:
                self._sink.stderr(data)
            else:
                self._sink.stdout(data)
        except Exception as exc:  # noqa: BLE001 - a full disk is this command's trouble, not the connection's
            self._fail(exc)

    def _take(self, step: Step) -> None:
        if step.failed is not None:
            self._fail(step.failed)
            return
        if step.send and self._chan is not None:
            self._chan.write(step.send)
        outputs: tuple[tuple[Stream, bytes], ...] = (("stdout", step.stdout), ("stderr", step.stderr))
        for stream, data in outputs:
            if data:
                getattr(self._sink, stream)(data)
        if step.ready and not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, exc: BaseException) -> None:
        self._trouble = exc
        if self._chan is not None:
            self._chan.close()
        self._over()  # sshd answers a close only when the command has ended: that may take long

    def _over(self) -> None:
        for future in (self._closed, self._ready, self._room):
            if future is not None and not future.done():
                future.set_result(None)

    @property
    def begun(self) -> bool:
        """Whether the host was given the script."""
        return self._sent

    @property
    def abandoned(self) -> bool:
        """Whether the command was left to itself while it ran: it has to be ended."""
        return self._sent and self._trouble is not None

    def exit_status_received(self, status: int) -> None:
        """Note the exit code."""
        self._exit = Exit(code=status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: ARG002, FBT001
        """Note the signal that ended it."""
        self._exit = Exit(signal=signal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the channel is closed: by its end, or because the connection broke."""
        self._lost = exc
        self._over()

    def pause_writing(self) -> None:
        """Hold stdin until the host has taken what is on the way."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Go on with stdin."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    @staticmethod
    def check_input(stdin: bytes | Path | None) -> None:
        """Find out whether an input file can be read, before anything is started.

        Raises:
            ExecFailed: it cannot.
        """
        if not isinstance(stdin, Path):
            return
        if stdin.is_dir():
            raise ExecFailed(Reason.PRECONDITION, f"cannot read {stdin}: it is a folder")
        if not os.access(stdin, os.R_OK):
            why = "permission denied" if stdin.exists() else "no such file"
            raise ExecFailed(Reason.PRECONDITION, f"cannot read {stdin}: {why}")

    async def run(self, command: Command) -> Exit:
        """Feed the command, and return how it ended.

        Raises:
            ExecFailed: it could not be started, or its end was not seen.
        """
        if self._dialogue is not None:
            await self._escalate()
        if not self._closed.done():
            self._sent = True
            await self._feed(command.stdin)
        await self._closed
        return self._result()

    async def _escalate(self) -> None:
        assert self._dialogue is not None  # noqa: S101 - the caller looked
        try:
            async with asyncio.timeout(self._dialogue.seconds):
                await self._ready
        except TimeoutError:
            if not self._dialogue.ready:
                self._fail(self._dialogue.overdue())

    async def _feed(self, stdin: bytes | Path | None) -> None:
        first = self._plan.prologue
        try:
            if isinstance(stdin, bytes):
                first += stdin
            for start in range(0, len(first), _PIECE):
                await self._send(first[start : start + _PIECE])
            if isinstance(stdin, Path):
                await self._send_file(stdin)
            if not self._plan.pty and self._chan is not None and not self._closed.done():
                self._chan.write_eof()
        except BrokenPipeError:  # the command ended without reading its stdin: its exit code tells the rest
            return
        except OSError as exc:
            self._fail(
                ExecFailed(
                    Reason.PRECONDITION,
                    f"cannot read {stdin!s} to its end: {exc.strerror or exc}",
                    hint="what was sent before may have taken effect",
                    started=True,
                )
            )

    async def _send(self, piece: bytes) -> None:
        if self._chan is not None and not self._closed.done():
            self._chan.write(piece)
            if self._room is not None:
                await self._room

    async def _send_file(self, path: Path) -> None:
        waits = _may_wait(path)
        with await asyncio.to_thread(path.open, "rb") if waits else path.open("rb") as file:
            while not self._closed.done():
                piece = await asyncio.to_thread(file.read, _PIECE) if waits else file.read(_PIECE)
                if not piece:
                    return
                await self._send(piece)

    def _result(self) -> Exit:
        if self._trouble is not None:
            raise self._trouble
        if self._dialogue is not None and not self._dialogue.ready and self._lost is None:
            raise self._dialogue.ended(self._exit)
        if self._opening is not None:
            if rest := self._opening.rest("stdout"):
                self._sink.stdout(rest)
            if rest := self._opening.rest("stderr"):
                self._sink.stderr(rest)
        if self._exit is not None:
            if self._opening is not None and (fault := self._opening.fault(self._exit)) is not None:
                raise fault
            return self._exit
        why = f": {self._lost}" if self._lost and str(self._lost) else ""
        raise ExecFailed(
            Reason.CONNECTION_LOST,
            f"the connection to {self._place} was lost before the command's end was seen{why}",
            hint="look at the host: the command may have done its work, or still be at it"
            if self._sent
            else "",
            started=self._sent,
        )

    def signal(self) -> None:
        """Ask the server itself to kill the command's process group (RFC 4254, 6.9), where nothing else could be started."""
        if self._chan is not None and not self._closed.done():
            with contextlib.suppress(OSError):  # the connection is gone
                self._chan.kill()

    def stop(self) -> None:
        """Close the channel and forget what still comes."""
        if self._trouble is None:
            self._trouble = asyncio.CancelledError()
        chan: Any = self._chan
        if chan is not None:
            chan.close()


def _may_wait(path: Path) -> bool:
    """Whether reading needs a thread: a regular file comes from the page cache in microseconds, a pipe when it likes."""
    return not path.is_file()
