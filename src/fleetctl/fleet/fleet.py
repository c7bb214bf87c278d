"""All that can be done with a fleet, in one class; one file for each component of SSM says how."""

from __future__ import annotations

from fleetctl.fleet.inventory import InventoryCalls
from fleetctl.fleet.patch import PatchCalls

__all__ = ["Fleet"]


class Fleet(PatchCalls, InventoryCalls):
    """A fleet project with its hosts.

    | component | calls |
    |---|---|
    | the project (`project.py`) | `open`, `inventory`, `select`, `runs`, `audit`, `reports_folder`, `limits`, `transport_options` |
    | Run Command (`run.py`) | `run`, `fan_out`, `proceed` |
    | Patch Manager (`patch.py`) | `patch_scan`, `scan_task`, `conclude_scan` |
    | Inventory (`inventory.py`) | `inventory_of`, `inventory_history`, `inventory_store`, `runs_on` |

    Calls block until the hosts are done, but for those that are coroutines. What becomes of a host is an outcome, never an exception.
    """
