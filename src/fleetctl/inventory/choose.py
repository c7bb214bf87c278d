"""Which of the hosts that are kept somebody means, and what they look like now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fleetctl.errors import FleetError, NotFoundError
from fleetctl.inventory.types import Items as TypeItems
from fleetctl.spec.suggest import did_you_mean
from fleetctl.store.items import Capture, Items

__all__ = ["Snapshot", "choose"]

_NOTHING = "collect it with: fleetctl inventory collect"


def choose(store: Items, text: str, *, select: Callable[[str], Sequence[str]]) -> list[str]:
    """Return the hosts of which anything is kept: also those that left the inventory, by their own name.

    Args:
        store: where it is kept.
        text: a selector, a host's name, or `all` that are kept.
        select: names the hosts of a selector by the inventory.

    Raises:
        NotFoundError: nothing is kept of these.
        FleetError: the selector cannot be read.
    """
    kept = list(dict.fromkeys(capture.host for capture in store.latest()))
    if text == "all":
        return kept
    if text in kept:
        return [text]
    try:
        chosen = list(select(text))
    except FleetError:
        if not kept:
            raise
        hint = did_you_mean(text, kept)
        raise NotFoundError(f"there is no inventory of '{text}'", hint=f"{hint}\n{_NOTHING} {text}") from None
    found = [host for host in chosen if host in set(kept)]
    if not found:
        raise NotFoundError(f"there is no inventory of '{text}'", hint=f"{_NOTHING} {text}")
    return found


class Snapshot:
    """What is kept of hosts, as of one moment; contents are read once, and only when asked for."""

    def __init__(
        self, store: Items, *, hosts: Sequence[str] | None = None, at: datetime | None = None
    ) -> None:
        self._store = store
        wanted = None if hosts is None else set(hosts)
        one = hosts[0] if hosts is not None and len(hosts) == 1 else None
        self.captures = [
            capture for capture in store.latest(host=one, at=at) if wanted is None or capture.host in wanted
        ]
        self._by_host: dict[str, dict[str, Capture]] = {}
        for capture in self.captures:
            self._by_host.setdefault(capture.host, {})[capture.type] = capture
        self._read: dict[str, TypeItems] = {}

    @property
    def hosts(self) -> list[str]:
        """Their names, sorted."""
        return list(self._by_host)

    def of(self, host: str) -> Mapping[str, Capture]:
        """Return what is kept of a host, by type."""
        return self._by_host.get(host, {})

    def items(self, host: str, type_: str) -> TypeItems | None:
        """Return a host's items; None where the type was never collected.

        Raises:
            DamagedError: they cannot be read.
        """
        capture = self.of(host).get(type_)
        return None if capture is None else self.content(capture.hash)

    def content(self, hash_: str) -> TypeItems:
        """Return a content."""
        if hash_ not in self._read:
            self._read[hash_] = self._store.read(hash_)
        return self._read[hash_]
