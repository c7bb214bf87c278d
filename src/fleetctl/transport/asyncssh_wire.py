"""Get bytes to a host's SSH port: name lookup, TCP, or a ProxyCommand's pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import Any

from fleetctl.transport.asyncssh_target import Target
from fleetctl.transport.diagnose import Attempt, Stage

__all__ = ["Lookups", "Proxy", "Together", "connect_tcp", "start_proxy"]

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_SAID = 4096
"""Bytes kept of what a ProxyCommand says last."""
_AT_ONCE = 64
"""Lookups at once; asyncio's own pool has six threads on two cores, which a few dead resolvers fill."""


class Lookups:
    """Name lookups of a run, each name once.

    They run in threads that are left behind when nobody waits any more: a dead resolver must not hold up the end of a run.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._known: dict[tuple[str, int, int], asyncio.Task[list[Any]]] = {}

    async def find(self, name: str, port: int, *, family: int = socket.AF_UNSPEC) -> list[Any]:
        """Return what `socket.getaddrinfo` does.

        Raises:
            OSError: the name does not resolve; the next one who asks tries again.
        """
        literal = _literal(name, port)
        if literal is not None:
            return [literal]
        key = name, port, family
        task = self._known.get(key)
        if task is None:
            task = self._known[key] = asyncio.create_task(self._resolve(name, port, family))
            task.add_done_callback(lambda done: self._forget_failure(key, done))
        return await asyncio.shield(task)

    def _forget_failure(self, key: tuple[str, int, int], task: asyncio.Task[list[Any]]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._known.pop(key, None)

    async def _resolve(self, name: str, port: int, family: int) -> list[Any]:
        async with self._places:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[list[Any]] = loop.create_future()

            def tell(found: list[Any] | BaseException) -> None:
                if answer.done():
                    return
                if isinstance(found, BaseException):
                    answer.set_exception(found)
                else:
                    answer.set_result(found)

            def work() -> None:
                found: list[Any] | BaseException
                try:
                    found = list(socket.getaddrinfo(name, port, family=family, type=socket.SOCK_STREAM))
                except (OSError, UnicodeError) as exc:
                    found = exc
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    loop.call_soon_threadsafe(tell, found)

            threading.Thread(target=work, name=f"fleetctl-lookup-{name}", daemon=True).start()
            return await answer

    async def close(self) -> None:
        """Stop waiting for answers."""
        for task in list(self._known.values()):
            task.cancel()
        self._known.clear()


def _literal(name: str, port: int) -> tuple[int, int, int, str, tuple[str, int]] | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, name)
            return family, socket.SOCK_STREAM, 0, "", (name, port)
    return None


async def connect_tcp(target: Target, lookups: Lookups, attempt: Attempt) -> socket.socket:
    """Connect to the first of a host's addresses that answers; each but the last gets its share of the time.

    Raises:
        OSError: none did.
    """
    attempt.stage = Stage.LOOKUP
    family = _FAMILIES.get(target.settings.address_family, socket.AF_UNSPEC)
    addresses = await lookups.find(target.address, target.port, family=family)
    attempt.stage = Stage.CONNECT
    trouble: OSError | None = None
    for number, (found, kind, protocol, _, address) in enumerate(addresses, 1):
        share = None if number == len(addresses) else attempt.timeout / len(addresses)
        try:
            async with asyncio.timeout(share):
                return await _connect(socket.socket(found, kind, protocol), address, target)
        except OSError as exc:
            # A refusal says more than a missing route of the other address family.
            if trouble is None or isinstance(exc, (ConnectionError, TimeoutError)):
                trouble = exc
    raise trouble or OSError("no address")


async def _connect(sock: socket.socket, address: Any, target: Target) -> socket.socket:
    try:
        sock.setblocking(False)
        if target.settings.bind_address:
            sock.bind((target.settings.bind_address, 0))
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


class Proxy:
    """A running ProxyCommand.

    Attributes:
        sock: our end of its stdin and stdout.
    """

    def __init__(self, process: asyncio.subprocess.Process, sock: socket.socket) -> None:
        self._process = process
        self.sock = sock
        self._said = b""
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        """Take all that it says on stderr, from its start: one that nobody listens to would stop at a full pipe."""
        assert self._process.stderr is not None  # noqa: S101 - as asked for with PIPE
        while data := await self._process.stderr.read(_SAID):
            self._said = (self._said + data)[-_SAID:]

    async def stop(self) -> str:
        """End it, and return the last of what it said on stderr."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._listening  # its children may hold it open
                await self._process.wait()
        self._listening.cancel()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        lines = [line.strip() for line in self._said.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""


async def start_proxy(command: str) -> Proxy:
    """Start a ProxyCommand in the user's shell, as OpenSSH does.

    Raises:
        OSError: there is no such shell.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                os.environ.get("SHELL") or "/bin/sh",
                "-c",
                command if command.startswith("exec ") else f"exec {command}",
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
    except BaseException:
        ours.close()
        raise
    ours.setblocking(False)
    return Proxy(process, ours)


class Together:
    """A transport that sends what is written in one turn of the event loop in one system call.

    asyncssh writes each packet by itself; a host gets half as many, and its sshd wakes up half as often.

    Args:
        transport: the real one.
    """

    __slots__ = ("_loop", "_pieces", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def flush(self) -> None:
        """Send now."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            with contextlib.suppress(OSError):  # the connection is gone: its end is told elsewhere
                self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        """Send what is left, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Send what can be sent at once, and close."""
        self.flush()
        self._transport.abort()
