"""Ask hosts for their SSH host keys, compare them with known_hosts, and record those that a person accepts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetctl.errors import FleetError, HostKeyError
from fleetctl.model import Host, Reason
from fleetctl.transport.known_hosts import Entry, HostName, KnownHosts, Standing, fingerprint
from fleetctl.transport.known_hosts_file import append, remove
from fleetctl.transport.protocol import TransportOptions, Unreachable

__all__ = ["OfferedKey", "Scan", "record", "scan"]

_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedKey:
    """One key that a host offers, and what known_hosts says of it.

    Attributes:
        recorded: the lines it was compared with: the same key, or other keys of this host.
    """

    key_type: str
    blob: bytes
    standing: Standing
    recorded: tuple[Entry, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Its fingerprint."""
        return fingerprint(self.blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What came of asking one host.

    Attributes:
        known_as: its name in known_hosts.
        file: where its keys would be recorded.
        hashed: whether names are hashed there (ssh_config: HashKnownHosts).
        failed: why it could not be asked.
    """

    host: Host
    known_as: HostName
    file: Path | None = None
    hashed: bool = False
    keys: tuple[OfferedKey, ...] = ()
    failed: Unreachable | None = None

    @property
    def standing(self) -> Standing:
        """What it comes to: revoked if any key is, then changed, then unknown, else trusted."""
        found = {key.standing for key in self.keys}
        order = (Standing.REVOKED, Standing.CHANGED, Standing.UNKNOWN)
        return next((standing for standing in order if standing in found), Standing.TRUSTED)


async def scan(
    hosts: Sequence[Host],
    options: TransportOptions,
    *,
    on_done: Callable[[Scan], None] | None = None,
    at_once: int = _AT_ONCE,
) -> list[Scan]:
    """Ask hosts for their keys, some at once.

    Args:
        hosts: reached as a run would reach them, jump hosts included.
        options: of the transport.
        on_done: told of each as it comes.
        at_once: hosts asked at the same time.

    Returns:
        One for each host, in the order given.
    """
    from fleetctl.transport.asyncssh import AsyncSsh  # noqa: PLC0415 - 0.3 s, and not needed to record

    transport = AsyncSsh(options)
    places = asyncio.Semaphore(at_once)

    async def one(host: Host) -> Scan:
        async with places:
            done = await _scan(transport, host)
        if on_done:
            on_done(done)
        return done

    try:
        return list(await asyncio.gather(*(one(host) for host in hosts)))
    finally:
        await transport.close()


async def _scan(transport: object, host: Host) -> Scan:
    from fleetctl.transport.asyncssh import AsyncSsh  # noqa: PLC0415

    assert isinstance(transport, AsyncSsh)  # noqa: S101 - one call site
    try:
        target, offered = await transport.scan(host)
    except Unreachable as exc:
        return Scan(host=host, known_as=HostName(host.target, host.port or 22), failed=exc)
    except FleetError as exc:  # a key of the jump host that cannot be read
        trouble = Unreachable(Reason.CREDENTIALS, exc.message, hint=exc.hint or "")
        return Scan(host=host, known_as=HostName(host.target, host.port or 22), failed=trouble)
    keys = tuple(
        _compare(target.known_hosts, target.known_as, key.algorithm.decode("ascii"), key.public_data)
        for key in offered
    )
    return Scan(
        host=host,
        known_as=target.known_as,
        file=target.known_hosts.files[0],
        hashed=target.settings.hash_known_hosts,
        keys=_settle(keys),
    )


def _compare(known: KnownHosts, name: HostName, key_type: str, blob: bytes) -> OfferedKey:
    verdict = known.judge(name, blob)
    same_type = tuple(entry for entry in verdict.entries if entry.key_type == key_type)
    return OfferedKey(
        key_type=key_type, blob=blob, standing=verdict.standing, recorded=same_type or verdict.entries
    )


def _settle(keys: tuple[OfferedKey, ...]) -> tuple[OfferedKey, ...]:
    """Where one key is trusted, the host is known: its keys of types that are not on record decide nothing.

    Where none is, a key of another type than those on record is a change too: an impostor has the choice of type.
    """
    if not any(key.standing is Standing.TRUSTED for key in keys):
        return keys
    return tuple(
        key
        for key in keys
        if key.standing is not Standing.CHANGED
        or any(entry.key_type == key.key_type for entry in key.recorded)
    )


def record(scans: Iterable[Scan], *, replace: bool = False) -> int:
    """Write what was found into known_hosts, and return how many keys were written.

    Args:
        scans: hosts without anything to decide, and revoked keys, are passed over.
        replace: put changed keys in the place of the old ones; without, hosts with changed keys are passed over.

    Raises:
        HostKeyError: a file cannot be written.
    """
    written = 0
    for one in scans:
        if one.file is None or one.standing in {Standing.TRUSTED, Standing.REVOKED}:
            continue
        if one.standing is Standing.CHANGED and not replace:
            continue
        try:
            written += _record(one)
        except OSError as exc:
            raise HostKeyError(
                f"host keys cannot be recorded in {exc.filename or one.file}: {exc.strerror or exc}",
                hint="make that file writable, or name another one with --known-hosts",
            ) from exc
    return written


def _record(one: Scan) -> int:
    assert one.file is not None  # noqa: S101 - the caller looked
    old = {entry for key in one.keys if key.standing is Standing.CHANGED for entry in key.recorded}
    for file in {entry.file for entry in old}:
        remove(file, old, host=one.known_as)
    new = [key for key in one.keys if key.standing is not Standing.TRUSTED]
    for key in new:
        append(one.file, one.known_as, key_type=key.key_type, blob=key.blob, hashed=one.hashed)
    return len(new)
