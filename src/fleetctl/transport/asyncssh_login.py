"""Offer keys and passwords to a server, cheapest and most deliberate first, each once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import asyncssh

from fleetctl.errors import CredentialError
from fleetctl.model import Reason
from fleetctl.transport.asyncssh_target import NamedKey, Target
from fleetctl.transport.diagnose import Attempt
from fleetctl.transport.keys import AgentKeys, KeyFileError, Keys, default_files, fresh
from fleetctl.transport.protocol import Credentials, Unreachable
from fleetctl.transport.shared import Shared

__all__ = ["Identities", "Login"]

_Slot: TypeAlias = tuple[Path, tuple[Path, ...], str | None]


def _slot(path: Path, target: Target) -> _Slot:
    return path, target.settings.certificate_files, target.settings.identity_agent


class Identities:
    """The keys and agents of a run, shared by all its connections.

    Args:
        credentials: for passphrases and login passwords.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.keys = Keys(credentials)
        self._agents: dict[str, AgentKeys] = {}
        self._asking = asyncio.Lock()
        self._found: Shared[_Slot, Sequence[asyncssh.SSHKeyPair]] = Shared()
        self._default: Shared[str | None, Sequence[asyncssh.SSHKeyPair]] = Shared()

    def agent(self, path: str | None) -> AgentKeys:
        """Return the agent at a socket; `None` means the one of the environment, empty means none."""
        path = os.environ.get("SSH_AUTH_SOCK", "") if path is None else path
        if path not in self._agents:
            self._agents[path] = AgentKeys(path)
        return self._agents[path]

    def ready(self, path: Path, *, target: Target) -> Sequence[asyncssh.SSHKeyPair] | None:
        """Return what `find` has found before, or None.

        Raises:
            KeyFileError: it was tried before, in vain.
        """
        return self._found.ready(_slot(path, target))

    async def find(self, path: Path, *, target: Target) -> Sequence[asyncssh.SSHKeyPair]:
        """Return the key pairs of a key file, from the file or from the agent that has it unlocked.

        Files are read once, in a thread: bcrypt takes a while, a prompt for the passphrase longer.

        Raises:
            KeyFileError: it cannot be used.
            CredentialError: the passphrase cannot be asked for.
        """
        return await self._found.get(_slot(path, target), lambda: self._find(path, target))

    async def _find(self, path: Path, target: Target) -> Sequence[asyncssh.SSHKeyPair]:
        agent = self.agent(target.settings.identity_agent)
        public = await asyncio.to_thread(self.keys.encrypted, path)
        held = await agent.holding(public) if public else ()
        if held:  # as OpenSSH: what the agent has unlocked needs no passphrase
            return held
        certificates = target.settings.certificate_files
        # One prompt for a passphrase after the other; what needs none waits for nobody.
        async with self._asking if public else contextlib.nullcontext():
            file = await asyncio.to_thread(self.keys.load, path, certificates)
        pairs = file.pairs or await agent.holding(file.public)
        if not pairs:
            raise KeyFileError(
                f"{path} is a public key, and no agent holds its private half",
                hint="name the private key, or load it with ssh-add",
            )
        return pairs

    async def default(self, target: Target) -> Sequence[asyncssh.SSHKeyPair]:
        """Return the key pairs of the default files, which nobody named; those that cannot be used are passed over."""
        return await self._default.get(target.settings.identity_agent, lambda: self._find_default(target))

    async def _find_default(self, target: Target) -> Sequence[asyncssh.SSHKeyPair]:
        found: list[asyncssh.SSHKeyPair] = []
        for path in default_files():
            try:
                # Nobody named them: one with a passphrase is the agent's business, and not asked about.
                if not await asyncio.to_thread(self.keys.encrypted, path):
                    found += await self.find(path, target=target)
            except KeyFileError:
                continue
        return found

    async def close(self) -> None:
        """Let go of the agents."""
        await self._default.close()
        await self._found.close()
        for agent in self._agents.values():
            await agent.close()


class Login:
    """The login of one connection: what is offered next.

    Keys in this order: those that somebody named; then, unless IdentitiesOnly, the agent's; and the default files where none
    was named. Then the password.
    """

    def __init__(self, identities: Identities, *, target: Target, attempt: Attempt) -> None:
        self._identities = identities
        self._target = target
        self._attempt = attempt
        self._stages = [self._agent_keys, self._default_keys] if not target.keys else [self._agent_keys]
        if target.settings.identities_only:
            self._stages.remove(self._agent_keys)
        self._named: list[NamedKey] = list(target.keys)
        self._offered: set[bytes] = set()
        self._password_used = False

    def next_keys(self) -> Sequence[asyncssh.SSHKeyPair] | None:
        """Return named keys that are loaded already, without a detour through the event loop; None if not possible."""
        found: list[asyncssh.SSHKeyPair] = []
        try:
            for key in self._named:
                pairs = self._identities.ready(key.path, target=self._target)
                if pairs is None:
                    return None
                found += pairs
        except KeyFileError:
            return None
        return self._offer(found, self._names()) if found else None

    async def load_keys(self) -> Sequence[asyncssh.SSHKeyPair]:
        """Return the next keys to offer; empty when there are no more."""
        if self._named:
            names = self._names()
            found: list[asyncssh.SSHKeyPair] = []
            while self._named:
                found += await self._named_key(self._named.pop(0))
            if found:
                return self._offer(found, names)
        while self._stages:
            pairs, what = await self._stages.pop(0)()
            if offered := self._offer(pairs, what):
                return offered
        return ()

    def _names(self) -> str:
        return ", ".join(f"key {key.path}" for key in self._named)

    def _offer(self, pairs: Sequence[asyncssh.SSHKeyPair], what: str) -> Sequence[asyncssh.SSHKeyPair]:
        new = [pair for pair in pairs if pair.public_data not in self._offered]
        if new:
            self._named = []
            self._offered.update(pair.public_data for pair in new)
            self._attempt.tried.append(what)
        return fresh(new)

    async def _named_key(self, key: NamedKey) -> Sequence[asyncssh.SSHKeyPair]:
        try:
            return await self._identities.find(key.path, target=self._target)
        except KeyFileError as exc:
            if not key.required:
                return ()
            raise self._key_trouble(key, exc) from exc

    def _key_trouble(self, key: NamedKey, exc: KeyFileError) -> Exception:
        if key.by == "command line":
            return CredentialError(exc.message, hint=exc.hint)
        return Unreachable(Reason.CREDENTIALS, exc.message, hint=exc.hint)

    async def _agent_keys(self) -> tuple[Sequence[asyncssh.SSHKeyPair], str]:
        pairs = await self._identities.agent(self._target.settings.identity_agent).pairs()
        return pairs, f"{len(pairs)} agent key{'s' if len(pairs) != 1 else ''}"

    async def _default_keys(self) -> tuple[Sequence[asyncssh.SSHKeyPair], str]:
        return await self._identities.default(self._target), "default keys"

    async def password(self) -> str | None:
        """Return the login password, once.

        Raises:
            Unreachable: the place where it is kept failed.
        """
        if self._password_used:
            return None
        self._password_used = True
        try:
            secret = await asyncio.to_thread(self._identities.credentials.password, self._target.host)
        except CredentialError as exc:
            raise Unreachable(Reason.CREDENTIALS, exc.message, hint=exc.hint or "") from exc
        if secret is not None:
            self._attempt.tried.append("password")
        return secret
