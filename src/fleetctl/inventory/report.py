"""The inventory as JSON, in the form of SSM's GetInventory: entities with their data by type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleetctl.inventory.types import SCHEMA_VERSION, form_of
from fleetctl.report.protocol import Telling
from fleetctl.report.shape import COUNT, TEXT, TEXTS, TIME, Shape, listed, published, record, table_of, told
from fleetctl.store.items import Capture

__all__ = ["entities", "schema", "tell_entities"]


def entities(
    captures: Sequence[Capture], contents: Mapping[str, Sequence[Mapping[str, str]]] | None = None
) -> list[dict[str, Any]]:
    """Return SSM's Entities.

    Args:
        captures: of any hosts.
        contents: items by their hash; None leaves them out.
    """
    found: dict[str, dict[str, Any]] = {}
    for capture in captures:
        data = {
            "TypeName": capture.type,
            "SchemaVersion": SCHEMA_VERSION,
            "CaptureTime": capture.captured.isoformat(timespec="milliseconds"),
            "CommandId": capture.run,
            "ContentHash": capture.hash,
            "Count": capture.count,
        }
        if contents is not None:
            data["Content"] = list(contents[capture.hash])
        found.setdefault(capture.host, {})[capture.type] = data
    return [{"Id": host, "Data": data} for host, data in found.items()]


def tell_entities(report: Mapping[str, Any], *, types: Sequence[str] = ()) -> Telling:
    """Tell entities: one row an item, or a type where the items were left out.

    Args:
        report: with `Entities`.
        types: whose fields become columns; by default of all that are there.
    """
    names = dict.fromkeys(types or (name for entity in report["Entities"] for name in entity["Data"]))
    items = {
        name: [
            item for entity in report["Entities"] for item in entity["Data"].get(name, {}).get("Content", ())
        ]
        for name in names
    }
    with_items = any("Content" in data for entity in report["Entities"] for data in entity["Data"].values())
    fields = [field for name in names for field in form_of(name, items[name]).fields] if with_items else []
    head = ["InstanceId", "TypeName", "CaptureTime"] + (
        [] if with_items else ["Count", "ContentHash", "CommandId"]
    )
    return Telling(
        data=report,
        rows=list(_rows(report)),
        columns=tuple(dict.fromkeys([*head, *(field for field in fields if field not in head)])),
        title="fleetctl inventory",
    )


def _rows(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entity in report["Entities"]:
        for name, data in entity["Data"].items():
            own = {"InstanceId": entity["Id"], "TypeName": name, "CaptureTime": data["CaptureTime"]}
            if "Content" not in data:
                yield {**own, **{key: data[key] for key in ("Count", "ContentHash", "CommandId")}}
            for item in data.get("Content", ()):
                yield {**item, **own}


def schema() -> Shape:
    """Return the JSON Schema (draft 2020-12) of `inventory list|show|query|export --format json`."""
    data = record(
        {
            "TypeName": TEXT,
            "SchemaVersion": TEXT,
            "CaptureTime": TIME,
            "CommandId": told(TEXT, "the run that looked"),
            "ContentHash": told(TEXT, "SHA-256; equal contents have equal hashes"),
            "Count": told(COUNT, "items of the type, also where only some are shown"),
        },
        Content=listed(table_of(TEXT)),
    )
    whole = record(
        {"Entities": listed(record({"Id": TEXT, "Data": table_of(data)}))},
        Query=TEXT,
        Unknown=told(listed(record({"Id": TEXT, "Missing": TEXTS})), "hosts of which the query cannot tell"),
    )
    return published("inventory", whole)
