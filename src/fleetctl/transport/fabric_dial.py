"""Open one Fabric connection, in a thread: socket, jump host, key exchange, each failure told apart."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import fabric
import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

from fleetctl.errors import CredentialError
from fleetctl.model import Reason
from fleetctl.transport.asyncssh_target import Target
from fleetctl.transport.diagnose import Attempt, Stage, explain
from fleetctl.transport.fabric_login import Identities, KnownHostsPolicy, Login
from fleetctl.transport.protocol import TransportOptions, Unreachable

__all__ = ["Dial"]

_LOST: Final = 10
_KEY_EXCHANGE: Final = 3
_NO_MORE_METHODS: Final = 14
_SHORTEST: Final = 0.1
_CURVE25519: Final = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


class _Ended(Exception):  # noqa: N818 - how a connection ended
    """A disconnect with its number (RFC 4253, 11.1), as `diagnose` tells them apart."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Transport(paramiko.Transport):
    """Paramiko's transport, which also keeps the name of the signal that ended a command (RFC 4254, 6.10)."""

    def _request(self: Any, message: Any) -> None:
        at = message.packet.tell()
        if message.get_text() == "exit-signal":
            message.get_boolean()
            self.fleetctl_signal = message.get_text()  # `self` is the channel here
        message.packet.seek(at)
        paramiko.Channel._handle_request(self, message)  # type: ignore[attr-defined]  # noqa: SLF001

    _channel_handler_table = {  # noqa: RUF012 - Paramiko's own table, with one entry replaced
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]  # noqa: SLF001
        MSG_CHANNEL_REQUEST: _request,
    }


