"""The client's side of one SSH connection: watch how far it gets, judge the host key, log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncssh

from fleetctl.model import Reason
from fleetctl.transport.asyncssh_login import Login
from fleetctl.transport.asyncssh_target import Target
from fleetctl.transport.asyncssh_wire import Together
from fleetctl.transport.diagnose import Attempt, Stage, host_key_refused
from fleetctl.transport.known_hosts import Standing, Verdict
from fleetctl.transport.known_hosts_file import record_new
from fleetctl.transport.protocol import Unreachable

__all__ = ["Client", "Link"]

_OPENING = 512
"""Bytes kept of what comes before a version line."""


class Link(asyncssh.SSHClientConnection):
    """An asyncssh connection that notes in an `Attempt` how far it gets.

    asyncssh drops what a server says before its version line, which is where `Exceeded MaxStartups` stands.
    """

    attempt: Attempt

    def connection_made(self, transport: Any) -> None:
        """Note that TCP is there."""
        self.attempt.stage = Stage.GREETING
        super().connection_made(Together(transport))  # type: ignore[arg-type]

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Keep the first bytes until a version line has come."""
        attempt = self.attempt
        if attempt.stage is Stage.GREETING:
            if len(attempt.opening) < _OPENING:
                attempt.opening += data[:_OPENING]
            super().data_received(data, datatype)
            if self.get_extra_info("server_version"):
                attempt.stage = Stage.KEY_EXCHANGE
                if attempt.on_answer is not None:
                    attempt.on_answer()
            return
        super().data_received(data, datatype)

    def send_packet(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        """Leave out the empty packet that asyncssh sends before each packet.

        It hides the IV of CBC ciphers (OpenSSH sends it for those only) and costs half of all system calls.
        """
        if pkttype == asyncssh.MSG_IGNORE and not self.get_extra_info("send_cipher", "").endswith("-cbc"):
            return
        super().send_packet(pkttype, *args, handler=handler)

    def validate_server_host_key(self, key_data: bytes) -> asyncssh.SSHKey:
        """Note that the host is who it should be."""
        key = super().validate_server_host_key(key_data)
        self.attempt.stage = Stage.LOGIN
        return key

    def offered_host_keys(self) -> tuple[str, ...]:
        """Return the host key algorithms that the server offers (RFC 4253, 7.1), once key exchange has begun."""
        packet = self._server_kexinit[1 + 16 :]  # its number, a cookie
        for _ in range(2):  # key exchange algorithms, then host key algorithms
            size = int.from_bytes(packet[:4], "big")
            names, packet = packet[4 : 4 + size], packet[4 + size :]
        return tuple(names.decode("ascii", "replace").split(","))

    def try_next_auth(self, *, next_method: bool = False) -> None:
        """Note what the server takes, before asyncssh uses the list up."""
        methods = self.get_server_auth_methods()
        if not next_method and methods and methods != ["none"]:
            self.attempt.accepts = tuple(methods)
        super().try_next_auth(next_method=next_method)


class Client(asyncssh.SSHClient):
    """Answers asyncssh's questions about one connection.

    Args:
        on_recorded: record an unknown host instead of refusing it, and call this with the file that it was recorded in.

    Attributes:
        other_types: set when the host offered a key of another type than those on record: try again with these first.
    """

    def __init__(
        self,
        *,
        target: Target,
        attempt: Attempt,
        login: Login,
        on_recorded: Callable[[Path], None] | None = None,
    ) -> None:
        self._target = target
        self._attempt = attempt
        self._login = login
        self._on_recorded = on_recorded
        self._answered = False
        self._secret: str | None = None
        self.other_types: tuple[str, ...] = ()

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """Judge the host's key by known_hosts."""
        target = self._target
        verdict = target.known_hosts.judge(target.known_as, key.public_data)
        if verdict.standing is Standing.TRUSTED:
            return True
        key_type = key.algorithm.decode("ascii")
        if verdict.standing is Standing.UNKNOWN and self._on_recorded is not None:
            known = self._record(key_type, key.public_data, self._on_recorded)
            if known is None or known.standing is Standing.TRUSTED:
                return known is not None
            verdict = known
        types = {entry.key_type for entry in verdict.entries}
        if verdict.standing is Standing.CHANGED and key_type not in types:
            self.other_types = tuple(types)
        self._refuse(verdict, key_type, key.public_data)
        return False

    def _record(self, key_type: str, blob: bytes, on_recorded: Callable[[Path], None]) -> Verdict | None:
        target = self._target
        path = target.known_hosts.files[0]
        try:
            verdict = record_new(
                target.known_hosts,
                target.known_as,
                key_type=key_type,
                blob=blob,
                hashed=target.settings.hash_known_hosts,
            )
        except OSError as exc:
            self._attempt.refused = Unreachable(
                Reason.HOST_KEY_UNKNOWN,
                f"the new host key of {target.known_as} cannot be recorded in {path}: {exc.strerror or exc}",
                hint="make that file writable, or name another one with --known-hosts",
            )
            return None
        on_recorded(path)
        return verdict

    def _refuse(self, verdict: Verdict, key_type: str, blob: bytes) -> None:
        self._attempt.refused = host_key_refused(
            verdict, host=self._target.host, name=self._target.known_as, key_type=key_type, blob=blob
        )

    def public_key_auth_requested(
        self,
    ) -> Sequence[asyncssh.SSHKeyPair] | Awaitable[Sequence[asyncssh.SSHKeyPair]]:
        """Give the next keys to try."""
        keys = self._login.next_keys()
        return self._login.load_keys() if keys is None else keys

    async def password_auth_requested(self) -> str | None:
        """Give the password, once."""
        return await self._login.password()

    async def kbdint_auth_requested(self) -> str | None:
        """Agree to questions, if there is a password to answer them with."""
        self._secret = await self._login.password()
        return None if self._secret is None else ""

    def kbdint_challenge_received(
        self,
        name: str,  # noqa: ARG002
        instructions: str,  # noqa: ARG002
        lang: str,  # noqa: ARG002
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str] | None:
        """Answer one hidden question with the password; anything else cannot be answered by a program."""
        if not prompts:
            return []
        if self._answered or self._secret is None or len(prompts) != 1 or prompts[0][1]:
            return None
        self._answered = True
        return [self._secret]
