"""The JSON Schema of inventory files."""

from __future__ import annotations

from typing import Any

from fleetctl.hosts.form import InventoryForm
from fleetctl.spec.check import json_schema

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of `inventories/*.yaml`, for editors and `fleetctl schema inventory`."""
    return json_schema(InventoryForm, title="fleetctl inventory")
