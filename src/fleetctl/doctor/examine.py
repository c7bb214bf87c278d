"""Examine hosts, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from fleetctl.doctor.host import examine_host
from fleetctl.doctor.model import Finding, State
from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.errors import CredentialError, FleetError
from fleetctl.model import Become, Host
from fleetctl.transport.protocol import TransportOptions

__all__ = ["examine_hosts"]


async def examine_hosts(
    hosts: Sequence[Host],
    *,
    options: TransportOptions,
    limits: Limits,
    become: Callable[[Host], Become | None],
    progress: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Look at every host, and return the findings in the order of the hosts.

    Args:
        hosts: the hosts.
        options: how they are reached.
        limits: `max_concurrency` and what concerns connecting are used.
        become: how to become another user on a host; None leaves that check out.
        progress: told how many hosts are done, each time one is.
    """
    connector = Connector(options, limits=limits)
    waiting = iter(hosts)
    found: dict[str, list[Finding]] = {}

    async def work(hosts: Iterator[Host]) -> None:
        for host in hosts:
            found[host.name] = await _one(host, connector, become(host))
            progress(len(found))

    places = min(len(hosts), limits.max_concurrency.of(len(hosts), least=1))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(places):
                group.create_task(work(waiting))
    finally:
        await connector.close()
    return [finding for host in hosts for finding in found[host.name]]


async def _one(host: Host, connector: Connector, become: Become | None) -> list[Finding]:
    try:
        return await examine_host(host, connector, become=become)
    except FleetError as exc:  # a key that the command line names, or a transport that does not exist
        check = "authentication" if isinstance(exc, CredentialError) else "ssh"
        return [_failed(host, check, str(exc), exc.hint or "")]
    except Exception as exc:  # noqa: BLE001 - a bug on one host's path must not hide what was found on the others
        return [_failed(host, "ssh", f"{type(exc).__name__}: {exc}", "this is a bug in fleetctl: report it")]


def _failed(host: Host, check: str, message: str, remedy: str) -> Finding:
    return Finding(
        check=check, state=State.FAIL, subject=host.name, message=message, remedy=remedy, host=True
    )
