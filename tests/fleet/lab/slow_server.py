"""The server of `slow`: run as `python slow_server.py PORT DELAY HOST_KEY AUTHORIZED_KEYS`.

Answers on every loopback address. Whatever it is asked to run, it waits DELAY seconds, prints `out-of-ADDRESS` and
exits 0; `delay N` as the command waits N seconds instead. To fleetctl it says first what the shell of its commands would. It costs little CPU and holds a thousand sessions, so what
is measured against it is the client's concurrency. No key lets the user `stranger` in.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys

import asyncssh


class Session(asyncssh.SSHServerSession[bytes]):
    """One command: wait, answer, leave."""

    def __init__(self, answer: bytes, delay: float) -> None:
        self._answer = answer
        self._delay = delay
        self._mark = b""
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        words = command.split()
        if len(words) == 2 and words[0] == "delay":
            self._delay = float(words[1])
        if "[fleetctl ready" in command:
            self._mark = f"[fleetctl ready {words[-1]}]\n".encode()
        return True

    def session_started(self) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._finish)

    def eof_received(self) -> bool:
        return True  # the answer is still to come

    def _finish(self) -> None:
        if self._channel and not self._channel.is_closing():
            if self._mark:
                self._channel.write_stderr(self._mark)
            self._channel.write(self._answer)
            self._channel.exit(0)


class Server(asyncssh.SSHServer):
    """One connection to one of the addresses."""

    def __init__(self, delay: float, keys: frozenset[bytes]) -> None:
        self._delay = delay
        self._keys = keys
        self._address = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        if not ipaddress.ip_address(conn.get_extra_info("peername")[0]).is_loopback:
            conn.abort()
            return
        self._address = conn.get_extra_info("sockname")[0]

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username != "stranger" and key.public_data in self._keys

    def session_requested(self) -> Session:
        return Session(f"out-of-{self._address}\n".encode(), self._delay)


async def serve(port: int, delay: float, host_key: str, authorized_keys: str) -> None:
    """Serve until killed."""
    keys = frozenset(key.public_data for key in asyncssh.read_public_key_list(authorized_keys))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - peers that are not on loopback are dropped
    await asyncssh.listen(
        sock=listener,
        backlog=4096,
        server_factory=lambda: Server(delay, keys),
        server_host_keys=[asyncssh.read_private_key(host_key)],
        encoding=None,
        line_editor=False,
        gss_host=None,
        agent_forwarding=False,
        login_timeout=120,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]))
