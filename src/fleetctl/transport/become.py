"""Become another user on a host: which program is asked, and how its password prompt is answered.

The shell that `sudo`, `doas` or `su` starts says *ready* on stderr before it reads anything. Only then is the script sent,
so a script can never be taken for a password, and "did it start?" has a certain answer. Whatever the program printed
when the mark did not come decides the reason. A password is sent once: a second prompt is an answer, not a
question (pam_faillock counts every try).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Final, Literal

from fleetctl.errors import UsageError
from fleetctl.model import Become, Exit, Reason
from fleetctl.transport.protocol import ExecFailed

__all__ = ["PATIENCE", "Dialogue", "Escalation", "Step", "Stream", "escalation", "ready_mark"]

Stream = Literal["stdout", "stderr"]

PATIENCE: Final = 20.0
"""Seconds until *ready*. PAM delays a refusal by 2-3 s, a directory server that is slow adds some."""

_HELD: Final = 64 * 1024
"""Bytes looked at before *ready*; a host that prints more than this at login is not going to get ready."""

_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+$-]*")
_ASKS = re.compile(rb"[^\r\n]*(?:password|passcode|passphrase)[^\r\n]*: ?\Z", re.IGNORECASE)

_MISSING_PROGRAM = "fleetctl: cannot find "


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do after feeding a piece of output.

    Attributes:
        send: write this to the program's stdin now.
        ready: the shell runs: send the prologue and the user's stdin. True exactly once.
        stdout, stderr: pass these on to the sink.
        failed: it will not get ready: close the channel and raise this.
    """

    send: bytes = b""
    ready: bool = False
    stdout: bytes = b""
    stderr: bytes = b""
    failed: ExecFailed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """How a command line becomes another user.

    Attributes:
        program: POSIX shell text that ends in `exec ... "$@"`, without `'`, backslash and `!`.
        first: words put before the inner argv, for `program` to shift away.
        pty: whether the program insists on a terminal.
        prompt: what its prompt looks like; `None` when it was told never to ask.
    """

    program: str
    first: tuple[str, ...] = ()
    pty: bool = False
    prompt: re.Pattern[bytes] | None = None


def ready_mark(tag: str) -> bytes:
    """Return what the started shell prints on stderr before it reads its script."""
    return f"[fleetctl ready {tag}]".encode()


def escalation(become: Become, *, password: bool) -> Escalation:
    """Choose the program and its arguments.

    `LANGUAGE=en` makes messages English and, unlike LC_ALL, leaves the encoding of the command itself alone (sudo hands
    both on); the script's first act is to take it back.

    Args:
        become: the method and the user.
        password: whether there is one to answer with; without, the program is told never to ask.

    Raises:
        UsageError: a user name that no Unix has.
    """
    if not _USER.fullmatch(become.user):
        raise UsageError(
            f"'{become.user}' is not a user name", hint="name the user to become by its login name"
        )
    user, method = become.user, become.method
    look = (
        f"command -v {method} >/dev/null 2>&1 || {{ echo {_MISSING_PROGRAM}{method} >&2; exit 127; }}; "
        "LANGUAGE=en; export LANGUAGE; "
    )
    if method == "sudo":
        if not password:
            return Escalation(program=f'{look}exec sudo -n -H -u {user} -- "$@"')
        prompt = f"[fleetctl {secrets.token_hex(8)}]"
        return Escalation(
            program=f'{look}exec sudo -S -p "{prompt}" -H -u {user} -- "$@"',
            prompt=re.compile(re.escape(prompt.encode())),
        )
    if method == "doas":
        if not password:
            return Escalation(program=f'{look}exec doas -n -u {user} -- "$@"')
        # doas reads from /dev/tty only. Raw, so that what follows is byte for byte what was sent.
        raw = "stty raw -echo 2>/dev/null; "
        return Escalation(program=f'{look}{raw}exec doas -u {user} -- "$@"', pty=True, prompt=_ASKS)
    # -s: the target may have /usr/sbin/nologin. su reads the password from stdin where there is no terminal.
    return Escalation(
        program=f'{look}c=$1; shift; exec su -s /bin/sh -c "$c" -- {user} "$@"',
        first=('exec "$0" "$@"',),
        prompt=_ASKS,
    )


