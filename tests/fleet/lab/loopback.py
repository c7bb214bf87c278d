"""Hundreds of hosts on 127.0.0.0/8: addresses, and ports that are free on all of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

__all__ = ["addresses", "black_hole", "closed_port", "free_port"]


def addresses(network: int, count: int) -> list[str]:
    """The first `count` addresses of 127.`network`.0.0/16, from .0.1 on."""
    first = int(IPv4Address(f"127.{network}.0.1"))
    return [str(IPv4Address(first + n)) for n in range(count)]


def free_port() -> int:
    """A TCP port that nobody listens on, on any address."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104 - never listens
        return int(probe.getsockname()[1])


@contextmanager
def closed_port(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections for as long as the block lasts: bound, so nobody takes it, and not listening."""
    with socket.socket() as held:
        held.bind((address, 0))
        yield int(held.getsockname()[1])


@contextmanager
def black_hole(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that never answers a connection, as a firewall that drops would.

    Linux drops new SYNs once the queue of unaccepted connections is full, so the queue is filled and left alone.
    """
    with socket.socket() as mute, socket.socket() as first, socket.socket() as second:
        mute.bind((address, 0))
        mute.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(mute.getsockname())
        yield int(mute.getsockname()[1])
