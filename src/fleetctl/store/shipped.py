"""`shipping.json` of a run: what is known to be in its sinks, so that `fleetctl runs ship` goes on where shipping stopped.

It may be behind: it is written once for many objects. Whatever it does not know of is put again, which changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetctl.store.runs import RunFolder, write_json

__all__ = ["Shipment", "read_shipments", "unshipped", "write_shipments"]

_NAME = "shipping.json"


@dataclass(slots=True, kw_only=True)
class Shipment:
    """What one sink holds of a run.

    Attributes:
        url: the sink's, without secrets.
        complete: whether the run has ended and all of it is there.
        offset: bytes of the ledger that are there in segments.
        objects: key below the run -> size in bytes, and BLAKE2b-128 of the content.
    """

    url: str
    complete: bool = False
    offset: int = 0
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)


def read_shipments(folder: RunFolder) -> dict[str, Shipment]:
    """Return what is known, by URL; a file that is damaged or not there knows nothing."""
    try:
        data = json.loads((folder.path / _NAME).read_bytes())
        found = [_shipment(item) for item in data["Sinks"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {shipment.url: shipment for shipment in found}


def _shipment(item: Mapping[str, Any]) -> Shipment:
    objects = {}
    for key, told in item["Objects"].items():
        size, _, digest = told.partition(":")
        objects[str(key)] = (int(size), digest)
    return Shipment(
        url=str(item["Url"]),
        complete=item.get("Complete") is True,
        offset=int(item.get("LedgerBytes", 0)),
        objects=objects,
    )


def write_shipments(folder: RunFolder, shipments: Iterable[Shipment]) -> None:
    """Write what is known; what the file says of other sinks stays.

    Raises:
        StateFolderError: it cannot be written.
    """
    known = read_shipments(folder) | {shipment.url: shipment for shipment in shipments}
    sinks = [
        {
            "Url": shipment.url,
            "Complete": shipment.complete,
            "LedgerBytes": shipment.offset,
            "Objects": {key: f"{size}:{digest}" for key, (size, digest) in shipment.objects.items()},
        }
        for shipment in known.values()
    ]
    write_json(folder.path / _NAME, {"SchemaVersion": "1.0", "Sinks": sinks}, indent=None)


def unshipped(folder: RunFolder, urls: Iterable[str] = ()) -> list[str]:
    """Return the sinks that lack something of a run.

    Args:
        folder: the run.
        urls: sinks that should have it now; those that its shipping was begun to are looked at too.
    """
    known = read_shipments(folder)
    wanted = dict.fromkeys([*urls, *known])
    return [url for url in wanted if url not in known or not known[url].complete]
