"""Run commands on this machine: the same shell text as over SSH, without a network.

Each command is its own session and process group. stdout and stderr stream as they come; like SSH, the end is when the
process ended *and* nobody holds its output open any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, Protocol

from fleetctl.errors import CredentialError, FleetError
from fleetctl.model import Command, Exit, Host, Reason
from fleetctl.transport.become import Dialogue, Stream
from fleetctl.transport.protocol import ExecFailed, OutputSink, TransportOptions
from fleetctl.transport.shell import Wire, kill_script, tagged, wire

__all__ = ["Local", "LocalConnection"]

_PIECE: Final = 256 * 1024
_KILL_SECONDS: Final = 5.0
_TAKE_TERMINAL: Final = ': <"$0"; eval "$1"'
"""A session leader that opens a terminal owns it (tty_ioctl(4)): no code runs between fork and exec."""


class Local:
    """This machine as a host."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options

    async def prepare(self, host: Host) -> None:
        """Do nothing: nobody is asked anything."""

    async def connect(
        self,
        host: Host,
        *,
        on_answer: Callable[[], None] | None = None,  # noqa: ARG002 - nobody to wait for
    ) -> LocalConnection:
        """Return a connection; there is nothing that could fail."""
        return LocalConnection(replace(host, user=_me()), self._options)

    async def close(self) -> None:
        """Do nothing: hosts share nothing here."""


def _me() -> str:
    """Return who this process acts as, whatever its environment says."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's uid without a name
        return str(os.geteuid())


class LocalConnection:
    """This machine, for one host of the inventory."""

    def __init__(self, host: Host, options: TransportOptions) -> None:
        self.host = host
        self.unended: list[str] = []
        self._options = options

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        """Run a command; see `fleetctl.transport.protocol.Connection.exec`."""
        command = tagged(command)
        sent = wire(command, password=await self._password() if command.become else None)
        child = await _start(sent)
        exchange = _Exchange(child=child, wire=sent, sink=sink)
        try:
            return await exchange.run(command.stdin)
        except BaseException:
            if exchange.begun:
                await self._cut_short(command)
            raise
        finally:
            await child.end()

    async def close(self) -> None:
        """Do nothing: every command has ended by then."""

    async def _password(self) -> str | None:
        try:
            return await asyncio.to_thread(self._options.credentials.become_password, self.host)
        except CredentialError as exc:
            raise ExecFailed(Reason.CREDENTIALS, exc.message, hint=exc.hint or "") from exc

    async def _cut_short(self, command: Command) -> None:
        proven = False
        try:
            proven = await self._kill(command)
        finally:
            if not proven:
                self.unended.append(command.tag)

    async def _kill(self, command: Command) -> bool:
        """End what a command left, as the user it became; return whether it is proven to be ended."""
        killer = replace(tagged(Command(script=kill_script(command.tag))), become=command.become)
        with contextlib.suppress(TimeoutError, ExecFailed, FleetError):
            async with asyncio.timeout(_KILL_SECONDS):
                sent = wire(killer, password=await self._password() if killer.become else None)
                child = await _start(sent)
                try:
                    return (await _Exchange(child=child, wire=sent, sink=_Nowhere()).run(None)).ok
                finally:
                    await child.end()
        return False


class _Nowhere:
    def stdout(self, data: bytes) -> None:
        """Drop it."""

    def stderr(self, data: bytes) -> None:
        """Drop it."""


class _Writer(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class _Child:
    """A started process and the ends of its streams that are ours."""

    process: asyncio.subprocess.Process
    stdin: _Writer
    outputs: tuple[tuple[Stream, asyncio.StreamReader], ...]
    release: Callable[[], None] = lambda: None

    async def end(self) -> None:
        """Leave no process of this session and no open descriptor behind."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _KILL_SECONDS)
        self.release()


async def _start(sent: Wire) -> _Child:
    try:
        return await (_on_terminal(sent) if sent.pty else _on_pipes(sent))
    except OSError as exc:
        raise ExecFailed(Reason.REMOTE, f"this machine cannot start a shell: {exc}") from exc


async def _on_pipes(sent: Wire) -> _Child:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", sent.command_line, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - as asked for with PIPE
    return _Child(
        process=process, stdin=process.stdin, outputs=(("stdout", process.stdout), ("stderr", process.stderr))
    )


