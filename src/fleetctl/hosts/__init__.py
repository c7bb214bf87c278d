"""Who: inventories, sources and selectors."""

from fleetctl.hosts.inventory import Group, Inventory
from fleetctl.hosts.load import load
from fleetctl.hosts.names import fold
from fleetctl.hosts.selector import select

__all__ = ["Group", "Inventory", "fold", "load", "select"]