@dataclass(slots=True, kw_only=True)
class Dialogue:
    """Watch what comes before *ready*, answer the prompt once, and tell why it did not work.

    What is told before a prompt (sudo's lecture) belongs to the conversation, not to the command's output.

    A pure state machine: the transport feeds it output until `ready`, and does what the `Step` says. Then it is
    out of the way. After `seconds` without ready, raise `overdue()`; when the program ends before, raise `ended()`.

    Attributes:
        become: method and user, for the messages.
        mark: see `ready_mark`.
        password: `None` means that there is none to send.
        prompt: see `Escalation.prompt`.
    """

    become: Become
    mark: bytes
    password: str | None = field(default=None, repr=False)
    prompt: re.Pattern[bytes] | None = None
    seconds: float = PATIENCE
    ready: bool = False
    _asked: Stream | None = None
    _marked: Stream | None = None
    _held: dict[Stream, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""}, repr=False)
    _told: bytes = field(default=b"", repr=False)

    def feed(self, stream: Stream, data: bytes) -> Step:
        """Look at a piece of output; with a pty, everything is stdout."""
        if self.ready:
            return Step(stdout=data) if stream == "stdout" else Step(stderr=data)
        self._held[stream] += data
        if self._marked is None and self.mark in self._held[stream]:
            before, _, after = self._held[stream].partition(self.mark)
            self._held[stream] = before + after
            self._marked = stream
        if self._marked is not None:
            return self._start()
        at = self._prompt_at(self._held[stream])
        if at is not None:
            return self._answer(stream, at)
        if len(self._held[stream]) > _HELD:
            return Step(failed=self._failed(Reason.REMOTE, "printed too much before it began"))
        return Step()

    def _start(self) -> Step:
        """Say ready; first the line that a prompt was on is ended, which may be told on another stream and later."""
        if self._asked is not None:
            line = self._held[self._asked]
            if self._asked != self._marked and not line:
                return Step()
            self._held[self._asked] = line.removeprefix(b"\r").removeprefix(b"\n")
        self.ready = True
        self.password = None
        return Step(ready=True, stdout=self._held["stdout"], stderr=self._held["stderr"])

    def _prompt_at(self, held: bytes) -> tuple[int, int] | None:
        match = self.prompt.search(held) if self.prompt else None
        return match.span() if match else None

    def _answer(self, stream: Stream, at: tuple[int, int]) -> Step:
        held = self._held[stream]
        if self._asked is not None:
            return Step(failed=self._wrong())
        if self.password is None:
            return Step(failed=self._password_missing())
        self._asked = stream
        self._told += held[: at[0]]
        self._held[stream] = held[at[1] :]
        return Step(send=self.password.encode() + b"\n")

    def overdue(self) -> ExecFailed:
        """Tell why the patience ran out."""
        said = self._said()
        return self._failed(
            Reason.BECOME_NOT_ALLOWED,
            f"did not start a shell within {self.seconds:.0f} s" + (f"; it said: {said}" if said else ""),
            hint="it may ask for something other than a password (a second factor); let this user become without it",
        )

    def ended(self, ended: Exit | None) -> ExecFailed:
        """Tell why the program ended before it was ready; `None` if how it ended is not known."""
        said = self._said()
        known = _reason_of(said, self.become)
        if known is Reason.BECOME_MISSING:
            return self._failed(
                known,
                "is not installed on this host",
                hint=f"install {self.become.method}, or set another become method for this host",
            )
        if known is Reason.BECOME_PASSWORD_MISSING and self._asked is None:
            return self._password_missing()
        if known is Reason.BECOME_NOT_ALLOWED:
            return self._failed(
                known,
                f"refused: {said}",
                hint=f"allow the login user to become '{self.become.user}' on this host",
            )
        if self._asked is not None:
            return self._wrong()
        how = f"exit code {ended.code}" if ended and ended.code is not None else "its channel was closed"
        return self._failed(
            Reason.BECOME_NOT_ALLOWED,
            f"did not start a shell ({how})" + (f": {said}" if said else ""),
            hint=f"try it by hand on the host: {self.become.method} -u {self.become.user} sh"
            if self.become.method != "su"
            else f"try it by hand on the host: su {self.become.user}",
        )

    def _said(self) -> str:
        text = b"\n".join((self._told, self._held["stdout"], self._held["stderr"]))
        lines = [line.strip() for line in text.decode(errors="replace").replace("\r", "\n").split("\n")]
        told = " ".join(line for line in lines if line)
        return told[-300:]

    def _password_missing(self) -> ExecFailed:
        return self._failed(
            Reason.BECOME_PASSWORD_MISSING,
            f"wants a password to become '{self.become.user}', and there is none",
            hint="give one (--ask-become-pass, keyring or a password command), or allow it without a password",
        )

    def _wrong(self) -> ExecFailed:
        return self._failed(
            Reason.BECOME_PASSWORD_WRONG,
            f"did not take the password for becoming '{self.become.user}' (tried once)",
            hint="check the become password of this host; it was not tried again, so that no account gets locked",
        )

    def _failed(self, reason: Reason, what: str, *, hint: str = "") -> ExecFailed:
        return ExecFailed(reason, f"{self.become.method} {what}", hint=hint, started=False)


_NOT_ALLOWED = (
    "not in the sudoers file",
    "is not allowed to",
    "may not run sudo",
    "not permitted",
    "i'm afraid i can't do that",
    "must have a tty",
    "must be run from a terminal",
    "unknown user",
    "unknown uid",
    "no passwd entry",
    "does not exist",
    "account expired",
    "account validation failure",
    "account is locked",
    "no_new_privs",
    '"no new privileges"',
    "must be owned by uid 0",
    "must be suid",
    "not installed setuid",
    "doas is not enabled",
)
_WANTS_PASSWORD = (
    "a password is required",
    "a terminal is required",
    "interactive authentication is required",
    "authentication required",
    "authorization required",
    "no tty present",
    "a tty is required",
)


def _reason_of(said: str, become: Become) -> Reason | None:
    """Read what sudo, sudo-rs, doas or su said; English, as `LANGUAGE=en` makes it."""
    low = said.lower()
    if _MISSING_PROGRAM in low:
        return Reason.BECOME_MISSING
    if any(text in low for text in _NOT_ALLOWED):
        return Reason.BECOME_NOT_ALLOWED
    if any(text in low for text in _WANTS_PASSWORD):
        return Reason.BECOME_PASSWORD_MISSING
    if become.method == "su" and "authentication failure" in low:
        return Reason.BECOME_PASSWORD_MISSING
    return None
