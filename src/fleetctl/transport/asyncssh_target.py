"""Decide how a host is reached: flags beat the inventory, the inventory beats ssh_config, that beats defaults."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from fleetctl.errors import ConfigError
from fleetctl.model import Host, Reason
from fleetctl.transport.known_hosts import HostName, KnownHosts, default_files
from fleetctl.transport.protocol import TransportOptions, Unreachable
from fleetctl.transport.ssh_config import Settings, SshConfig, local_user

__all__ = ["NamedKey", "Target", "Targets", "parse_hop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A key file that somebody named: on the command line, in the inventory, or in ssh_config."""

    path: Path
    by: str

    @property
    def required(self) -> bool:
        """Whether it is an error if it cannot be used; ssh_config may name files that are not there."""
        return self.by != "ssh_config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Everything that is needed to connect to one host.

    Attributes:
        known_as: its name in known_hosts.
        hops: jump hosts, the first first; empty means directly.
        proxy_command: for the shell; beats nothing, and is beaten by `hops`.
    """

    host: Host
    address: str
    port: int
    user: str
    known_as: HostName
    known_hosts: KnownHosts
    settings: Settings
    keys: tuple[NamedKey, ...] = ()
    hops: tuple[str, ...] = ()
    proxy_command: str | None = None


class Targets:
    """Resolves the hosts of a run.

    Args:
        options: of the transport.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._config = SshConfig(options.ssh_config.expanduser() if options.ssh_config else None)
        self._known_hosts: dict[tuple[Path, ...], KnownHosts] = {}
        self._local_user = local_user()
        self._default_files = default_files()
        self._named = tuple(
            NamedKey(path=path.expanduser(), by="command line") for path in options.identity_file
        )
        self._given_files = tuple(path.expanduser() for path in options.known_hosts)
        self._by_name: dict[str, NamedKey] = {}

    async def resolve(self, host: Host) -> Target:
        """Return how to reach a host.

        Raises:
            Unreachable: ssh_config cannot be read, or contradicts itself.
        """
        try:
            if self._config.may_block:
                settings = await asyncio.to_thread(self._settings, host)
            else:
                settings = self._settings(host)
        except ConfigError as exc:
            raise Unreachable(Reason.TRANSPORT, str(exc), hint=exc.hint or "correct that file") from exc
        port = host.port or settings.port or 22
        alias = settings.host_key_alias
        hops = self._hops(host, settings)
        return Target(
            host=host,
            address=settings.hostname,
            port=port,
            user=host.user or settings.user or self._local_user,
            known_as=HostName(alias, port, alias=True) if alias else HostName(settings.hostname, port),
            known_hosts=self._files(settings),
            settings=settings,
            keys=self._keys(host, settings),
            hops=hops,
            proxy_command=None if hops else settings.proxy_command,
        )

    def hop(self, name: str) -> Host:
        """Return the host that a hop of a jump chain means: one of the inventory, or `[user@]host[:port]`."""
        user, address, port = parse_hop(name)
        known = self._options.inventory.get(address)
        if known is not None:
            return replace(known, user=user or known.user, port=port or known.port)
        return Host(name=address, user=user, port=port)

    def _settings(self, host: Host) -> Settings:
        return self._config.settings(host.target, user=host.user, port=host.port)

    def _files(self, settings: Settings) -> KnownHosts:
        user, system = self._default_files
        files = self._given_files or (
            (settings.user_known_hosts if settings.user_known_hosts is not None else (user,))
            + (settings.global_known_hosts if settings.global_known_hosts is not None else (system,))
        )
        if files not in self._known_hosts:
            self._known_hosts[files] = KnownHosts(files)
        return self._known_hosts[files]

    def _keys(self, host: Host, settings: Settings) -> tuple[NamedKey, ...]:
        if not host.identity_file and not settings.identity_files:
            return self._named
        named = list(self._named)
        for name in host.identity_file:
            if name not in self._by_name:
                self._by_name[name] = NamedKey(path=Path(name).expanduser(), by="inventory")
            named.append(self._by_name[name])
        named += [NamedKey(path=path, by="ssh_config") for path in settings.identity_files]
        first: dict[Path, NamedKey] = {}
        for key in named:
            first.setdefault(key.path, key)
        return tuple(first.values())

    def _hops(self, host: Host, settings: Settings) -> tuple[str, ...]:
        chain = host.jump or settings.proxy_jump
        if not chain or chain.lower() == "none":
            return ()
        hops = tuple(hop.strip() for hop in chain.split(",") if hop.strip())
        # A group's jump host is often in the group itself: it is not reached through itself.
        own, port = {host.name, host.target, settings.hostname}, host.port or settings.port or 22
        for hop in hops:
            _, address, its_port = parse_hop(hop)
            if address in own and its_port in {None, port}:
                return ()
        return hops


def parse_hop(text: str) -> tuple[str | None, str, int | None]:
    """Split `[ssh://][user@]host[:port]` into user, host and port; an IPv6 address with a port is in brackets.

    Raises:
        Unreachable: the port is not a number.
    """
    user, _, place = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    address, port = place, ""
    if place.startswith("["):
        address, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":")
    elif place.count(":") == 1:
        address, _, port = place.partition(":")
    if port and not port.isdecimal():
        raise Unreachable(Reason.JUMP_HOST, f"'{text}' is not a jump host", hint="write it as user@host:port")
    return user or None, address, int(port) if port else None
