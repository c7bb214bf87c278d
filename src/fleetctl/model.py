"""The plain types that every room speaks: hosts, commands, and what became of them.

Words follow AWS Systems Manager. A **run** is one order to many hosts, an **invocation** is one host's share of it.
Nothing here does I/O, and nothing here imports anything outside the standard library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

from fleetctl.errors import Where

__all__ = [
    "EMPTY",
    "Become",
    "Command",
    "Exit",
    "Host",
    "Outcome",
    "Reason",
    "Status",
]


class _Empty(Mapping[str, Any]):
    """An empty mapping that nobody can fill; hashable, so that dataclasses take it as a default (Python 3.11)."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "EMPTY"


EMPTY: Final[Mapping[str, Any]] = _Empty()


class Status(StrEnum):
    """State of an invocation (SSM: CommandInvocationStatus, plus our own `Unknown`)."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCESS = "Success"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    UNDELIVERABLE = "Undeliverable"
    CANCELLED = "Cancelled"
    TERMINATED = "Terminated"
    SKIPPED = "Skipped"
    UNKNOWN = "Unknown"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to this invocation by itself."""
        return self not in {Status.PENDING, Status.IN_PROGRESS}

    @property
    def is_error(self) -> bool:
        """Whether it counts against `--max-errors` (SSM: Failed and Execution Timed Out do, unreachable does not)."""
        return self in {Status.FAILED, Status.TIMED_OUT, Status.UNKNOWN}


