"""Inventory: what is known of hosts, now and before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fleetctl.fleet.run import RunCalls
from fleetctl.model import Host

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.inventory.ask import Wanted
    from fleetctl.inventory.choose import Snapshot
    from fleetctl.inventory.diff import RunThen
    from fleetctl.store.items import Capture, Items

__all__ = ["InventoryCalls"]


class InventoryCalls(RunCalls):
    """Inventory."""

    def collect_inventory(
        self,
        hosts: str | Sequence[Host],
        *,
        wanted: Wanted | None = None,
        become: bool | None = None,
        **options: Any,
    ) -> RunResult:
        """Ask hosts what is on them, and keep it.

        Args:
            hosts: a selector, or hosts.
            wanted: what is asked for; the types that are not opt-in by default.
            become: True, False, or None: as the inventory says.
            **options: as `carry_out` takes them.

        Raises:
            FleetError: fleetctl itself cannot go on; what a host that fails told before stays.
        """
        from fleetctl.inventory.ask import Wanted  # noqa: PLC0415
        from fleetctl.inventory.collect import DOCUMENT, CollectTask  # noqa: PLC0415
        from fleetctl.inventory.work import collect_work  # noqa: PLC0415

        wanted = wanted or Wanted()
        task = CollectTask(store=self.inventory_store, wanted=wanted, become=become)
        options.setdefault("parameters", {"types": [*wanted.types, *wanted.custom]})
        options.setdefault("work", collect_work(task))
        return self.carry_out(task, hosts, name=DOCUMENT, **options)

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
