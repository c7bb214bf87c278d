"""Words to write JSON Schemas of reports with: short enough that a schema reads like the report itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

__all__ = [
    "ANY",
    "COUNT",
    "FLAG",
    "NUMBER",
    "SEVERITIES",
    "TEXT",
    "TEXTS",
    "TIME",
    "Shape",
    "listed",
    "one_of",
    "optional",
    "published",
    "record",
    "table_of",
    "told",
]  # fmt: skip

Shape: TypeAlias = dict[str, Any]

ANY: Final[Shape] = {}
TEXT: Final[Shape] = {"type": "string"}
TEXTS: Final[Shape] = {"type": "array", "items": TEXT}
FLAG: Final[Shape] = {"type": "boolean"}
COUNT: Final[Shape] = {"type": "integer", "minimum": 0}
NUMBER: Final[Shape] = {"type": "number"}
TIME: Final[Shape] = {"type": "string", "format": "date-time"}
SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED")


def told(shape: Shape, description: str) -> Shape:
    """Say what a field is."""
    return {**shape, "description": description}


def one_of(*words: str) -> Shape:
    """Return a text that is one of these."""
    return {"enum": list(words)}


def optional(shape: Shape) -> Shape:
    """Return what is of that shape, or null."""
    return {"anyOf": [shape, {"type": "null"}]}


def listed(item: Shape) -> Shape:
    """Return a list of such items."""
    return {"type": "array", "items": item}


def table_of(value: Shape) -> Shape:
    """Return an object with any keys, and such values."""
    return {"type": "object", "additionalProperties": value}


def record(fields: Mapping[str, Shape], /, **maybe: Shape) -> Shape:
    """Return an object with exactly these fields.

    Args:
        fields: that are always there.
        **maybe: that may be there.
    """
    return {
        "type": "object",
        "required": list(fields),
        "properties": {**fields, **maybe},
        "additionalProperties": False,
    }


def published(title: str, shape: Shape) -> Shape:
    """Return a whole JSON Schema (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"fleetctl {title}", **shape}
