"""Private keys, certificates and the agent: read once a run, shared by all connections.

A key file that asyncssh is given by path costs more at every connection than the connection itself.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import os
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from fleetctl.transport.protocol import Credentials
from fleetctl.transport.shared import Shared

__all__ = ["AgentKeys", "KeyFile", "KeyFileError", "Keys", "default_files", "fresh"]

T = TypeVar("T")

_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def default_files() -> tuple[Path, ...]:
    """Return the key files that OpenSSH tries when none is named."""
    folder = Path.home() / ".ssh"
    return tuple(folder / name for name in ("id_ed25519", "id_ecdsa", "id_rsa"))


class KeyFileError(Exception):
    """A key file cannot be used.

    Args:
        message: what is wrong, with the path.
        hint: what to do.
        public: the public key in wire format where the file tells it: an agent may hold its private half.
    """

    def __init__(self, message: str, *, hint: str, public: bytes = b"") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.public = public


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """What a key file gives: pairs to try in order, or the public half of a key that an agent holds."""

    path: Path
    pairs: tuple[asyncssh.SSHKeyPair, ...] = ()
    public: bytes = b""


def fresh(pairs: Iterable[asyncssh.SSHKeyPair]) -> list[asyncssh.SSHKeyPair]:
    """Copy key pairs for one connection: asyncssh notes the signature algorithm it agreed on in the pair itself."""
    return [copy.copy(pair) for pair in pairs]


@dataclass(slots=True)
class Keys:
    """The key files of a run. Loading may ask for a passphrase and takes CPU: call `load` from a thread.

    Attributes:
        credentials: asked for passphrases, once per file.
    """

    credentials: Credentials
    _loaded: dict[tuple[Path, tuple[Path, ...]], KeyFile] = field(default_factory=dict)

    def load(self, path: Path, certificates: tuple[Path, ...] = ()) -> KeyFile:
        """Load a private key with its certificate (`NAME-cert.pub`), or a public key that names one in the agent.

        Args:
            path: with `~` expanded.
            certificates: more certificates (ssh_config: CertificateFile); those of another key are passed over.

        Raises:
            KeyFileError: unreadable, not a key, encrypted without a passphrase, readable by others.
        """
        known = self._loaded.get((path, certificates))
        if known is None:
            known = self._loaded[path, certificates] = self._read(path, certificates)
        return known

    def encrypted(self, path: Path) -> bytes:
        """Return the public half of a private key that needs a passphrase and is not open yet; else nothing.

        Raises:
            KeyFileError: it cannot be read.
        """
        if any(known == path for known, _ in list(self._loaded)):  # other threads load more meanwhile
            return b""
        data = _bytes_of(path)
        if b"PRIVATE KEY" not in data:
            return b""
        try:
            asyncssh.import_private_key(data)
        except ValueError as exc:
            if "passphrase" in str(exc).lower():
                return _public_of(path, data) or b"?"
        return b""

    def _read(self, path: Path, certificates: Sequence[Path]) -> KeyFile:
        data = _bytes_of(path)
        public = _public_of(path, data)
        if b"PRIVATE KEY" not in data:
            if public:
                return KeyFile(path=path, public=public)
            raise KeyFileError(f"{path} is not a private key", hint="name the private key, not another file")
        _check_mode(path)
        key = self._private(path, data, public)
        certs = [cert for cert in map(_certificate, (_beside(path), *certificates)) if cert]
        mine = [cert for cert in certs if cert.key.public_data == key.public_data]
        pairs: list[asyncssh.SSHKeyPair] = []
        for cert in mine:
            pairs += asyncssh.load_keypairs([(key, cert)])[:1]
        pairs += asyncssh.load_keypairs([key])
        return KeyFile(path=path, pairs=tuple(pairs), public=public or key.public_data)

    def _private(self, path: Path, data: bytes, public: bytes) -> asyncssh.SSHKey:
        try:
            return asyncssh.import_private_key(data)
        except asyncssh.KeyImportError as exc:
            if "passphrase" not in str(exc).lower():
                raise KeyFileError(
                    f"{path} is not a private key that can be used: {exc}",
                    hint="make sure that it is a whole OpenSSH or PEM private key",
                    public=public,
                ) from exc
        except (asyncssh.KeyEncryptionError, ValueError) as exc:
            raise KeyFileError(
                f"{path} cannot be used: {exc}", hint="make a new key with ssh-keygen", public=public
            ) from exc
        passphrase = self.credentials.passphrase(path)
        if passphrase is None:
            raise KeyFileError(
                f"{path} is encrypted and there is no passphrase for it",
                hint="add it to the agent with ssh-add, or give the passphrase (prompt, keyring, FLEETCTL_KEY_PASSPHRASE)",
                public=public,
            )
        try:
            return asyncssh.import_private_key(data, passphrase)
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, ValueError) as exc:
            raise KeyFileError(
                f"the passphrase for {path} is wrong",
                hint=f"try it with: ssh-keygen -y -f {path}",
                public=public,
            ) from exc


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise KeyFileError(f"{path} does not exist", hint="check the path of the key file") from exc
    except IsADirectoryError as exc:
        raise KeyFileError(f"{path} is a folder", hint="name the key file in it") from exc
    except OSError as exc:
        raise KeyFileError(
            f"{path} cannot be read: {exc.strerror or exc}", hint="let the user who runs fleetctl read it"
        ) from exc


def _check_mode(path: Path) -> None:
    """Refuse a key of ours that others can read (OpenSSH: sshkey_perm_ok)."""
    status = path.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        raise KeyFileError(
            f"{path} can be read by other users (mode {status.st_mode & 0o777:04o})",
            hint=f"chmod 600 {path}",
        )


def _beside(path: Path) -> Path:
    return path.with_name(path.name + "-cert.pub")


def _certificate(path: Path) -> asyncssh.SSHCertificate | None:
    try:
        return asyncssh.import_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _public_of(path: Path, data: bytes) -> bytes:
    """Return the public half: from an OpenSSH private key, which carries it in clear, or from the `.pub` file."""
    if data.startswith(_BEGIN):
        return _public_in(data)
    texts = [data] if b"PRIVATE KEY" not in data else []
    if not texts:
        try:
            texts.append(path.with_name(path.name + ".pub").read_bytes())
        except OSError:
            return b""
    try:
        return asyncssh.import_public_key(texts[0]).public_data
    except ValueError:
        return b""


def _public_in(data: bytes) -> bytes:
    """Read the first public key of an `openssh-key-v1` file (OpenSSH: PROTOCOL.key)."""
    try:
        raw = base64.b64decode(b"".join(data.split(b"\n")[1:]).partition(b"-----END")[0])
        at = len(b"openssh-key-v1\0")
        for _ in range(3):  # cipher, key derivation, its options
            at += 4 + int.from_bytes(raw[at : at + 4], "big")
        at += 4  # number of keys
        size = int.from_bytes(raw[at : at + 4], "big")
        return raw[at + 4 : at + 4 + size]
    except ValueError:
        return b""


class _Agent(asyncssh.SSHAgentClient):
    """An agent whose answers stay with their questions.

    asyncssh leaves the answer to a request that was cancelled (a host's connect timeout) unread in the socket that all
    connections share: every later host would be given the signature meant for the one before, and be refused.
    """

    async def get_keys(self, identities: Sequence[bytes] | None = None) -> Sequence[asyncssh.SSHKeyPair]:
        """Ask for its keys, to the end."""
        return await _to_the_end(super().get_keys(identities))

    async def sign(self, key_blob: bytes, data: bytes, flags: int = 0) -> bytes:
        """Have something signed, to the end."""
        return await _to_the_end(super().sign(key_blob, data, flags))


async def _to_the_end(request: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(request)
    task.add_done_callback(
        lambda done: done.cancelled() or done.exception()
    )  # nobody may be waiting any more
    return await asyncio.shield(task)


class AgentKeys:
    """The keys of an ssh-agent: asked for once, one socket for the whole run.

    Args:
        path: the agent's socket; empty means that there is none.
    """

    def __init__(self, path: str) -> None:
        self._client = _Agent(path) if path else None
        self._pairs: Shared[None, tuple[asyncssh.SSHKeyPair, ...]] = Shared()

    async def pairs(self) -> tuple[asyncssh.SSHKeyPair, ...]:
        """Return its keys; none where it cannot be reached."""
        return await self._pairs.get(None, self._ask)

    async def _ask(self) -> tuple[asyncssh.SSHKeyPair, ...]:
        if self._client is None:
            return ()
        try:
            return tuple(await self._client.get_keys())
        except (ValueError, OSError):
            return ()

    async def holding(self, public: bytes) -> tuple[asyncssh.SSHKeyPair, ...]:
        """Return the agent's key pairs of that public key, its certificates among them."""
        found = []
        for pair in await self.pairs():
            own = pair.public_data
            if pair.has_cert:
                try:
                    own = asyncssh.import_certificate(
                        pair.algorithm + b" " + base64.b64encode(pair.public_data)
                    ).key.public_data
                except ValueError:
                    continue
            if own == public:
                found.append(pair)
        return tuple(found)

    async def close(self) -> None:
        """Let go of the socket."""
        await self._pairs.close()
        if self._client:
            self._client.close()
            await self._client.wait_closed()
