"""Inventory: what is known of hosts, now and before."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from fleetctl.fleet.run import RunCalls

if TYPE_CHECKING:
    from fleetctl.inventory.choose import Snapshot
    from fleetctl.inventory.diff import RunThen
    from fleetctl.store.items import Capture, Items

__all__ = ["InventoryCalls"]


class InventoryCalls(RunCalls):
    """Inventory."""

    @cached_property
    def inventory_store(self) -> Items:
        """What hosts told of themselves; its folder is made on first use."""
        from fleetctl.store.items import Items  # noqa: PLC0415

        return Items(self.project.state_folder("inventory"))

    def inventory_of(self, hosts: str = "all", *, at: datetime | None = None) -> Snapshot:
        """Return what is kept of hosts.

        Args:
            hosts: a selector, a host's name, or `all` of which anything is kept.
            at: as it was known then; None is now.

        Raises:
            NotFoundError: nothing is kept of these.
        """
        from fleetctl.inventory.choose import Snapshot, choose  # noqa: PLC0415

        store = self.inventory_store
        chosen = choose(store, hosts, select=lambda text: [host.name for host in self.select(text)])
        return Snapshot(store, hosts=None if hosts == "all" else chosen, at=at)

    def inventory_history(self, host: str, type_: str | None = None) -> list[Capture]:
        """Return every look at hosts that is kept, the oldest first.

        Raises:
            NotFoundError: nothing is kept of these.
        """
        return [
            capture
            for name in self.inventory_of(host).hosts
            for capture in self.inventory_store.history(name, type_=type_)
        ]

    def runs_on(self, host: str, *, begin: datetime, end: datetime) -> list[RunThen]:
        """Return the runs that were on a host between two moments, but for looks at its inventory."""
        from fleetctl.inventory.diff import runs_between  # noqa: PLC0415

        return runs_between(self.runs, host, begin=begin, end=end)
