"""The contract between the engine and every way to reach a host.

A transport is two small classes. `Transport` lives for a whole run and holds what all hosts share (parsed keys,
known_hosts, thread pools); `Connection` is one open connection. A new way to reach hosts is one file that implements
both and one line under `[project.entry-points."fleetctl.transports"]`; `tests/contract` then runs over it unasked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fleetctl.model import Command, Exit, Host, Reason

__all__ = [
    "Connection",
    "Credentials",
    "ExecFailed",
    "NoCredentials",
    "OutputSink",
    "Transport",
    "TransportOptions",
    "Unreachable",
]


class Unreachable(Exception):  # noqa: N818 - a finding about a host, not a fault of the program
    """Nothing was started on the host, and nothing will be. The engine turns it into an `Undeliverable` outcome.

    Args:
        reason: the class that decides the remedy.
        message: one sentence: what happened, with the address.
        hint: what the operator should do; may be empty.
        retry: whether another attempt may succeed (a timeout, MaxStartups), as opposed to a wrong key.
    """

    def __init__(self, reason: Reason, message: str, *, hint: str = "", retry: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.retry = retry


class ExecFailed(Exception):  # noqa: N818
    """A connected host could not run the command, or its end was not seen.

    `started` tells whether the command may have begun: if so and the connection was lost, its state is `Unknown`.
    """

    def __init__(self, reason: Reason, message: str, *, hint: str = "", started: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.started = started


class OutputSink(Protocol):
    """Where output goes, as it comes. Called from the event loop; must not block for long and must not keep `data`."""

    def stdout(self, data: bytes) -> None:
        """Take bytes of stdout."""

    def stderr(self, data: bytes) -> None:
        """Take bytes of stderr."""


class Connection(Protocol):
    """One open connection to one host.

    Attributes:
        host: the host; its `user` is who is really logged in.
        unended: tags of commands that were begun and cut short here, and are not proven to be ended: they may still run.
    """

    host: Host
    unended: list[str]

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        """Run a command and stream its output until it ends.

        Cancelling this coroutine kills the command on the host, its children included, as well as the host allows,
        within about five seconds, and then raises `asyncio.CancelledError`. Where the host did not show that nothing is left,
        the command's tag is added to `unended` before.

        Raises:
            ExecFailed: it could not be started, or the connection was lost before its end was seen.
        """

    async def close(self) -> None:
        """Close it; never raises, never takes longer than a few seconds."""


class Transport(Protocol):
    """One way to reach hosts. Made once a run as `Class(options)`."""

    async def prepare(self, host: Host) -> None:
        """Have at hand what a person may have to type for this host (a key's passphrase), before any clock runs.

        What cannot be had is told by `connect`.

        Raises:
            CredentialError: a key that the command line or project names cannot be read.
        """

    async def connect(self, host: Host, *, on_answer: Callable[[], None] | None = None) -> Connection:
        """Open a connection within `options.connect_timeout` seconds.

        Args:
            host: where to.
            on_answer: to be called, from the event loop, when the host first says something: it is alive, and what
                follows costs both sides CPU. A transport that cannot tell never calls it.

        Raises:
            Unreachable: always this and nothing else, whatever went wrong with this host.
            CredentialError: a key that the *command line or project* names cannot be read: the run makes no sense.
        """

    async def close(self) -> None:
        """Let go of everything that hosts shared. Connections must be closed before."""


class Credentials(Protocol):
    """Where passwords and passphrases come from. Answers are remembered for the run; none is ever logged."""

    def password(self, host: Host) -> str | None:
        """Login password, or None if there is none to be had."""

    def become_password(self, host: Host) -> str | None:
        """Password for sudo, doas or su on that host, or None."""

    def passphrase(self, key_file: Path) -> str | None:
        """Passphrase of an encrypted private key, or None."""

    def secrets(self) -> frozenset[str]:
        """Every secret given out so far, for redaction."""


class NoCredentials:
    """Knows no secret at all."""

    def password(self, host: Host) -> str | None:  # noqa: ARG002
        """Know none."""
        return None

    def become_password(self, host: Host) -> str | None:  # noqa: ARG002
        """Know none."""
        return None

    def passphrase(self, key_file: Path) -> str | None:  # noqa: ARG002
        """Know none."""
        return None

    def secrets(self) -> frozenset[str]:
        """Know none."""
        return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """What a transport needs to know about the run.

    Attributes:
        connect_timeout: seconds for everything from DNS to a logged-in connection.
        known_hosts: files to check host keys against, in order; empty means `~/.ssh/known_hosts` and
            `/etc/ssh/ssh_known_hosts`.
        host_keys: `strict` refuses an unknown host; `accept-new` records it in the first known_hosts file. A changed
            key is refused by both.
        ssh_config: the user's OpenSSH configuration; `None` means `~/.ssh/config` where it exists.
        identity_file: keys named on the command line, tried before those of the host.
        key_exchange: `default`, or `curve25519` to leave post-quantum exchanges (ten times the CPU) aside on purpose.
        inventory: hosts by name, for jump hosts that the inventory describes.
        keepalive: seconds between keepalives on an idle connection; three unanswered ones lose it.
    """

    connect_timeout: float = 10.0
    known_hosts: tuple[Path, ...] = ()
    host_keys: str = "strict"
    ssh_config: Path | None = None
    identity_file: tuple[Path, ...] = ()
    key_exchange: str = "default"
    inventory: dict[str, Host] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=NoCredentials)
    keepalive: float = 15.0
    extra: dict[str, Any] = field(default_factory=dict)
