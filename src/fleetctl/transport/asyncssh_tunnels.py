"""Jump hosts: one shared connection per chain, opened when the first host needs it, reopened when it died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleetctl.errors import FleetError
from fleetctl.model import Reason
from fleetctl.transport.asyncssh_client import Link
from fleetctl.transport.asyncssh_target import Target, Targets
from fleetctl.transport.diagnose import through_jump
from fleetctl.transport.protocol import Unreachable

__all__ = ["Tunnels"]


@dataclass(slots=True)
class _Tunnel:
    task: asyncio.Task[Link]
    began: float
    ended: float | None = None
    over: tuple[str, ...] = ()


class Tunnels:
    """The jump hosts of a run.

    Hundreds of hosts behind one jump host share its connection, and share its failure: one that is dead costs the run one
    connect timeout, not one for each host.

    Args:
        targets: tells what a hop's name means.
        dial: opens a connection, over another one or straight.
    """

    def __init__(self, targets: Targets, *, dial: Callable[[Target, Link | None], Awaitable[Link]]) -> None:
        self._targets = targets
        self._dial = dial
        self._tunnels: dict[tuple[str, ...], _Tunnel] = {}

    async def through(self, hops: tuple[str, ...]) -> Link:
        """Return the open connection at the end of a chain.

        Args:
            hops: the first hop first.

        Raises:
            Unreachable: a hop cannot be reached; it is named.
        """
        tunnel = self._tunnels.get(hops)
        if tunnel is None:
            await self._no_circle(hops, before=())
            tunnel = self._tunnels.get(hops)
        if tunnel is None or self._stale(tunnel):
            loop = asyncio.get_running_loop()
            tunnel = _Tunnel(asyncio.create_task(self._open(hops)), loop.time())
            self._tunnels[hops] = tunnel
            tunnel.task.add_done_callback(lambda task, it=tunnel: _ended(it, task))  # type: ignore[misc]
        # A host that gives up must not take the tunnel away from those who still wait for it.
        return await asyncio.shield(tunnel.task)

    def pending(self, hops: tuple[str, ...]) -> str:
        """Return the name of the hop of a chain that is being connected to: the others wait for it."""
        while (tunnel := self._tunnels.get(hops)) is not None and tunnel.over:
            before = self._tunnels.get(tunnel.over)
            if before is None or before.task.done():
                break
            hops = tunnel.over
        return hops[-1]

    async def _no_circle(self, hops: tuple[str, ...], *, before: tuple[str, ...]) -> None:
        """Refuse chains that come back to themselves: their tunnels would wait for one another for ever."""
        first = hops[0]
        if first in before:
            circle = " -> ".join((*before[before.index(first) :], first))
            raise Unreachable(
                Reason.JUMP_HOST, f"jump hosts go in a circle: {circle}", hint="correct 'jump' of one of them"
            )
        target = await self._targets.resolve(self._targets.hop(first))
        if target.hops:
            await self._no_circle(target.hops, before=(*before, first))

    def _stale(self, tunnel: _Tunnel) -> bool:
        task = tunnel.task
        if not task.done():
            return False
        if task.cancelled():
            return True
        exc = task.exception()
        if exc is None:
            return task.result().is_closed()
        if isinstance(exc, FleetError) or (isinstance(exc, Unreachable) and not exc.retry):
            return False
        # A failure that may pass holds for as long as it took to find out.
        now, ended = asyncio.get_running_loop().time(), tunnel.ended or tunnel.began
        return now > ended + max(1.0, ended - tunnel.began)

    async def _open(self, hops: tuple[str, ...]) -> Link:
        *before, last = hops
        target = await self._targets.resolve(self._targets.hop(last))
        # The first hop may have jump hosts of its own, later ones are reached over the hop before.
        over = tuple(before) or target.hops
        self._tunnels[hops].over = over
        via = await self.through(over) if over else None
        try:
            return await self._dial(target, via)
        except Unreachable as exc:
            if exc.reason is Reason.JUMP_HOST:
                raise
            raise through_jump(last, exc) from exc

    async def close(self, hang_up: Callable[[Link], Awaitable[None]]) -> None:
        """Close all of them, the far ends first."""
        for hops in sorted(self._tunnels, key=len, reverse=True):
            task = self._tunnels[hops].task
            if not task.done():
                task.cancel()
            elif not task.cancelled() and task.exception() is None:
                await hang_up(task.result())
        self._tunnels.clear()


def _ended(tunnel: _Tunnel, task: asyncio.Task[Link]) -> None:
    tunnel.ended = asyncio.get_running_loop().time()
    if not task.cancelled():
        task.exception()  # seen: nobody may be waiting any more
