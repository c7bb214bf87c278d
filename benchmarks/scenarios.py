"""What is measured: which hosts, which command, which clients."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from answers import MANAGERS, answer
from clients import CLIENTS, DETACHED, LEDGER, SCANS, Client
from fleets import Target, write_target
from lab.host import LabHost
from lab.loopback import black_hole, closed_port
from lab.many import ManyHosts
from lab.processes import until
from lab.slow import SlowHosts

__all__ = ["Scenario", "scenarios"]

FLOOD_BYTES = 100 * 2**20
FLOOD = """\
#!/bin/sh
case "$SSH_CONNECTION" in
  *" {address} "*) head -c {size} /dev/zero | tr '\\0' x ;;
  *) echo ok ;;
esac
"""
# Says what our shell says first, then what a host of that address would: `folder` holds a few answers, and hosts take turns.
TELLER = """\
#!/bin/sh
cd "$(dirname "$0")" || exit
printf '[fleetctl ready %s]\\n' "${{SSH_ORIGINAL_COMMAND##* }}" >&2
set -- $SSH_CONNECTION
exec cat "$((${{3##*.}} % {variants}))"
"""
PACKAGES, VARIANTS = 2000, 20
LISTS = """\
operating_system: {system}
approval_rules: [{{approve_after_days: 0, filters: {{PRODUCT: ["*"]}}}}]
approved_patches: [{approved}]
rejected_patches: [{rejected}]
"""
SYSTEMS = {"apt": "DEBIAN", "dnf": "ROCKY_LINUX", "zypper": "SUSE"}
DEAD = ("refused", "black hole", "bad key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the benchmark.

    Attributes:
        fanout: hosts at once, for every client but ansible.
        server_cpu: reads the servers' CPU seconds so far; nothing where they are no real sshd.
        clients: who is measured.
    """

    name: str
    title: str
    target: Target
    command: str
    fanout: int
    server_cpu: Callable[[], float]
    clients: tuple[Client, ...]


