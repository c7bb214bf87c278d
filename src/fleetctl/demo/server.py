"""Embedded SSH hosts on loopback: real SSH, real shells, no root and no system sshd.

Started as a process of its own (`python -m fleetctl.demo.server`, see `fleetctl.demo.hosts`) so that the client's side of what
is shown is honest. Every host is a port of 127.0.0.1 with its own host key, made when it starts and never written down.
One key and one user name get in; commands run through `/bin/sh` as the user who started the demo, in the host's own
folder. No pty, no forwarding, no sftp, no peer that is not on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

__all__ = ["EmbeddedHost", "Listening", "main", "serve", "write_key"]

LOOPBACK = "127.0.0.1"
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedHost:
    """One host to serve.

    Attributes:
        name: for `$FLEETCTL_DEMO_HOST`, and for the answer.
        home: folder that commands start in; their `$HOME`.
        port: TCP port; 0 takes a free one.
        delay: seconds that every command waits before it starts.
        down: hold the port and refuse every connection.
        env: what commands find in their environment, beside PATH, HOME, USER, SHELL, LANG.
        host_key: its private key; None makes a new one.
    """

    name: str
    home: Path
    port: int = 0
    delay: float = 0.0
    down: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    host_key: asyncssh.SSHKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a host answers. `host_key` is its public key as known_hosts carries it: type and base64; empty if it is down."""

    port: int
    host_key: str = ""


@contextlib.asynccontextmanager
async def serve(
    hosts: Sequence[EmbeddedHost], *, authorized: asyncssh.SSHKey, user: str = "demo"
) -> AsyncIterator[dict[str, Listening]]:
    """Serve hosts until the context is left; then every command that still runs is killed.

    Args:
        hosts: at least one; names are unique.
        authorized: the one key that logs in.
        user: the one user name that logs in.

    Yields:
        Where each host answers, by name.

    Raises:
        OSError: a port cannot be had.
    """
    async with contextlib.AsyncExitStack() as stack:
        yield {host.name: await _start(host, stack, authorized=authorized, user=user) for host in hosts}


async def _start(
    host: EmbeddedHost, stack: contextlib.AsyncExitStack, *, authorized: asyncssh.SSHKey, user: str
) -> Listening:
    listener = stack.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, host.port))
    port: int = listener.getsockname()[1]
    if host.down:  # bound and not listening: nobody else can answer there, and every connection is refused
        return Listening(port=port)
    key = host.host_key or asyncssh.generate_private_key("ssh-ed25519")
    connections: set[asyncssh.SSHServerConnection] = set()
    acceptor = await asyncssh.listen(
        sock=listener,
        backlog=512,
        server_factory=lambda: _Server(authorized, user, connections),
        process_factory=lambda process: _answer(host, user, process),
        server_host_keys=[key],
        encoding=None,
        line_editor=False,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        login_timeout=30,
    )
    stack.push_async_callback(_stop, acceptor, connections)
    return Listening(port=port, host_key=" ".join(key.export_public_key().decode().split()[:2]))


async def _stop(acceptor: asyncssh.SSHAcceptor, connections: set[asyncssh.SSHServerConnection]) -> None:
    acceptor.close()
    for connection in tuple(connections):
        connection.abort()
    await acceptor.wait_closed()
    for connection in tuple(connections):
        await connection.wait_closed()


class _Server(asyncssh.SSHServer):
    """One connection: loopback, the one user and the one key; nothing else."""

    def __init__(
        self, authorized: asyncssh.SSHKey, user: str, connections: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._authorized = authorized.public_data
        self._user = user
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)
        if not ipaddress.ip_address(conn.get_extra_info("peername")[0]).is_loopback:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncssh's
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == self._user and key.public_data == self._authorized


async def _answer(host: EmbeddedHost, user: str, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run one command; whatever happens, nothing of it is left when the channel is gone."""
    if process.command is None:
        process.stderr.write(b"this host runs commands only: it has no interactive shell\n")
        process.exit(1)
        return
    await asyncio.sleep(host.delay)
    if process.channel.is_closing():
        return
    # Not within what may be cancelled: a cancelled start kills the shell, and leaves what it has started already.
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=host.home,
        env=_environment(host, user),
        start_new_session=True,
    )
    gone = asyncio.ensure_future(process.channel.wait_closed())
    work = asyncio.ensure_future(_exchange(process, shell))
    try:
        await asyncio.wait({gone, work}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(shell.pid, signal.SIGKILL)
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
        await shell.wait()


async def _exchange(process: asyncssh.SSHServerProcess[bytes], shell: asyncio.subprocess.Process) -> None:
    """Carry input and output until the command has ended and nobody holds its output open, then tell how it ended."""
    feeding = asyncio.ensure_future(_feed(process.stdin, shell.stdin))
    try:
        await asyncio.gather(_pump(shell.stdout, process.stdout), _pump(shell.stderr, process.stderr))
        code = await shell.wait()
    finally:
        feeding.cancel()
    if code < 0:
        process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
    else:
        process.exit(code)


def _environment(host: EmbeddedHost, user: str) -> dict[str, str]:
    """Return a login's environment: of the server's own, only what a shell cannot do without."""
    return {
        "PATH": os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": str(host.home),
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/sh",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "FLEETCTL_DEMO_HOST": host.name,
        **host.env,
    }


async def _feed(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter | None) -> None:
    """Copy the client's input; a program that does not read its stdin is no failure."""
    if sink is None:
        return
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(ConnectionError):
        sink.close()


async def _pump(source: asyncio.StreamReader | None, sink: asyncssh.SSHWriter[bytes]) -> None:
    while source is not None and (data := await source.read(_CHUNK)):
        sink.write(data)
        await sink.drain()


def write_key(path: Path) -> asyncssh.SSHKey:
    """Make a login key and write its private half, which only its owner can read.

    Raises:
        OSError: the file exists, or cannot be written.
    """
    key = asyncssh.generate_private_key("ssh-ed25519", comment="fleetctl demo")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.export_private_key())
    return key


async def _serve_plan(plan: Mapping[str, Any]) -> None:
    """Serve what a plan says, tell where on stdout, and leave when stdin ends, life is over, or on TERM."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    stdin = sys.stdin.fileno()

    def starter_gone() -> None:
        if not os.read(stdin, 1):
            loop.remove_reader(stdin)
            over.set()

    # The other end of stdin is with whoever started this: when that process is gone, however it went, so are the hosts.
    loop.add_reader(stdin, starter_gone)
    hosts = [
        EmbeddedHost(
            name=item["name"],
            home=Path(item["home"]),
            delay=item.get("delay", 0.0),
            down=item.get("down", False),
        )
        for item in plan["hosts"]
    ]
    key = write_key(Path(plan["key"]))
    async with serve(hosts, authorized=key, user=plan["user"]) as listening:
        answer = {name: {"port": where.port, "host_key": where.host_key} for name, where in listening.items()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), plan["life"])


def main() -> None:
    """Read a plan, one line of JSON, from stdin, and serve it."""
    line = b""
    while not line.endswith(b"\n"):  # unbuffered: what follows must be left for the event loop to see
        data = os.read(sys.stdin.fileno(), 1)
        if not data:
            return
        line += data
    asyncio.run(_serve_plan(json.loads(line)))


if __name__ == "__main__":
    main()
