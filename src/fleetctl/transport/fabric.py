"""Reach hosts with Fabric over Paramiko, in a bounded number of threads: for what asyncssh cannot talk to.

Paramiko blocks, so every connect and every command takes a thread of a pool of `MAX_THREADS` while it lasts; hosts beyond that
wait for one. Fabric accepts any host key (it hard-codes AutoAddPolicy): here the policy is `known_hosts`, always.
What Paramiko cannot do is not done here either: host certificates, IdentityAgent, and the algorithm lists of ssh_config.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import fabric

from fleetctl.errors import CredentialError, FleetError
from fleetctl.model import Command, Exit, Host, Reason
from fleetctl.transport.asyncssh_target import Target, Targets
from fleetctl.transport.diagnose import explain, through_jump
from fleetctl.transport.fabric_dial import Dial
from fleetctl.transport.fabric_exec import Exchange, Relay
from fleetctl.transport.fabric_login import Identities
from fleetctl.transport.keys import KeyFileError
from fleetctl.transport.protocol import ExecFailed, OutputSink, TransportOptions, Unreachable
from fleetctl.transport.quirks import Turns
from fleetctl.transport.shared import Shared
from fleetctl.transport.shell import kill_script, tagged, wire

__all__ = ["MAX_THREADS", "FabricConnection", "FabricSsh"]

MAX_THREADS: Final = 64
_SPARE_THREADS: Final = 8
"""For ending what was cancelled, when all the others are busy with what goes on."""
_KILL_SECONDS: Final = 5.0

T = TypeVar("T")


class FabricSsh:
    """SSH through Fabric and Paramiko."""

    def __init__(self, options: TransportOptions) -> None:
        # Paramiko logs what it also raises; with no handler at all Python would print it on stderr.
        log = logging.getLogger("paramiko")
        if not log.handlers:
            log.addHandler(logging.NullHandler())
        self.options = options
        self._targets = Targets(options)
        self._identities = Identities(options)
        self.threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="fabric")
        self.spare = ThreadPoolExecutor(_SPARE_THREADS, thread_name_prefix="fabric-spare")
        self._hop_targets: Shared[str, Target] = Shared()
        self._keys: Shared[tuple[Path, str | None], None] = Shared()
        self._hops: dict[tuple[str, ...], asyncio.Task[FabricConnection]] = {}

    async def prepare(self, host: Host) -> None:
        """Load the keys that this host and its jump hosts ask for by name; a passphrase is asked for before any clock runs.

        Raises:
            CredentialError: a key named on the command line cannot be used.
        """
        with contextlib.suppress(Unreachable):
            target = await self._targets.resolve(host)
            await self._load(target)
            waiting, seen = list(target.hops), set[str]()
            while waiting:
                name = waiting.pop()
                if name not in seen:
                    seen.add(name)
                    waiting += (await self._hop_targets.get(name, partial(self._prepare_hop, name))).hops

    async def _prepare_hop(self, name: str) -> Target:
        target = await self._targets.resolve(self._targets.hop(name))
        await self._load(target)
        return target

    async def _load(self, target: Target) -> None:
        for key in target.keys:
            slot = key.path, target.settings.identity_agent
            await self._keys.get(slot, partial(self._load_key, key.path, target))

    async def _load_key(self, path: Path, target: Target) -> None:
        with contextlib.suppress(KeyFileError):  # told by connect
            await asyncio.to_thread(self._identities.prepare, path, target)

    async def connect(
        self,
        host: Host,
        *,
        on_answer: Callable[[], None] | None = None,  # noqa: ARG002 - a thread cannot tell
    ) -> FabricConnection:
        """Open a connection; see `fleetctl.transport.protocol.Transport.connect`."""
        return await self._open(host, seen=())

    async def _open(self, host: Host, *, seen: tuple[str, ...]) -> FabricConnection:
        if host.name in seen:
            raise Unreachable(
                Reason.JUMP_HOST,
                f"jump host {host.name} is reached through itself: {' > '.join((*reversed(seen), host.name))}",
                hint="correct the jump hosts in the inventory or in ~/.ssh/config",
            )
        target = await self._targets.resolve(host)
        hop = await self._hop(target.hops, seen=(host.name, *seen)) if target.hops else None
        dial = Dial(target, options=self.options, identities=self._identities, hop=hop and hop.fabric)
        host = host if host.user == target.user else replace(host, user=target.user)
        return FabricConnection(host, transport=self, connection=await self._dial(dial))

    async def close(self) -> None:
        """Close the jump hosts and let the threads go."""
        await self._hop_targets.close()
        await self._keys.close()
        for task in self._hops.values():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Unreachable, FleetError):
                await (await task).close()
        self._hops.clear()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.spare.shutdown(wait=False)

    async def _dial(self, dial: Dial) -> fabric.Connection:
        loop = asyncio.get_running_loop()
        began = asyncio.Event()
        job = loop.run_in_executor(
            self.threads, lambda: dial.run(lambda: loop.call_soon_threadsafe(began.set))
        )
        waiting = asyncio.ensure_future(began.wait())
        try:
            # The clock starts with the thread, not in the queue for one.
            await asyncio.wait((waiting, job), return_when=asyncio.FIRST_COMPLETED)
            return await asyncio.wait_for(asyncio.shield(job), self.options.connect_timeout)
        except TimeoutError as exc:
            raise explain(TimeoutError(), dial.attempt) from exc
        finally:
            waiting.cancel()
            if not job.done() or job.cancelled():
                job.cancel()
                job.add_done_callback(lambda done: done.cancelled() or done.exception())
                dial.abandon()

    async def _hop(self, chain: tuple[str, ...], *, seen: tuple[str, ...]) -> FabricConnection:
        """Return the connection to the last host of a chain: one for all hosts behind it (MaxStartups)."""
        last = self._targets.hop(chain[-1])
        if len(chain) > 1:
            last = replace(last, jump=",".join(chain[:-1]))
        if last.name in seen:  # waiting for it would be waiting for ourselves
            return await self._open(last, seen=seen)
        task = self._hops.get(chain)
        if task is None or (
            task.done() and (task.cancelled() or task.exception() or not task.result().alive)
        ):
            task = self._hops[chain] = asyncio.ensure_future(self._open(last, seen=seen))
        try:
            return await asyncio.shield(task)
        except Unreachable as exc:
            raise exc if exc.reason is Reason.JUMP_HOST else through_jump(chain[-1], exc) from exc


class FabricConnection:
    """One connection: a Fabric connection, used from threads."""

    def __init__(self, host: Host, *, transport: FabricSsh, connection: fabric.Connection) -> None:
        self.host = host
        self.unended: list[str] = []
        self.fabric = connection
        self._transport = transport
        self._turns = Turns(str(connection.transport.remote_version))

    @property
    def alive(self) -> bool:
        """Whether the connection is still up."""
        return bool(self.fabric.is_connected)

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        """Run a command; see `fleetctl.transport.protocol.Connection.exec`."""
        command = tagged(command)
        exchange = await self._exchange(command, sink)
        async with self._turns.next():
            return await self._run(command, exchange)

    async def _run(self, command: Command, exchange: Exchange) -> Exit:
        job = self._transport.threads.submit(exchange.run)
        try:
            return await asyncio.shield(asyncio.wrap_future(job))
        except asyncio.CancelledError:
            if not job.cancel():  # it has a thread
                await self._cut_short(command, exchange)
            raise
        except BaseException:
            if exchange.abandoned:
                await self._cut_short(command, exchange)
            raise

    async def close(self) -> None:
        """Close the connection; see `fleetctl.transport.protocol.Connection.close`."""
        with contextlib.suppress(TimeoutError, Exception):
            await asyncio.wait_for(self._spare(self.fabric.client.close), _KILL_SECONDS)

    async def _exchange(self, command: Command, sink: OutputSink) -> Exchange:
        password = None
        if command.become:
            try:
                password = await asyncio.to_thread(
                    self._transport.options.credentials.become_password, self.host
                )
            except CredentialError as exc:
                raise ExecFailed(Reason.CREDENTIALS, exc.message, hint=exc.hint or "") from exc
        return Exchange(
            connection=self.fabric,
            wire=wire(command, password=password),
            stdin=command.stdin,
            relay=Relay(sink, loop=asyncio.get_running_loop()),
        )

    async def _cut_short(self, command: Command, exchange: Exchange) -> None:
        exchange.abort()
        proven = False
        try:
            proven = await self._kill(command)
        finally:
            if exchange.sent and not proven:
                self.unended.append(command.tag)
            self._transport.spare.submit(exchange.close)

    async def _kill(self, command: Command) -> bool:
        """End what a command left, as the user it became; return whether it is proven to be ended."""
        killer = replace(tagged(Command(script=kill_script(command.tag))), become=command.become)
        with contextlib.suppress(TimeoutError, ExecFailed, FleetError):
            ending = await self._exchange(killer, _Nowhere())
            return (await asyncio.wait_for(self._spare(ending.run), _KILL_SECONDS)).ok
        return False

    async def _spare(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._transport.spare, work)


class _Nowhere:
    """Takes output that nobody wants."""

    def stdout(self, data: bytes) -> None:
        """Drop it."""

    def stderr(self, data: bytes) -> None:
        """Drop it."""
