"""Options of asyncssh connections: built once for all hosts that share them, copied for each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_default_mac_algs, get_mac_algs
from asyncssh.public_key import get_default_certificate_algs, get_public_key_algs

from fleetctl.transport.asyncssh_target import Target
from fleetctl.transport.known_hosts import Known
from fleetctl.transport.protocol import TransportOptions

__all__ = ["OptionsMaker", "choose", "host_key_algorithms", "plain_host_keys", "signatures"]

_POST_QUANTUM = ("mlkem", "sntrup")
_METHODS = ("publickey", "password", "keyboard-interactive")
# What OpenSSH 10 allows by default, in its order; asyncssh's own defaults still hold SHA-1.
_HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
# AES-GCM first: per connection it costs 0.6 ms less CPU than asyncssh's chacha20, and most on bulk data.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_RSA_SIGNATURES = ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa")


def _names(algorithms: Sequence[bytes]) -> list[str]:
    return [name.decode("ascii") for name in algorithms]


def choose(text: str, *, possible: Sequence[str], default: Sequence[str]) -> list[str]:
    """Apply an OpenSSH algorithm list (`a,b`, `+a`, `-a*`, `^a`) to what asyncssh has; unknown names are passed over."""
    prefix = text[:1] if text[:1] in {"+", "-", "^"} else ""
    patterns = text.removeprefix(prefix).split(",") if prefix else text.split(",")
    matched = [name for pattern in patterns for name in possible if fnmatchcase(name, pattern.strip())]
    if prefix == "-":
        chosen = [name for name in default if name not in matched]
    elif prefix == "+":
        chosen = [*default, *matched]
    elif prefix == "^":
        chosen = [*matched, *default]
    else:
        chosen = matched
    return list(dict.fromkeys(chosen)) or list(default)


def host_key_algorithms(target: Target, known: Known, *, first: Sequence[str] = ()) -> list[str]:
    """Order host key algorithms as OpenSSH does: those on record first, so that the host uses a key we can judge.

    Args:
        target: its HostKeyAlgorithms are honoured.
        known: what known_hosts says of it openly.
        first: key types to ask for before all others.
    """
    wanted = dict(target.settings.algorithms).get("hostkeyalgorithms")
    algorithms: Sequence[str] = _HOST_KEYS
    if wanted:
        algorithms = choose(wanted, possible=_names(get_public_key_algs()), default=_HOST_KEYS)
    types = [*first, *(entry.key_type for entry in known.keys)]
    preferred = [name for key_type in types for name in signatures(key_type) if name in algorithms]
    certificates = _names(get_default_certificate_algs()) if known.authorities else []
    return list(dict.fromkeys([*certificates, *preferred, *algorithms]))


def plain_host_keys() -> Sequence[str]:
    """Return the host key algorithms that are asked for by default, certificates left out."""
    return _HOST_KEYS


def signatures(key_type: str) -> Sequence[str]:
    """Return the signature algorithms of a key type."""
    return _RSA_SIGNATURES if key_type == "ssh-rsa" else (key_type,)


class OptionsMaker:
    """Makes the options of each connection of a run.

    Building them costs asyncssh a millisecond; a shallow copy of what was built for the same settings costs microseconds.

    Args:
        options: of the transport.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._built: dict[tuple[object, ...], asyncssh.SSHClientConnectionOptions] = {}
        self._keys: dict[str, asyncssh.SSHKey] = {}

    def make(
        self,
        target: Target,
        *,
        client: Callable[[], asyncssh.SSHClient],
        first: Sequence[str] = (),
        known: Known | None = None,
    ) -> Any:
        """Return options for one connection.

        Args:
            target: where to.
            client: makes the object that answers asyncssh's questions.
            first: key types to ask for first.
            known: stands in for what known_hosts says.
        """
        settings = target.settings
        key = (
            target.user,
            settings.algorithms,
            settings.compression,
            settings.tcp_keepalive,
            settings.preferred_authentications,
            settings.methods_off,
        )
        if key not in self._built:
            self._built[key] = self._build(target)
        made: Any = copy.copy(self._built[key])
        known = target.known_hosts.in_clear(target.known_as) if known is None else known
        made.host = made.orig_host = target.address
        made.port = target.port
        made.host_key_alias = target.known_as.name if target.known_as.alias else None
        made.server_host_key_algs = host_key_algorithms(target, known, first=first)
        made.known_hosts = self._authorities(known)
        made.protocol_factory = client
        return made

    def _authorities(self, known: Known) -> tuple[list[asyncssh.SSHKey], ...]:
        """Tell asyncssh the certificate authorities and revoked keys; plain keys are judged by `KnownHosts`."""
        lists: list[list[asyncssh.SSHKey]] = [[]]
        for entries in (known.authorities, known.revoked):
            keys = []
            for entry in entries:
                if entry.key not in self._keys:
                    try:
                        self._keys[entry.key] = asyncssh.import_public_key(f"{entry.key_type} {entry.key}")
                    except ValueError:
                        continue
                keys.append(self._keys[entry.key])
            lists.append(keys)
        return tuple(lists)

    def _build(self, target: Target) -> asyncssh.SSHClientConnectionOptions:
        settings = target.settings
        wanted = dict(settings.algorithms)
        methods = [one for one in settings.preferred_authentications or _METHODS if one in _METHODS]
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            known_hosts=([], [], []),
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            username=target.user,
            client_keys=None,
            agent_path=None,
            gss_host=None,
            gss_kex=False,
            gss_auth=False,
            host_based_auth=False,
            preferred_auth=[one for one in methods if one not in settings.methods_off] or ["publickey"],
            kex_algs=self._key_exchanges(wanted.get("kexalgorithms")),
            encryption_algs=choose(
                wanted.get("ciphers", "+"),
                possible=_names(get_encryption_algs()),
                default=[name for name in _CIPHERS if name in _names(get_encryption_algs())],
            ),
            mac_algs=choose(
                wanted.get("macs", "+"),
                possible=_names(get_mac_algs()),
                default=_names(get_default_mac_algs()),
            ),
            compression_algs=["zlib@openssh.com", "none"] if settings.compression else ["none"],
            tcp_keepalive=settings.tcp_keepalive,
            keepalive_interval=self._options.keepalive,
            keepalive_count_max=3,
            login_timeout=0,
            connect_timeout=None,
            agent_forwarding=False,
            encoding=None,
        )

    def _key_exchanges(self, wanted: str | None) -> list[str]:
        possible = _names(get_kex_algs())
        default = [name for name in _KEY_EXCHANGES if name in possible]
        chosen = choose(wanted or "+", possible=possible, default=default)
        if self._options.key_exchange == "curve25519":
            lean = [name for name in chosen if not name.startswith(_POST_QUANTUM)]
            chosen = sorted(lean, key=lambda name: not name.startswith("curve25519")) or chosen
        return chosen
