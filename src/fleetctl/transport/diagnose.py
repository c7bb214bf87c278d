"""Say why a host cannot be reached over SSH: one reason class per remedy, what happened, and what to do.

Needs no SSH library: disconnects are told apart by their number (RFC 4253, 11.1), which asyncssh carries in `code`.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from fleetctl.model import Host, Reason
from fleetctl.transport.known_hosts import Entry, HostName, Standing, Verdict, fingerprint
from fleetctl.transport.protocol import Unreachable

__all__ = ["Attempt", "Stage", "explain", "host_key_refused", "through_jump"]

_NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_PROTOCOL_ERROR, _KEY_EXCHANGE, _VERSION, _HOST_KEY, _LOST, _TOO_MANY, _NO_MORE_METHODS = (
    2,
    3,
    8,
    9,
    10,
    12,
    14,
)
_SHOWN = 120
"""Characters of what a server says that a message repeats."""


class Stage(IntEnum):
    """How far an attempt got."""

    LOOKUP = 0
    CONNECT = 1
    GREETING = 2
    KEY_EXCHANGE = 3
    LOGIN = 4


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt to connect, filled in as it goes.

    Attributes:
        host: the host of the inventory, or a jump host.
        address: DNS name or IP that is connected to.
        timeout: seconds it may take.
        opening: what came before an SSH version line, at most some hundred bytes.
        tried: what was offered to log in, in words.
        accepts: login methods that the server takes, as it told.
        refused: why the host key or a credential was refused, found while connecting.
        on_answer: called once when the host's version line has come.
    """

    host: Host
    address: str
    port: int
    user: str
    timeout: float
    stage: Stage = Stage.LOOKUP
    opening: bytes = b""
    tried: list[str] = field(default_factory=list)
    accepts: tuple[str, ...] = ()
    refused: Unreachable | None = None
    on_answer: Callable[[], None] | None = None

    @property
    def place(self) -> str:
        """Address and port for messages."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def explain(exc: BaseException, attempt: Attempt) -> Unreachable:  # noqa: PLR0911 - one return a class of ends
    """Turn whatever ended an attempt into a finding about the host."""
    if attempt.refused is not None:
        return attempt.refused
    if isinstance(exc, Unreachable):
        return exc
    if isinstance(exc, TimeoutError):
        return _timed_out(attempt)
    if isinstance(exc, (socket.gaierror, UnicodeError)):
        return _lookup_failed(exc, attempt)
    if isinstance(exc, OSError):
        return _network(exc, attempt)
    code = getattr(exc, "code", None)
    if isinstance(code, int):
        return _disconnected(code, str(getattr(exc, "reason", "") or exc), attempt)
    return Unreachable(
        Reason.TRANSPORT,
        f"{attempt.place}: {type(exc).__name__}: {exc}",
        hint=f"try it by hand: ssh -v -p {attempt.port} {attempt.user}@{attempt.address}",
    )


def _timed_out(attempt: Attempt) -> Unreachable:
    seconds = f"{attempt.timeout:g} s"
    if attempt.stage is Stage.LOOKUP:
        return Unreachable(
            Reason.DNS,
            f"the name {attempt.address} was not resolved within {seconds}",
            hint="check the resolver, or give the host an address in the inventory",
            retry=True,
        )
    if attempt.stage is Stage.CONNECT:
        return Unreachable(
            Reason.CONNECT_TIMEOUT,
            f"no answer from {attempt.place} within {seconds}",
            hint="is the host up, and does a firewall drop the packets? --connect-timeout allows more time",
            retry=True,
        )
    if attempt.stage is Stage.GREETING:
        return _not_ssh(attempt) or Unreachable(
            Reason.BANNER,
            f"{attempt.place} took the connection and then said nothing for {seconds}",
            hint="sshd hangs, the host is overloaded, or something else listens on that port",
            retry=True,
        )
    doing = "key exchange" if attempt.stage is Stage.KEY_EXCHANGE else f"login as '{attempt.user}'"
    return Unreachable(
        Reason.CONNECT_TIMEOUT,
        f"{doing} with {attempt.place} did not end within {seconds}",
        hint="the host is overloaded, or its login waits for DNS or a directory server; --connect-timeout allows more time",
        retry=True,
    )


def _lookup_failed(exc: BaseException, attempt: Attempt) -> Unreachable:
    passing = isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_AGAIN
    why = exc.strerror if isinstance(exc, socket.gaierror) and exc.strerror else "it is not a host name"
    return Unreachable(
        Reason.DNS,
        f"the name {attempt.address} does not resolve: {why.lower()}",
        hint="check the spelling, or give the host an address in the inventory",
        retry=passing,
    )


def _network(exc: OSError, attempt: Attempt) -> Unreachable:
    why = (exc.strerror or str(exc) or type(exc).__name__).lower()
    number = exc.errno
    if isinstance(exc, ConnectionRefusedError):
        return Unreachable(
            Reason.REFUSED,
            f"{attempt.place} refused the connection",
            hint="is sshd running, and is it this port?",
        )
    if isinstance(exc, (ConnectionError, EOFError)):
        return _closed(attempt, why)
    if number in _NO_ROUTE:
        return Unreachable(
            Reason.NO_ROUTE,
            f"no route to {attempt.place}: {why}",
            hint="check the network, the VPN, and whether a jump host is needed",
            retry=number != errno.EADDRNOTAVAIL,
        )
    if number in {errno.EACCES, errno.EPERM}:
        return Unreachable(
            Reason.NO_ROUTE,
            f"this machine's firewall does not let {attempt.place} be connected to",
            hint="check the local firewall",
        )
    if number in _OUT_OF_FILES:
        return Unreachable(
            Reason.TRANSPORT,
            f"this machine has no file descriptor left for {attempt.place}",
            hint="raise the limit (ulimit -n), or lower --max-concurrency",
            retry=True,
        )
    return Unreachable(
        Reason.TRANSPORT, f"{attempt.place}: {why}", hint="check the network between here and the host"
    )


def _disconnected(code: int, why: str, attempt: Attempt) -> Unreachable:  # noqa: PLR0911 - one return a number
    if code == _NO_MORE_METHODS or "too many authentication failures" in why.lower():
        return _login_refused(why, attempt)
    if code == _HOST_KEY:
        return _certificate_refused(why, attempt)
    if code == _KEY_EXCHANGE and "No matching" in why:
        return _no_common_algorithm(why, attempt)
    if code == _VERSION:
        return Unreachable(
            Reason.BANNER,
            f"{attempt.place} speaks a version of SSH that is not supported",
            hint="only SSH 2 is: upgrade its server",
        )
    if code == _TOO_MANY:
        return _overloaded(attempt, f"said: {why}")
    if code == _LOST and attempt.stage <= Stage.GREETING:
        return _closed(attempt, why)
    if code == _PROTOCOL_ERROR and attempt.stage <= Stage.GREETING:
        return _not_ssh(attempt) or _closed(attempt, why)
    if code in {_LOST, 11}:
        return _closed(attempt, why)
    if attempt.stage is Stage.KEY_EXCHANGE:
        return Unreachable(
            Reason.KEY_EXCHANGE,
            f"key exchange with {attempt.place} failed: {why[:_SHOWN]}",
            hint=f"try it by hand: ssh -v -p {attempt.port} {attempt.address}",
        )
    return Unreachable(
        Reason.CONNECTION_CLOSED,
        f"{attempt.place} ended the connection: {why[:_SHOWN]}",
        hint="sshd's log on the host says why",
        retry=True,
    )


def _closed(attempt: Attempt, why: str) -> Unreachable:
    said = _said(attempt)
    if "not allowed at this time" in said.lower():
        return Unreachable(
            Reason.MAX_STARTUPS,
            f"{attempt.place} refuses connections from here for a while: {said}",
            hint="sshd punishes failed logins (PerSourcePenalties): wait, correct the login, or exempt this address",
        )
    if "maxstartups" in said.lower().replace(" ", ""):
        return _overloaded(attempt, f"said: {said}")
    if attempt.stage is Stage.GREETING:
        return _not_ssh(attempt) or _overloaded(attempt, "closed the connection before it said a word")
    doing = {Stage.KEY_EXCHANGE: "during key exchange", Stage.LOGIN: "before the login was done"}
    return Unreachable(
        Reason.CONNECTION_CLOSED,
        f"{attempt.place} closed the connection {doing.get(attempt.stage, '')}".rstrip()
        + (f" ({why})" if why and "connection lost" not in why.lower() else ""),
        hint="sshd's log on the host says why; it may be full, restarting, or not let this user in",
        retry=True,
    )


def _overloaded(attempt: Attempt, what: str) -> Unreachable:
    return Unreachable(
        Reason.MAX_STARTUPS,
        f"{attempt.place} {what}",
        hint="too many logins at once: lower --connect-concurrency or raise MaxStartups there; "
        "if it is always so, look at sshd's log and hosts.deny",
        retry=True,
    )


def _said(attempt: Attempt) -> str:
    text = attempt.opening.decode("utf-8", "replace").strip()
    first = text.splitlines()[0] if text else ""
    return "".join(char for char in first if char.isprintable())[:_SHOWN]


def _not_ssh(attempt: Attempt) -> Unreachable | None:
    if not attempt.opening.strip():
        return None
    return Unreachable(
        Reason.BANNER,
        f"{attempt.place} is not an SSH server: it says '{_said(attempt)}'",
        hint="check the port",
    )


def _login_refused(why: str, attempt: Attempt) -> Unreachable:
    tried = ", ".join(attempt.tried) or "nothing that it takes"
    accepts = f"; it takes {', '.join(attempt.accepts)}" if attempt.accepts else ""
    message = f"{attempt.place} refused user '{attempt.user}': tried {tried}{accepts}"
    if "too many" in why.lower():
        return Unreachable(
            Reason.AUTHENTICATION,
            f"{message} (too many authentication failures)",
            hint="name one key (--identity, identity_file), or set IdentitiesOnly in ~/.ssh/config",
        )
    if "password" in attempt.accepts and "publickey" not in attempt.accepts:
        hint = "this host takes passwords only: --ask-pass, keyring, or FLEETCTL_SSH_PASSWORD"
    else:
        hint = f"check the user name and that the key is in ~{attempt.user}/.ssh/authorized_keys on the host"
    return Unreachable(Reason.AUTHENTICATION, message, hint=hint)


def _certificate_refused(why: str, attempt: Attempt) -> Unreachable:
    if "revoked" in why.lower():
        return Unreachable(
            Reason.HOST_KEY_REVOKED,
            f"{attempt.place} offers a key that known_hosts revokes ({why[:_SHOWN]})",
            hint="do not connect: give the host a new key",
        )
    return Unreachable(
        Reason.HOST_KEY_UNKNOWN,
        f"the host certificate of {attempt.place} is not accepted: {why[:_SHOWN]}",
        hint="renew it, check its principals (host names), and the @cert-authority line in known_hosts",
    )


def _no_common_algorithm(why: str, attempt: Attempt) -> Unreachable:
    what, _, offers = why.removeprefix("No matching ").partition(" algorithm found")
    offers = offers.rpartition("and received ")[2]
    return Unreachable(
        Reason.KEY_EXCHANGE,
        f"no {what} algorithm in common with {attempt.place}; it offers {offers or 'nothing'}",
        hint="upgrade its SSH server, or allow one of these for this host in ~/.ssh/config "
        "(KexAlgorithms, HostKeyAlgorithms, Ciphers or MACs with a leading +)",
    )


def host_key_refused(
    verdict: Verdict, *, host: Host, name: HostName, key_type: str, blob: bytes
) -> Unreachable:
    """Say why a host key is not accepted, with every fingerprint that a person needs to decide.

    Args:
        verdict: unknown, changed or revoked.
        host: the host as the inventory names it: `fleetctl hosts trust` takes this name.
        name: what it is called in known_hosts.
        key_type: of the key that it offers.
        blob: that key in SSH wire format.
    """
    offered = f"{key_type} {fingerprint(blob)}"
    if verdict.standing is Standing.REVOKED:
        return Unreachable(
            Reason.HOST_KEY_REVOKED,
            f"{name} offers {offered}, which is revoked at {_places(verdict.entries)}",
            hint="do not connect: the key is known to be stolen or retired; give the host a new one",
        )
    if verdict.standing is Standing.CHANGED:
        recorded = _comparable(verdict.entries, key_type)
        return Unreachable(
            Reason.HOST_KEY_CHANGED,
            f"{name} offers {offered}, but {recorded.place} has {recorded.key_type} {recorded.fingerprint}: "
            "another machine answers, or its key was changed",
            hint=f"compare with `ssh-keygen -lf` of the key in /etc/ssh on the host itself; if the new key is right:\n"
            f"fleetctl hosts trust --replace {host.name}",
        )
    return Unreachable(
        Reason.HOST_KEY_UNKNOWN,
        f"{name} is not in known_hosts; it offers {offered}",
        hint=f"fleetctl hosts trust {host.name}",
    )


def _comparable(entries: tuple[Entry, ...], key_type: str) -> Entry:
    return next((entry for entry in entries if entry.key_type == key_type), entries[0])


def _places(entries: tuple[Entry, ...]) -> str:
    return ", ".join(entry.place for entry in entries)


def through_jump(hop: str, inner: Unreachable) -> Unreachable:
    """Say that a jump host is the one that cannot be reached, and why."""
    return Unreachable(
        Reason.JUMP_HOST,
        f"jump host {hop} cannot be reached ({inner.reason.value}): {inner.message}",
        hint=inner.hint,
        retry=inner.retry,
    )
