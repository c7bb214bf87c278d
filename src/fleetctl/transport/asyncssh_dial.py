"""Open SSH connections: straight, over a jump host, or through a ProxyCommand.

Connections are made from `SSHClientConnection` rather than by `asyncssh.connect`, which builds all options anew in a thread
for each of them; that is also what lets `Link` see how far a server got.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import asyncssh

from fleetctl.model import Reason
from fleetctl.transport.asyncssh_client import Client, Link
from fleetctl.transport.asyncssh_login import Identities, Login
from fleetctl.transport.asyncssh_options import OptionsMaker, plain_host_keys, signatures
from fleetctl.transport.asyncssh_target import Target
from fleetctl.transport.asyncssh_wire import Lookups, Proxy, connect_tcp, start_proxy
from fleetctl.transport.diagnose import Attempt, Stage, explain
from fleetctl.transport.keys import KeyFileError
from fleetctl.transport.known_hosts import Known
from fleetctl.transport.known_hosts_file import Recorded
from fleetctl.transport.protocol import TransportOptions, Unreachable

__all__ = ["Dialer", "channel_refused"]


class Dialer:
    """Opens connections; holds what those of a run share.

    Args:
        options: of the transport.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._maker = OptionsMaker(options)
        self._identities = Identities(options.credentials)
        self._lookups = Lookups()
        self._proxies: dict[Link, Proxy] = {}
        self._recorded = Recorded()

    async def prepare(self, target: Target) -> None:
        """Load the keys that somebody named for a host; those that cannot be used are told when it is dialled.

        Raises:
            CredentialError: a key named on the command line cannot be used.
        """
        for key in target.keys:
            with contextlib.suppress(KeyFileError):
                if self._identities.ready(key.path, target=target) is None:
                    await self._identities.find(key.path, target=target)

    async def dial(
        self, target: Target, *, via: Link | None = None, on_answer: Callable[[], None] | None = None
    ) -> Link:
        """Open and log in, within the connect timeout.

        Raises:
            Unreachable: it did not work.
            CredentialError: a key named on the command line cannot be used.
        """
        attempt = self._attempt(target)
        attempt.on_answer = on_answer
        try:
            async with asyncio.timeout(attempt.timeout):
                return await self._dial(target, attempt, via=via, first=())
        except _OtherTypes as again:
            attempt = self._attempt(target)
            try:
                async with asyncio.timeout(attempt.timeout):
                    return await self._dial(target, attempt, via=via, first=again.types)
            except Exception as exc:
                raise self._explained(exc, attempt) from exc
        except Exception as exc:
            raise self._explained(exc, attempt) from exc

    def _attempt(self, target: Target) -> Attempt:
        return Attempt(
            host=target.host,
            address=target.address,
            port=target.port,
            user=target.user,
            timeout=self._options.connect_timeout,
        )

    def _explained(self, exc: Exception, attempt: Attempt) -> Exception:
        from fleetctl.errors import FleetError  # noqa: PLC0415 - only when something went wrong

        return exc if isinstance(exc, FleetError) else explain(exc, attempt)

    async def _dial(
        self, target: Target, attempt: Attempt, *, via: Link | None, first: Sequence[str]
    ) -> Link:
        client = Client(
            target=target,
            attempt=attempt,
            login=Login(self._identities, target=target, attempt=attempt),
            on_recorded=self._recorded.add if self._options.host_keys == "accept-new" else None,
        )
        options = self._maker.make(target, client=lambda: client, first=first)
        try:
            return await self._open(target, attempt, options, via=via)
        except Exception:
            if client.other_types and not first:
                raise _OtherTypes(client.other_types) from None
            raise

    async def host_keys(self, target: Target, *, via: Link | None = None) -> list[asyncssh.SSHKey]:
        """Return one key of each type that a host offers; it has proved that it holds them. Nobody logs in.

        Raises:
            Unreachable: it did not work.
        """
        found: dict[str, asyncssh.SSHKey] = {}
        wanted: Sequence[str] = plain_host_keys()
        while wanted:
            attempt = self._attempt(target)
            options = self._maker.make(target, client=asyncssh.SSHClient, known=Known())
            options.known_hosts = None  # whatever it offers is shown, not trusted
            options.server_host_key_algs = list(wanted)
            try:
                async with asyncio.timeout(attempt.timeout):
                    link = await self._open(target, attempt, options, via=via, wait="kex")
            except Exception as exc:
                raise self._explained(exc, attempt) from exc
            offered, key = link.offered_host_keys(), link.get_server_host_key()
            await self.hang_up(link)
            if key is None:
                break
            found[key.algorithm.decode("ascii")] = key
            had = {name for key_type in found for name in signatures(key_type)}
            wanted = [name for name in wanted if name in offered and name not in had]
        return list(found.values())

    async def _open(
        self, target: Target, attempt: Attempt, options: Any, *, via: Link | None, wait: str = "auth"
    ) -> Link:
        loop = asyncio.get_running_loop()
        options.waiter = loop.create_future()
        link: Link | None = None
        proxy: Proxy | None = None

        def factory() -> Link:
            nonlocal link
            link = Link(loop, options, wait=wait)
            link.attempt = attempt
            return link

        try:
            if via is not None:
                await self._through(via, factory, target)
            else:
                if target.proxy_command:
                    attempt.stage = Stage.CONNECT
                    proxy = await start_proxy(target.proxy_command)
                sock = proxy.sock if proxy else await connect_tcp(target, self._lookups, attempt)
                await loop.create_connection(factory, sock=sock)
            await options.waiter
        except BaseException as exc:
            said = await self._abandon(link, proxy, options.waiter)
            if said and not isinstance(exc, asyncio.CancelledError) and attempt.stage <= Stage.GREETING:
                raise Unreachable(
                    Reason.TRANSPORT,
                    f"the ProxyCommand for {attempt.place} ended: {said}",
                    hint=f"try it by hand: {target.proxy_command}",
                ) from exc
            raise
        assert link is not None  # noqa: S101 - the factory ran, or an exception came
        if proxy:
            self._proxies[link] = proxy
        return link

    async def _abandon(self, link: Link | None, proxy: Proxy | None, waiter: asyncio.Future[None]) -> str:
        if link is not None:
            link.abort()
        if waiter.done() and not waiter.cancelled():
            waiter.exception()  # it was seen: the loop need not complain that nobody looked
        waiter.cancel()
        return await proxy.stop() if proxy else ""

    async def _through(self, via: Link, factory: Any, target: Target) -> None:
        try:
            await via.create_connection(factory, target.address, target.port)
        except asyncssh.ChannelOpenError as exc:
            raise channel_refused(exc, target=target, jump=via.attempt) from exc

    async def hang_up(self, link: Link) -> None:
        """Close a connection; never raises, never takes longer than a few seconds."""
        link.close()
        try:
            async with asyncio.timeout(3):
                await link.wait_closed()
        except Exception:  # noqa: BLE001 - it is going away, whatever it says
            link.abort()
        proxy = self._proxies.pop(link, None)
        if proxy:
            with contextlib.suppress(Exception):
                await proxy.stop()

    async def close(self) -> None:
        """Let go of agents and lookups, and bring new host keys to disk."""
        await self._recorded.close()
        await self._identities.close()
        await self._lookups.close()


