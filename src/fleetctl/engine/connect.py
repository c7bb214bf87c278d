"""Open connections: limited in number, tried again where trying can help, over whatever transport a host names."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from fleetctl.engine.budget import Limits
from fleetctl.errors import FleetError
from fleetctl.model import Host, Reason
from fleetctl.spec.plugins import load
from fleetctl.transport.protocol import Connection, Transport, TransportOptions, Unreachable

__all__ = ["Connector"]

# A handshake that has not come to its end by then is waiting for a silent host, not using a CPU: its place goes to another.
_SLOW_AFTER = 1.0


class Connector:
    """Opens connections for one run, and keeps one transport object of each kind.

    Args:
        options: what transports need to know; its `connect_timeout` is overridden by `limits`.
        limits: `connect_concurrency`, `connect_attempts` and `connect_timeout` are used.
    """

    def __init__(self, options: TransportOptions, *, limits: Limits) -> None:
        self._options = replace(options, connect_timeout=limits.connect_timeout)
        self._limits = limits
        self._places = asyncio.Semaphore(limits.connect_concurrency)
        self._transports: dict[str, Transport] = {}

    def transport(self, name: str) -> Transport:
        """Return the transport of that name, made on first use.

        Raises:
            PluginError: there is none.
        """
        if name not in self._transports:
            self._transports[name] = load("fleetctl.transports", name)(self._options)
        return self._transports[name]

    async def open(self, host: Host, *, on_attempt: Callable[[int], None] | None = None) -> Connection:
        """Connect, trying again with jitter while the failure may pass and the connect timeout is not used up.

        Raises:
            Unreachable: it did not work; the last attempt's reason.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.connect_timeout
        transport = self.transport(host.transport)
        attempt = 1
        while True:
            if on_attempt:
                on_attempt(attempt)
            try:
                return await self._connect(transport, host)
            except Unreachable as exc:
                pause = min(4.0, 0.4 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
                if (
                    not exc.retry
                    or attempt >= self._limits.connect_attempts
                    or loop.time() + pause >= deadline
                ):
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    async def _connect(self, transport: Transport, host: Host) -> Connection:
        await self._places.acquire()
        held = True

        def give_up_place() -> None:
            nonlocal held
            if held:
                held = False
                self._places.release()

        timer = asyncio.get_running_loop().call_later(_SLOW_AFTER, give_up_place)
        try:
            return await transport.connect(host)
        except (Unreachable, FleetError, asyncio.CancelledError):
            raise
        except Exception as exc:  # a transport that breaks its promise must not end the other hosts' run
            raise Unreachable(
                Reason.INTERNAL,
                f"{type(exc).__name__} in transport '{host.transport}': {exc}",
                hint="this is a bug: report it",
            ) from exc
        finally:
            timer.cancel()
            give_up_place()

    async def close(self) -> None:
        """Close all transports."""
        for transport in self._transports.values():
            await transport.close()
        self._transports.clear()