class Reason(StrEnum):
    """Why a host could not be reached, or why its work did not succeed: one class per remedy."""

    # Undeliverable: nothing was started on the host.
    DNS = "dns"
    REFUSED = "refused"
    NO_ROUTE = "no-route"
    CONNECT_TIMEOUT = "connect-timeout"
    BANNER = "banner"
    MAX_STARTUPS = "max-startups"
    KEY_EXCHANGE = "key-exchange"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    HOST_KEY_CHANGED = "host-key-changed"
    HOST_KEY_REVOKED = "host-key-revoked"
    AUTHENTICATION = "authentication"
    CREDENTIALS = "credentials"
    JUMP_HOST = "jump-host"
    CONNECTION_CLOSED = "connection-closed"
    TRANSPORT = "transport"
    # Started, and did not end well.
    EXIT_CODE = "exit-code"
    SIGNAL = "signal"
    EXECUTION_TIMEOUT = "execution-timeout"
    CONNECTION_LOST = "connection-lost"
    CONTROLLER_LOST = "controller-lost"
    BECOME_PASSWORD_MISSING = "become-password-missing"  # noqa: S105 - a class of reasons, not a secret
    BECOME_PASSWORD_WRONG = "become-password-wrong"  # noqa: S105
    BECOME_NOT_ALLOWED = "become-not-allowed"
    BECOME_MISSING = "become-missing"
    REMOTE = "remote"
    OUTPUT = "output"
    PACKAGES = "packages"
    PACKAGES_LOCKED = "packages-locked"
    PLAN_MOVED = "plan-moved"
    HOOK = "hook"
    JOB_LOST = "job-lost"
    DISK_FULL = "disk-full"
    READ_ONLY = "read-only"
    REBOOT_REFUSED = "reboot-refused"
    REBOOT_NOT_DOWN = "reboot-never-went-down"
    REBOOT_NOT_BACK = "reboot-never-came-back"
    REBOOT_DEGRADED = "reboot-degraded"
    REBOOT_LOOP = "reboot-loop"
    # Never started.
    PRECONDITION = "precondition"
    ERROR_BUDGET = "error-budget"
    UNREACHABLE_BUDGET = "unreachable-budget"
    INTERRUPTED = "interrupted"
    GATE = "gate"
    PAUSED = "paused"
    REBOOT_REQUESTED = "reboot-requested"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Become:
    """How to become another user on a host.

    The password is not here: a transport asks its `Credentials` for it and sends it on stdin.
    """

    method: Literal["sudo", "doas", "su"] = "sudo"
    user: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine of the fleet, with everything that groups and defaults give it already merged in.

    Attributes:
        name: its unique name; SSM's `InstanceId` in reports.
        address: DNS name or IP; `None` means `name`.
        port: TCP port; `None` means what `~/.ssh/config` says, else the transport's default.
        user: login name; `None` means what `~/.ssh/config` says, else the local user.
        identity_file: private key files, tried in order, `~` not yet expanded; empty means config, agent, defaults.
        transport: entry point name in the group `fleetctl.transports`.
        become: how commands become another user there; `None` means they do not unless the order says so.
        jump: `name`, `user@host:port` or a comma chain of these, the first hop first; a name of the inventory
            is reached as the inventory says.
        groups: every group it is in, children before parents, `all` left out.
        vars: free values for templates.
        source: where it was declared.
    """

    name: str
    address: str | None = None
    port: int | None = None
    user: str | None = None
    identity_file: tuple[str, ...] = ()
    transport: str = "ssh"
    become: Become | None = None
    jump: str | None = None
    tags: Mapping[str, str] = EMPTY
    groups: tuple[str, ...] = ()
    zone: str | None = None
    platform: str | None = None
    patch_group: str | None = None
    vars: Mapping[str, Any] = EMPTY
    source: Where | None = field(default=None, compare=False)

    @property
    def target(self) -> str:
        """The DNS name or IP to connect to."""
        return self.address or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to execute on one host, as data: it is quoted in one place, `fleetctl.transport.shell`.

    Attributes:
        script: the program text. It never appears in an argv on the host.
        interpreter: argv of what runs it. The POSIX shells (`sh`, `bash`, `dash`, `ksh`, `zsh`, `ash`) evaluate it; any
            other program is given it as a file `/dev/fd/3`, so that stdin stays free.
        args: positional parameters (`$1`, `$2` ...) of the script.
        env: exported before it starts; values may be secret.
        cwd: entered first; failing to is an error (exit code 126).
        become: `None` runs it as the login user.
        stdin: fed to the script, then closed; a `Path` is streamed.
        tag: put into the process's name (`$0`), so that it can be found, and killed, on the host.
    """

    script: str
    interpreter: tuple[str, ...] = ("sh",)
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default=EMPTY, repr=False)
    cwd: str | None = None
    become: Become | None = None
    stdin: bytes | Path | None = field(default=None, repr=False)
    tag: str = "fleetctl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a remote process ended. Exactly one of the two is set: `code` 0-255, or `signal` such as `KILL`."""

    code: int | None = None
    signal: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one invocation. A failing host is this, never an exception.

    Attributes:
        details: SSM's StatusDetails where they say more than the status (`Execution Timed Out`); defaults to `status`.
        reason: the class of what went wrong; `None` on success.
        message: one sentence for people; empty on success.
        hint: what to do about it; empty if there is nothing to say.
        response_code: SSM's ResponseCode: the exit code, 128+n for a signal is *not* made up; -1 means never started.
        signal: name of the signal that ended the process (`TERM`), if one did.
        started, ended: aware UTC; `None` if it never started.
        stdout_bytes, stderr_bytes: sizes of what is stored under `out/<host>/`.
        stdout_digest, stderr_digest: BLAKE2b-128 hex of the stored bytes; equal output has equal digests.
        data: what the task made of the output (a scan's result, say), JSON-ready; empty for plain commands.
    """

    host: str
    status: Status
    details: str = ""
    reason: Reason | None = None
    message: str = ""
    hint: str = ""
    response_code: int = -1
    signal: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    stdout_digest: str = ""
    stderr_digest: str = ""
    attempts: int = 1
    data: Mapping[str, Any] = EMPTY

    @property
    def status_details(self) -> str:
        """SSM's StatusDetails."""
        return self.details or self.status.value