class Dial:
    """One attempt to connect.

    Args:
        target: where to.
        options: of the transport.
        identities: keys of the run.
        hop: the jump host to go through, connected.
    """

    def __init__(
        self,
        target: Target,
        *,
        options: TransportOptions,
        identities: Identities,
        hop: fabric.Connection | None,
    ) -> None:
        self._target = target
        self._options = options
        self._identities = identities
        self._hop = hop
        self._socket: Any = None
        self._deadline = 0.0
        self._abandoned = False
        self.attempt = Attempt(
            host=target.host, address=target.address, port=target.port, user=target.user,
            timeout=options.connect_timeout,
        )  # fmt: skip

    def abandon(self) -> None:
        """Give up: the socket is closed, which ends `run` soon. Called from another thread."""
        self._abandoned = True
        if self._socket is not None:
            self._socket.close()

    def run(self, began: Callable[[], object]) -> fabric.Connection:
        """Connect and log in.

        Args:
            began: called first; the queue for a thread is no time of the host's.

        Raises:
            Unreachable: with the reason.
            CredentialError: a key of the command line cannot be used.
        """
        began()
        self._deadline = time.monotonic() + self._options.connect_timeout
        connection = None
        try:
            self._socket = self._reach()
            connection = self._connection()
            self._login(connection)
        except CredentialError:
            self._drop(connection)
            raise
        except Exception as exc:
            why = explain(self._translated(exc, connection), self.attempt)
            self._drop(connection)
            raise why from exc
        if self._abandoned:
            self._drop(connection)
            raise explain(TimeoutError(), self.attempt)
        return connection

    def _left(self) -> float:
        return max(_SHORTEST, self._deadline - time.monotonic())

    def _drop(self, connection: fabric.Connection | None) -> None:
        with contextlib.suppress(Exception):
            if connection is not None:
                connection.client.close()
            if self._socket is not None:
                self._socket.close()

    def _reach(self) -> Any:
        place = (self.attempt.address, self.attempt.port)
        if self._hop is not None:
            self.attempt.stage = Stage.CONNECT
            return self._through(self._hop, place)
        if self._target.proxy_command:
            self.attempt.stage = Stage.GREETING
            return paramiko.ProxyCommand(self._target.proxy_command)
        found = socket.getaddrinfo(*place, family=self._family(), type=socket.SOCK_STREAM)
        self.attempt.stage = Stage.CONNECT
        return self._first_that_answers(found)

    def _family(self) -> socket.AddressFamily:
        names = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
        return names.get(self._target.settings.address_family, socket.AF_UNSPEC)

    def _first_that_answers(self, found: list[Any]) -> socket.socket:
        trouble: OSError = OSError("no address")
        for family, kind, protocol, _, address in found:
            sock = self._socket = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left())
                if self._target.settings.bind_address:
                    sock.bind((self._target.settings.bind_address, 0))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # Paramiko sends keepalives and does not look for answers: the kernel does.
                patience = int(self._options.keepalive * 3000)
                if patience and hasattr(socket, "TCP_USER_TIMEOUT"):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
                self._greeted(sock)
            except OSError as exc:
                sock.close()
                trouble = exc
                if isinstance(exc, TimeoutError) or self.attempt.stage > Stage.CONNECT:
                    break
            else:
                return sock
        raise trouble

    def _greeted(self, sock: socket.socket) -> None:
        """Look at what the server says first, and leave it there for Paramiko."""
        self.attempt.stage = Stage.GREETING
        opening = sock.recv(512, socket.MSG_PEEK)
        self.attempt.opening = opening.partition(b"SSH-")[0]
        if not opening:
            raise ConnectionResetError("closed")

    def _through(self, hop: fabric.Connection, place: tuple[str, int]) -> Any:
        try:
            channel = hop.transport.open_channel(
                "direct-tcpip", place, ("127.0.0.1", 0), timeout=self._left()
            )
        except paramiko.ChannelException as exc:
            raise Unreachable(
                Reason.JUMP_HOST,
                f"jump host {hop.host} cannot reach {self.attempt.place}: {exc.text}",
                hint="check the address from the jump host, and AllowTcpForwarding in its sshd_config",
                retry=True,
            ) from exc
        self.attempt.stage = Stage.GREETING
        return channel

    def _connection(self) -> fabric.Connection:
        target = self._target
        connection = fabric.Connection(
            host=target.address, user=target.user, port=target.port, config=self._identities.config, gateway=False
        )  # fmt: skip
        accept_new = self._options.host_keys == "accept-new"
        policy = KnownHostsPolicy(target, accept_new=accept_new, attempt=self.attempt)
        connection.client.set_missing_host_key_policy(policy)
        return connection

    def _login(self, connection: fabric.Connection) -> None:
        left = self._left()
        connection.connect_kwargs = {
            "sock": self._socket,
            "timeout": left,
            "banner_timeout": left,
            "auth_timeout": left,
            "channel_timeout": left,
            "compress": self._target.settings.compression,
            "transport_factory": self._transport,
            "auth_strategy": Login(self._target, identities=self._identities, attempt=self.attempt),
        }
        connection.open()
        connection.transport.set_keepalive(
            max(1, int(self._options.keepalive)) if self._options.keepalive else 0
        )

    def _transport(self, sock: Any, **kwargs: Any) -> paramiko.Transport:
        transport = _Transport(sock, **kwargs)
        offers = transport.get_security_options()
        known = self._target.known_hosts.known(self._target.known_as)
        types = [
            name
            for entry in known.keys
            for name in (_RSA if entry.key_type == "ssh-rsa" else (entry.key_type,))
        ]
        first = [name for name in types if name in offers.key_types]
        offers.key_types = tuple(dict.fromkeys((*first, *offers.key_types)))
        if self._options.key_exchange == "curve25519":
            classic = tuple(name for name in offers.kex if name in _CURVE25519)
            offers.kex = classic or offers.kex
        return transport

    def _translated(self, exc: Exception, connection: fabric.Connection | None) -> BaseException:
        """Say in the words of `diagnose` what Paramiko raised."""
        if self._abandoned:
            return TimeoutError()
        transport = connection.client.get_transport() if connection is not None else None
        if transport is not None and self.attempt.stage is Stage.GREETING and transport.remote_version:
            self.attempt.stage = Stage.KEY_EXCHANGE
        if isinstance(exc, paramiko.AuthenticationException):
            return self._refused(exc, alive=bool(transport and transport.is_active()))
        if not isinstance(exc, (paramiko.SSHException, EOFError)):
            return exc
        if self._left() <= _SHORTEST:
            return TimeoutError()
        lost = (
            isinstance(exc, EOFError)
            or self.attempt.stage is Stage.GREETING
            or (transport is not None and not transport.is_active())
        )
        if isinstance(exc, paramiko.ssh_exception.IncompatiblePeer) or not lost:
            return _Ended(_KEY_EXCHANGE, str(exc))
        return _Ended(_LOST, str(exc) or "connection lost")

    def _refused(self, exc: paramiko.AuthenticationException, *, alive: bool) -> BaseException:
        results = [one.result for one in getattr(exc, "result", ())]
        for result in results:
            if isinstance(result, paramiko.BadAuthenticationType):
                self.attempt.accepts = tuple(result.allowed_types)
        if not alive and len(results) <= 1:
            return _Ended(_LOST, "connection lost")
        return _Ended(_NO_MORE_METHODS, "" if alive else "too many authentication failures")