@contextmanager
def scenarios(*, sizes: tuple[int, ...], slow: int, only: str = "") -> Iterator[list[Scenario]]:
    """Start the hosts of all scenarios, for as long as the block lasts.

    Args:
        only: what has to be in the names of scenarios with hosts of their own.
        sizes: numbers of real sshd hosts.
        slow: number of hosts that take a second each.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetctl-bench-hosts-")))
        folder.chmod(0o755)
        many, wait = ManyHosts(folder / "many"), SlowHosts(folder / "slow")
        for server in (many, wait):
            server.start()
            stack.callback(server.stop)
        found = [_many(folder / f"many-{size}", many, size) for size in sizes]
        found += [
            replace(
                found[-1], name=f"{name}-{sizes[-1]}", title=f"{sizes[-1]} hosts: {title}", clients=clients
            )
            for name, title, clients in (
                ("ledger", "what the ledger costs", LEDGER),
                ("detached", "what a detached job costs", DETACHED),
            )
        ]
        found.append(_flood(folder / "flood", many, sizes[-1]))
        found.append(_slow(folder / "slow-all", wait, slow))
        found.append(_dead(folder / "dead", wait, slow, stack=stack))
        for manager in MANAGERS:
            if only in (name := f"patch-scan-{sizes[-1]}-{manager}"):
                found.append(_scan(folder / name, manager, sizes[-1], stack=stack))
        yield found


def _many(folder: Path, many: ManyHosts, size: int) -> Scenario:
    hosts = many.hosts(size)
    return Scenario(
        name=f"many-{size}",
        title=f"{size} hosts behind a real sshd, `echo ok`",
        target=write_target(folder, hosts, expected={host.address: "ok" for host in hosts}),
        command="echo ok",
        fanout=64,
        server_cpu=_settled(many),
        clients=CLIENTS,
    )


def _flood(folder: Path, many: ManyHosts, size: int) -> Scenario:
    """One host writes 100 MB, the others a line."""
    hosts = many.hosts(size)
    script = many.home / "flood"
    script.write_text(FLOOD.format(address=hosts[0].address, size=FLOOD_BYTES))
    script.chmod(0o755)
    expected = {host.address: "ok" for host in hosts[1:]} | {hosts[0].address: "x" * FLOOD_BYTES}
    return Scenario(
        name=f"flood-{size}",
        title=f"one host writes 100 MB while {size - 1} write a line",
        target=write_target(folder, hosts, expected=expected),
        command=str(script),
        fanout=64,
        server_cpu=_settled(many),
        clients=CLIENTS[:1],
    )


def _slow(folder: Path, slow: SlowHosts, size: int) -> Scenario:
    hosts = slow.hosts(size)
    return Scenario(
        name=f"slow-{size}",
        title=f"{size} hosts that take 1 s each",
        target=write_target(folder, hosts, expected=_out_of(hosts)),
        command="echo ok",
        fanout=size,
        server_cpu=lambda: 0.0,
        clients=tuple(client for client in CLIENTS if not client.python_there),
    )


def _dead(folder: Path, slow: SlowHosts, size: int, *, stack: ExitStack) -> Scenario:
    """The same, but three in a hundred are dead, each third in another way, spread evenly."""
    hosts = slow.hosts(size)
    refused = stack.enter_context(closed_port("127.0.0.1"))
    mute = stack.enter_context(black_hole("127.0.0.1"))
    ways: tuple[dict[str, Any], ...] = (
        {"address": "127.0.0.1", "port": refused},
        {"address": "127.0.0.1", "port": mute},
        {"user": "stranger"},
    )
    dead = hosts[5 :: 100 // len(ways)][: max(len(ways), 3 * size // 100)]
    changes = {host.name: ways[number % len(ways)] for number, host in enumerate(dead)}
    alive = [host for host in hosts if host.name not in changes]
    return Scenario(
        name=f"dead-{size}",
        title=f"the same, but {len(dead)} of them are dead ({', '.join(DEAD)})",
        target=write_target(folder, hosts, expected=_out_of(alive), changes=changes),
        command="echo ok",
        fanout=size,
        server_cpu=lambda: 0.0,
        clients=CLIENTS[:1],
    )


def _scan(folder: Path, manager: str, size: int, *, stack: ExitStack) -> Scenario:
    """Hosts that have 2,000 packages each, behind a real sshd that says so for them."""
    told = folder / "told"
    told.mkdir(parents=True)
    teller = told / "tell"
    teller.write_text(TELLER.format(variants=VARIANTS))
    teller.chmod(0o755)
    for variant in range(VARIANTS):
        (told / str(variant)).write_bytes(answer(manager, packages=PACKAGES, variant=variant))
    many = ManyHosts(folder / "hosts", network=5, settings=(f"ForceCommand {teller}",))
    many.start()
    stack.callback(many.stop)
    hosts = many.hosts(size)
    target = write_target(
        folder / "project",
        hosts,
        expected=dict.fromkeys((host.address for host in hosts), f"NON_COMPLIANT {PACKAGES}"),
    )
    names = [f"part{number:04}" for number in range(0, PACKAGES, 10)]
    (target.folder / "lists.yaml").write_text(
        LISTS.format(
            system=SYSTEMS[manager],
            approved=", ".join(
                f"'*-{name}-dev'" if name.endswith("50") else f"lib-{name}-bin" for name in names
            ),
            rejected=", ".join(
                f"'java-{name}*'" if name.endswith("50") else f"CVE-2026-0{name[4:]}" for name in names
            ),
        )
    )
    return Scenario(
        name=folder.name,
        title=f"`patch scan` of {size} {manager} hosts with {PACKAGES} packages",
        target=target,
        command="",
        fanout=64,
        server_cpu=_settled(many),
        clients=SCANS,
    )


def _out_of(hosts: list[LabHost]) -> dict[str, str]:
    return {host.address: f"out-of-{host.address}" for host in hosts}


def _settled(many: ManyHosts) -> Callable[[], float]:
    """Read sshd's CPU time once it has stood still for three looks."""

    def read() -> float:
        last = [-1.0] * 3

        def stands_still() -> bool:
            last[:] = [*last[-2:], many.cpu()]
            return len(set(last)) == 1

        until(stands_still, seconds=30, what="sshd has reaped all sessions")
        return last[-1]

    return read
