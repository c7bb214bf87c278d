"""Open connections: limited in number, tried again where trying can help, over whatever transport a host names."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import replace

from fleetctl.engine.budget import Limits
from fleetctl.errors import FleetError
from fleetctl.model import Host, Reason
from fleetctl.spec.plugins import load
from fleetctl.transport.protocol import Connection, Transport, TransportOptions, Unreachable

__all__ = ["Connector"]

# A host that has said nothing by then may be a black hole: its place goes to another. One that has answered keeps it,
# however slow it is, for what follows costs CPU on both sides.
_SILENT_AFTER = 1.0
# An alarm that rings this much too late, in seconds, says that this program was busy, and nothing about the host.
_LATE = 0.1
# Transports end their first attempt by themselves, with a reason; this much later it is cut off.
_GRACE = 2.0
# Between attempts at a host that was lost, in seconds.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
# What does not pass by itself.
_FOR_GOOD = frozenset(
    {Reason.HOST_KEY_CHANGED, Reason.HOST_KEY_UNKNOWN, Reason.HOST_KEY_REVOKED, Reason.CREDENTIALS}
)


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

        The time counts from when the first attempt has its place; waiting for one is our own doing, not the host's.

        Raises:
            Unreachable: it did not work; the reason of the last attempt that came to its own end.
            FleetError: the run makes no sense: no such transport, a named key that cannot be read.
        """
        await self._prepare(host)
        attempts = _Attempts(self._limits)
        while True:
            attempts.number += 1
            if on_attempt:
                on_attempt(attempts.number)
            try:
                return await self._connect(host, attempts)
            except Unreachable as exc:
                pause = attempts.pause_after(exc)
            await asyncio.sleep(pause)

    async def reopen(
        self, host: Host, *, seconds: float, on_attempt: Callable[[int], None] | None = None
    ) -> Connection:
        """Connect again to a host on which work was begun: after a reboot, or when the connection was lost.

        Unlike `open`, it goes on trying where a host says no for now (sshd not yet up, logins refused while it boots); only a
        wrong host key ends it at once.

        Args:
            host: where to.
            seconds: how long to go on trying.
            on_attempt: told the number of each attempt.

        Raises:
            Unreachable: the reason of the last attempt.
            FleetError: the run makes no sense: a named key that cannot be read.
        """
        loop = asyncio.get_running_loop()
        ends, pause, number = loop.time() + seconds, _FIRST_PAUSE, 0
        while True:
            number += 1
            if on_attempt:
                on_attempt(number)
            attempts = _Attempts(replace(self._limits, connect_attempts=1))
            attempts.number = 1
            try:
                async with asyncio.timeout_at(ends):
                    return await self._connect(host, attempts)
            except TimeoutError:
                raise attempts.out_of_time(host) from None
            except Unreachable as exc:
                if exc.reason in _FOR_GOOD or loop.time() + pause >= ends:
                    raise
            await asyncio.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(_LONGEST_PAUSE, pause * 1.6)

    async def _prepare(self, host: Host) -> None:
        try:
            await self.transport(host.transport).prepare(host)
        except FleetError:
            raise
        except Exception as exc:
            raise _broken_promise(host, exc) from exc

    async def _connect(self, host: Host, attempts: _Attempts) -> Connection:
        await self._places.acquire()
        place = _Place(self._places)
        limit = asyncio.timeout_at(attempts.deadline())
        try:
            async with limit:
                return await self.transport(host.transport).connect(host, on_answer=place.keep)
        except (Unreachable, FleetError):
            raise
        except Exception as exc:  # a transport that breaks its promise must not end the other hosts' run
            raise (attempts.out_of_time(host) if limit.expired() else _broken_promise(host, exc)) from exc
        finally:
            place.leave()

    async def close(self) -> None:
        """Close all transports; whatever goes wrong with one, the others are closed too."""
        for transport in self._transports.values():
            with contextlib.suppress(Exception):
                await transport.close()
        self._transports.clear()


class _Place:
    """A place among those that connect, from which a host that stays silent is sent away."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = True
        self._loop = asyncio.get_running_loop()
        self._set_alarm()

    def keep(self) -> None:
        """Stay: the host has answered."""
        self._alarm.cancel()

    def leave(self) -> None:
        """Give the place to another."""
        self._alarm.cancel()
        if self._held:
            self._held = False
            self._places.release()

    def _set_alarm(self) -> None:
        self._due = self._loop.time() + _SILENT_AFTER
        self._alarm = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        if self._loop.time() - self._due > _LATE:  # it may have answered: nobody listened
            self._set_alarm()
        else:
            self.leave()


class _Attempts:
    """How often one host was tried, and until when it may be."""

    __slots__ = ("_ends", "_last", "_limits", "number")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ends = 0.0
        self._last: Unreachable | None = None
        self.number = 0

    def deadline(self) -> float:
        """Return until when (loop time) this attempt may take; the first has its own limit, and ours only as a net below."""
        if self.number == 1:
            self._ends = asyncio.get_running_loop().time() + self._limits.connect_timeout
            return self._ends + _GRACE
        return self._ends

    def pause_after(self, exc: Unreachable) -> float:
        """Return how many seconds to wait before the next attempt; raise `exc` if there is to be none."""
        pause = min(4.0, 0.4 * 2.0**self.number) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        late = asyncio.get_running_loop().time() + pause >= self._ends
        if not exc.retry or self.number >= self._limits.connect_attempts or late:
            raise exc
        self._last = exc
        return pause

    def out_of_time(self, host: Host) -> Unreachable:
        """Return what to say of an attempt that was cut off: the reason of the one before says more than "too slow"."""
        if self._last is not None:
            return Unreachable(self._last.reason, self._last.message, hint=self._last.hint)
        seconds = self._limits.connect_timeout
        return Unreachable(
            Reason.CONNECT_TIMEOUT,
            f"no connection to {host.target} within {seconds:g} s",
            hint="give it more time with --connect-timeout SECONDS",
        )


def _broken_promise(host: Host, exc: Exception) -> Unreachable:
    return Unreachable(
        Reason.INTERNAL,
        f"{type(exc).__name__} in transport '{host.transport}': {exc}",
        hint="this is a bug: report it",
    )