class _OtherTypes(Exception):  # noqa: N818 - it asks for another try
    def __init__(self, types: Sequence[str]) -> None:
        super().__init__()
        self.types = types


def channel_refused(exc: asyncssh.ChannelOpenError, *, target: Target, jump: Attempt) -> Unreachable:
    """Say why a jump host did not connect on to a host (RFC 4254, 5.1: reason codes)."""
    place, over, why = f"{target.address}:{target.port}", f"from jump host {jump.host.name}", exc.reason
    low = why.lower()
    if exc.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED and "resolve" not in low:
        return Unreachable(
            Reason.JUMP_HOST,
            f"jump host {jump.host.name} does not forward to {place}: {why}",
            hint="set AllowTcpForwarding and PermitOpen in its sshd_config",
        )
    if re.search(r"refused", low):
        return Unreachable(
            Reason.REFUSED,
            f"{place} refused the connection {over}",
            hint="is sshd running, and is it this port?",
        )
    if re.search(r"timed? ?out", low):
        return Unreachable(
            Reason.CONNECT_TIMEOUT,
            f"no answer from {place} {over}",
            hint="is the host up, and does a firewall drop the packets?",
            retry=True,
        )
    if re.search(r"no route|unreachable", low):
        return Unreachable(
            Reason.NO_ROUTE,
            f"no route to {place} {over}",
            hint="check the network behind the jump host",
            retry=True,
        )
    if re.search(r"resolve|not known|no address|temporary failure", low):
        return Unreachable(
            Reason.DNS,
            f"the name {target.address} does not resolve {over}",
            hint="the jump host looks names up: check the spelling, or give the host an address",
        )
    return Unreachable(
        Reason.JUMP_HOST,
        f"jump host {jump.host.name} could not connect to {place}: {why}",
        hint="try it by hand from there",
        retry="closed" in low,
    )