async def _on_terminal(sent: Wire) -> _Child:
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", _TAKE_TERMINAL, os.ttyname(theirs), sent.command_line,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    reading, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(ours), "rb", 0)
    )
    flow = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    writing, _ = await loop.connect_write_pipe(lambda: flow, os.fdopen(ours, "wb", 0))
    stdin = asyncio.StreamWriter(writing, flow, None, loop)
    return _Child(process=process, stdin=stdin, outputs=(("stdout", reader),), release=reading.close)


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One command's traffic: dialogue first, then script and stdin in, output out."""

    child: _Child
    wire: Wire
    sink: OutputSink
    begun: bool = False

    async def run(self, stdin: bytes | Path | None) -> Exit:
        source = _opened(stdin)
        started = asyncio.Event()
        if self.wire.dialogue is None:
            started.set()
        outputs = [asyncio.ensure_future(self._read(*output, started)) for output in self.child.outputs]
        feeder = asyncio.ensure_future(self._feed(source, started))
        try:
            if self.wire.dialogue is not None:
                await self._become(self.wire.dialogue, outputs, started)
            await asyncio.gather(*outputs)
            return self._checked(_ended(await self.child.process.wait()))
        finally:
            for task in (feeder, *outputs):
                task.cancel()
            await asyncio.gather(feeder, *outputs, return_exceptions=True)
            if hasattr(source, "close"):
                source.close()

    def _checked(self, ended: Exit) -> Exit:
        opening = self.wire.opening
        if opening is None:
            return ended
        self._out("stdout", opening.rest("stdout"))
        self._out("stderr", opening.rest("stderr"))
        if (fault := opening.fault(ended)) is not None:
            raise fault
        return ended

    async def _become(
        self, dialogue: Dialogue, outputs: Sequence[asyncio.Future[None]], started: asyncio.Event
    ) -> None:
        """Wait until the other user's shell runs, or say why it does not."""
        waiting = asyncio.ensure_future(started.wait())
        ended = asyncio.gather(*outputs)
        try:
            await asyncio.wait(
                (waiting, ended), timeout=dialogue.seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if started.is_set():
            return
        if not ended.done():
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ended
            raise dialogue.overdue()
        await ended
        raise dialogue.ended(_ended(await self.child.process.wait()))

    async def _read(self, stream: Stream, reader: asyncio.StreamReader, started: asyncio.Event) -> None:
        dialogue, opening = self.wire.dialogue, self.wire.opening
        while True:
            try:
                data = await reader.read(_PIECE)
            except OSError:  # EIO: the last holder of a terminal closed it
                return
            if not data:
                return
            if opening is not None:
                data = opening.feed(stream, data)
            if dialogue is None or dialogue.ready:
                self._out(stream, data)
                continue
            step = dialogue.feed(stream, data)
            if step.failed:
                raise step.failed
            if step.send:
                self.child.stdin.write(step.send)
            self._out("stdout", step.stdout)
            self._out("stderr", step.stderr)
            if step.ready:
                started.set()

    def _out(self, stream: Stream, data: bytes) -> None:
        if data:
            (self.sink.stdout if stream == "stdout" else self.sink.stderr)(data)

    async def _feed(self, source: bytes | IO[bytes], started: asyncio.Event) -> None:
        await started.wait()
        self.begun = True
        try:
            self.child.stdin.write(self.wire.prologue)
            async for piece in _pieces(source):
                self.child.stdin.write(piece)
                await self.child.stdin.drain()
            await self.child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # it did not want all of its stdin, which is its right
        if not self.wire.pty:
            self.child.stdin.close()


def _opened(stdin: bytes | Path | None) -> bytes | IO[bytes]:
    if not isinstance(stdin, Path):
        return stdin or b""
    try:
        return stdin.open("rb", buffering=0)
    except OSError as exc:
        raise ExecFailed(Reason.PRECONDITION, f"cannot read {stdin}: {exc.strerror}") from exc


async def _pieces(source: bytes | IO[bytes]) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), _PIECE):
            yield source[start : start + _PIECE]
        return
    while piece := await asyncio.to_thread(source.read, _PIECE):
        yield piece


def _ended(code: int) -> Exit:
    """Tell an exit code from a signal, as `Popen.returncode` puts them."""
    if code >= 0:
        return Exit(code=code)
    try:
        return Exit(signal=signal.Signals(-code).name.removeprefix("SIG"))
    except ValueError:
        return Exit(signal=f"{-code}")
