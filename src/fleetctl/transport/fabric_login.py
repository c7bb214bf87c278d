"""Check the host key against known_hosts and log in, as Paramiko wants to be told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import fabric
import paramiko
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, Password

from fleetctl.errors import CredentialError
from fleetctl.model import Reason
from fleetctl.transport import known_hosts_file
from fleetctl.transport.asyncssh_target import NamedKey, Target
from fleetctl.transport.diagnose import Attempt, Stage, host_key_refused
from fleetctl.transport.keys import KeyFileError, Keys, default_files
from fleetctl.transport.known_hosts import Standing, Verdict
from fleetctl.transport.protocol import TransportOptions, Unreachable

__all__ = ["Identities", "KnownHostsPolicy", "Login"]


class Identities:
    """The private keys of a run, read once; safe from several threads.

    Args:
        options: of the transport.
    """

    def __init__(self, options: TransportOptions) -> None:
        self.credentials = options.credentials
        self._keys = Keys(options.credentials)
        self._lock = threading.Lock()
        self._loaded: dict[Path, paramiko.PKey | KeyFileError] = {}

    @cached_property
    def config(self) -> fabric.Config:
        """Fabric's configuration without any file: everything was decided by `Targets`."""
        return fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig())

    def locked(self, path: Path) -> bytes:
        """Return the public half of a key that needs a passphrase which was not needed yet; else nothing.

        Raises:
            KeyFileError: it cannot be read.
        """
        with self._lock:
            return b"" if path in self._loaded else self._keys.encrypted(path)

    def prepare(self, path: Path, target: Target) -> None:
        """Load a key that is named for a host, unless the agent holds it unlocked.

        Raises:
            KeyFileError: it cannot be used.
            CredentialError: the passphrase cannot be asked for.
        """
        public = self.locked(path)
        if not public or all(key.asbytes() != public for key in _agent_keys(target)):
            self.load(path)

    def load(self, path: Path) -> paramiko.PKey:
        """Load a private key, and its certificate beside it.

        Raises:
            KeyFileError: it cannot be used.
            CredentialError: the passphrase cannot be asked for.
        """
        with self._lock:
            found = self._loaded.get(path)
            if found is None:
                try:
                    found = self._read(path)
                except KeyFileError as exc:
                    found = exc
                self._loaded[path] = found
        if isinstance(found, KeyFileError):
            raise found
        return found

    def _read(self, path: Path) -> paramiko.PKey:
        encrypted = self._keys.encrypted(path)
        if not self._keys.load(path).pairs:
            raise KeyFileError(f"{path} is a public key", hint="name the private key")
        passphrase = self.credentials.passphrase(path) if encrypted else None
        from_path: Callable[..., paramiko.PKey] = paramiko.PKey.from_path
        try:
            return from_path(path, passphrase.encode() if passphrase else None)
        except (paramiko.SSHException, ValueError, TypeError, paramiko.pkey.UnknownKeyType) as exc:
            raise KeyFileError(
                f"{path} cannot be used by paramiko: {exc}", hint="use transport ssh, or an ed25519 key"
            ) from exc


class Login(AuthStrategy):
    """What is offered: keys that somebody named; else the agent's and the default ones; then the password."""

    def __init__(self, target: Target, *, identities: Identities, attempt: Attempt) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._target = target
        self._identities = identities
        self._attempt = attempt

    def get_sources(self) -> Iterator[AuthSource]:
        """Yield what to offer, in order."""
        user = self._target.user
        for key, what in self._keys():
            if what not in self._attempt.tried:
                self._attempt.tried.append(what)
            yield InMemoryPrivateKey(user, key)
        try:
            password = self._identities.credentials.password(self._target.host)
        except CredentialError as exc:
            raise Unreachable(Reason.CREDENTIALS, exc.message, hint=exc.hint or "") from exc
        if password is not None:
            self._attempt.tried.append("password")
            yield Password(user, lambda: password)

    def _keys(self) -> Iterator[tuple[paramiko.PKey, str]]:
        agent = _agent_keys(self._target)
        for named in self._target.keys:
            found = self._named(named, agent)
            if found is not None:
                yield found, f"key {named.path}"
        if not self._target.settings.identities_only:
            for key in agent:
                yield key, f"{len(agent)} agent key{'s' if len(agent) != 1 else ''}"
        if not self._target.keys:
            for path in default_files():
                with contextlib.suppress(KeyFileError):
                    if not self._identities.locked(path):
                        yield self._identities.load(path), "default keys"

    def _named(self, named: NamedKey, agent: tuple[paramiko.AgentKey, ...]) -> paramiko.PKey | None:
        try:
            public = self._identities.locked(named.path)
            held = next((key for key in agent if public and key.asbytes() == public), None)
            return held or self._identities.load(named.path)
        except KeyFileError as exc:
            if not named.required:
                return None
            if named.by == "command line":
                raise CredentialError(exc.message, hint=exc.hint) from exc
            raise Unreachable(Reason.CREDENTIALS, exc.message, hint=exc.hint) from exc


def _agent_keys(target: Target) -> tuple[paramiko.AgentKey, ...]:
    """Ask for the agent's keys over a socket of our own: Paramiko's is not made for several threads."""
    if target.settings.identity_agent == "":
        return ()
    try:
        return tuple(paramiko.Agent().get_keys())
    except (paramiko.SSHException, OSError):
        return ()


class KnownHostsPolicy(paramiko.MissingHostKeyPolicy):
    """Judges every host key; Paramiko asks it about each, since it is given no known_hosts of its own."""

    def __init__(self, target: Target, *, accept_new: bool, attempt: Attempt) -> None:
        self._target = target
        self._accept_new = accept_new
        self._attempt = attempt

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        """Let a trusted key pass, record a new one if that was asked for, refuse all others."""
        target, blob = self._target, key.asbytes()
        verdict = target.known_hosts.judge(target.known_as, blob)
        if verdict.standing is Standing.UNKNOWN and self._accept_new:
            verdict = self._record(key.get_name(), blob)
        if verdict.standing is not Standing.TRUSTED:
            raise host_key_refused(
                verdict, host=target.host, name=target.known_as, key_type=key.get_name(), blob=blob
            )
        self._attempt.stage = Stage.LOGIN

    def _record(self, key_type: str, blob: bytes) -> Verdict:
        target = self._target
        file = target.known_hosts.files[0]
        try:
            verdict = known_hosts_file.record_new(
                target.known_hosts,
                target.known_as,
                key_type=key_type,
                blob=blob,
                hashed=target.settings.hash_known_hosts,
            )
        except OSError as exc:
            raise Unreachable(
                Reason.HOST_KEY_UNKNOWN,
                f"the key of {target.known_as} cannot be recorded in {file}: {exc.strerror or exc}",
                hint="make the file writable, or give another with --known-hosts",
            ) from exc
        known_hosts_file.settle(file)
        return verdict
