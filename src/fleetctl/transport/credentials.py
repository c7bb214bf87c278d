"""Passwords and passphrases, from wherever the operator keeps them: environment, a command, keyring, a prompt.

The first source that answers wins. Answers, and the lack of one, are remembered for the run, so that a prompt comes once
and a slow keyring is asked once. Nothing of it is ever shown.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Literal, Protocol

from fleetctl.errors import CredentialError
from fleetctl.model import Host

__all__ = [
    "ChainCredentials",
    "FromCommand",
    "FromEnvironment",
    "FromKeyring",
    "FromPrompt",
    "Purpose",
    "Question",
    "Source",
]

Purpose = Literal["ssh-password", "become-password", "key-passphrase"]

_VARIABLES: Final[dict[Purpose, str]] = {
    "ssh-password": "FLEETCTL_SSH_PASSWORD",
    "become-password": "FLEETCTL_BECOME_PASSWORD",
    "key-passphrase": "FLEETCTL_KEY_PASSPHRASE",
}
_KEYRING_SECONDS: Final = 5.0
_COMMAND_SECONDS: Final = 30.0


class Question:
    """What is asked for.

    Attributes:
        purpose: the kind of secret.
        subject: the host's name, or the path of the key file.
        user: the login name on that host, if the inventory names one.
    """

    __slots__ = ("purpose", "subject", "user")

    def __init__(self, purpose: Purpose, *, subject: str, user: str = "") -> None:
        self.purpose = purpose
        self.subject = subject
        self.user = user


class Source(Protocol):
    """One place where secrets are kept."""

    per_subject: bool
    """Whether the answer depends on the host or key; otherwise it is asked once for all."""

    def answer(self, question: Question) -> str | None:
        """Return the secret, or None if this place has none."""


class FromEnvironment:
    """`FLEETCTL_SSH_PASSWORD`, `FLEETCTL_BECOME_PASSWORD`, `FLEETCTL_KEY_PASSPHRASE`: one value for every host or key."""

    per_subject = False

    def answer(self, question: Question) -> str | None:
        """Look it up."""
        return os.environ.get(_VARIABLES[question.purpose])


class FromCommand:
    """A program that prints the secret on its first line, and nothing where it has none.

    Args:
        argv: told `FLEETCTL_SECRET` (`ssh-password`, `become-password`, `key-passphrase`), `FLEETCTL_HOST` or
            `FLEETCTL_KEY_FILE`, and `FLEETCTL_USER` in its environment. A string is split as a shell would.
        purposes: what it is asked for.
    """

    per_subject = True

    def __init__(
        self, argv: str | Sequence[str], *, purposes: Sequence[Purpose] = ("ssh-password", "become-password")
    ) -> None:
        self._argv = shlex.split(argv) if isinstance(argv, str) else list(argv)
        self._purposes = frozenset(purposes)

    def answer(self, question: Question) -> str | None:
        """Run it.

        Raises:
            CredentialError: it cannot be run, fails, or takes more than 30 s.
        """
        if question.purpose not in self._purposes:
            return None
        subject = "FLEETCTL_KEY_FILE" if question.purpose == "key-passphrase" else "FLEETCTL_HOST"
        environment = {
            **os.environ,
            "FLEETCTL_SECRET": question.purpose,
            subject: question.subject,
            "FLEETCTL_USER": question.user,
        }
        name = self._argv[0] if self._argv else ""
        try:
            done = subprocess.run(
                self._argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except (OSError, ValueError, IndexError) as exc:
            raise CredentialError(
                f"the password command '{name}' cannot be run: {exc}", hint="check the setting and the path"
            ) from exc
        except subprocess.TimeoutExpired:
            raise CredentialError(
                f"the password command '{name}' took more than {_COMMAND_SECONDS:.0f} s",
                hint="it must not wait for input",
            ) from None
        if done.returncode:
            raise CredentialError(
                f"the password command '{name}' failed with exit code {done.returncode}",
                hint="it should exit 0 and print nothing where it has no secret",
            )
        line = done.stdout.decode("utf-8", "replace").partition("\n")[0].rstrip("\r")
        return line or None


class FromKeyring:
    """The desktop's keyring: service `fleetctl`, user names such as `become-password:web-1`, or `become-password` for all.

    There is none under cron; that, and one that does not answer in 5 s (a locked one asks on the screen), means no answer.
    """

    per_subject = True

    def __init__(self) -> None:
        self._gone = False

    def answer(self, question: Question) -> str | None:
        """Ask it in a thread that may be left behind."""
        if self._gone:
            return None
        result: Future[str | None] = Future()

        def ask() -> None:
            try:
                result.set_result(_ask_keyring(question))
            except Exception as exc:  # noqa: BLE001 - backends raise whatever their desktop raises
                result.set_exception(exc)

        threading.Thread(target=ask, name="fleetctl-keyring", daemon=True).start()
        try:
            return result.result(timeout=_KEYRING_SECONDS)
        except Exception:  # noqa: BLE001 - no keyring, locked, slow: all mean that it has no answer
            self._gone = True
            return None


def _ask_keyring(question: Question) -> str | None:
    import keyring  # noqa: PLC0415 - 100 ms, and only where a secret is needed at all
    from keyring.backends import fail  # noqa: PLC0415

    if isinstance(keyring.get_keyring(), fail.Keyring):
        return None
    names = (f"{question.purpose}:{question.subject}", question.purpose)
    found = (keyring.get_password("fleetctl", name) for name in names)
    return next((secret for secret in found if secret), None)


class FromPrompt:
    """The person at the terminal.

    Args:
        ask: shows a question and returns the answer without echo; raises nothing, returns None for none.
        purposes: what may be asked for.
    """

    per_subject = False

    def __init__(self, ask: Callable[[str], str | None], *, purposes: Sequence[Purpose]) -> None:
        self._ask = ask
        self._purposes = frozenset(purposes)

    def answer(self, question: Question) -> str | None:
        """Ask once for all hosts; a passphrase once for each key."""
        if question.purpose not in self._purposes:
            return None
        texts = {
            "ssh-password": "SSH password",
            "become-password": "Become password",
            "key-passphrase": f"Passphrase for {question.subject}",
        }
        return self._ask(texts[question.purpose]) or None


class ChainCredentials:
    """Secrets from the first source that has them; implements `fleetctl.transport.protocol.Credentials`.

    In order: what the operator asked to be asked for (`-k`, `-K`), environment, the project's command, keyring, and for
    passphrases the person at the terminal. Safe to use from several threads: whoever asks for the same thing meanwhile
    waits for the one answer.

    Args:
        command: argv of a program that prints passwords; see `FromCommand`. Empty means none.
        prompt: shows a question and returns the answer without echo; `None` where there is no terminal.
        ask_password: ask for the login password, one for all hosts, rather than look elsewhere.
        ask_become_password: the same for sudo, doas and su.
        keyring: whether the desktop's keyring is asked.
    """

    def __init__(
        self,
        *,
        command: str | Sequence[str] = (),
        prompt: Callable[[str], str | None] | None = None,
        ask_password: bool = False,
        ask_become_password: bool = False,
        keyring: bool = True,
    ) -> None:
        asked: list[Purpose] = ["ssh-password"] if ask_password else []
        asked += ["become-password"] if ask_become_password else []
        if asked and prompt is None:
            raise CredentialError(
                "a password is to be asked for, and there is no terminal to ask at",
                hint="set FLEETCTL_SSH_PASSWORD or FLEETCTL_BECOME_PASSWORD, or a password_command in fleetctl.yaml",
            )
        sources: list[Source] = [FromPrompt(prompt, purposes=asked)] if prompt and asked else []
        sources.append(FromEnvironment())
        sources += [FromCommand(command)] if command else []
        sources += [FromKeyring()] if keyring else []
        sources += [FromPrompt(prompt, purposes=["key-passphrase"])] if prompt else []
        self._asked = tuple(asked)
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._answers: dict[tuple[Source, Purpose, str], Future[str | None]] = {}
        self._given: set[str] = set()

    def __repr__(self) -> str:
        return f"<ChainCredentials of {len(self._sources)} sources>"

    def prepare(self) -> None:
        """Ask now for the passwords that `ask_password` and `ask_become_password` announce, while the terminal is free."""
        for purpose in self._asked:
            self._find(Question(purpose, subject=""))

    def password(self, host: Host) -> str | None:
        """Return the login password for a host."""
        return self._find(Question("ssh-password", subject=host.name, user=host.user or ""))

    def become_password(self, host: Host) -> str | None:
        """Return the password for sudo, doas or su on a host."""
        return self._find(Question("become-password", subject=host.name, user=host.user or ""))

    def passphrase(self, key_file: Path) -> str | None:
        """Return the passphrase of a key file."""
        return self._find(Question("key-passphrase", subject=str(key_file)))

    def secrets(self) -> frozenset[str]:
        """Return every secret given out so far."""
        with self._lock:
            return frozenset(self._given)

    def _find(self, question: Question) -> str | None:
        for source in self._sources:
            secret = self._ask(source, question)
            if secret:
                with self._lock:
                    self._given.add(secret)
                return secret
        return None

    def _ask(self, source: Source, question: Question) -> str | None:
        each = source.per_subject or question.purpose == "key-passphrase"
        key = source, question.purpose, question.subject if each else ""
        with self._lock:
            known = self._answers.get(key)
            if known is None:
                mine = self._answers[key] = Future()
        if known is not None:
            return known.result()
        try:
            secret = source.answer(question)
        except BaseException as exc:
            mine.set_exception(exc)
            raise
        mine.set_result(secret)
        return secret
