"""JSON for machines, streamed: a host's 100 MB of output passes through, it is never held."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from fleetctl.report.protocol import StoredText, Telling
from fleetctl.spec.pretty import is_row

__all__ = ["Json", "encode"]


class Json:
    """The whole result as one JSON document, rows one a line."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write it."""
        file.writelines(encode(telling.data, indent=1))
        file.write("\n")


def encode(value: Any, *, indent: int | None = None, _depth: int = 0) -> Iterator[str]:
    """Yield JSON text piece by piece.

    Args:
        value: what `json.dumps` takes, and also `StoredText` (a string) and any iterable (an array).
        indent: spaces per level, where a level has lines of its own; None writes one line.
    """
    if isinstance(value, StoredText):
        yield '"'
        for chunk in value.chunks():
            yield json.dumps(chunk, ensure_ascii=False)[1:-1]
        yield '"'
    elif (text := _at_once(value, indent, top=not _depth)) is not None:
        yield text
    elif isinstance(value, Mapping):
        members = ((json.dumps(str(key), ensure_ascii=False) + ": ", item) for key, item in value.items())
        yield from _nest("{", "}", members, indent=indent, depth=_depth)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        yield from _nest("[", "]", (("", item) for item in value), indent=indent, depth=_depth)
    else:
        raise TypeError(f"{type(value).__name__} has no form in JSON")


def _at_once(value: Any, indent: int | None, *, top: bool) -> str | None:
    """Return JSON text of what stands on one line, or None where it does not, or something in it must be streamed."""
    if indent is not None and ((top and isinstance(value, dict) and value) or not is_row(value)):
        return None
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        return None


def _nest(
    opening: str, closing: str, members: Iterable[tuple[str, Any]], *, indent: int | None, depth: int
) -> Iterator[str]:
    gap = "" if indent is None else "\n" + " " * (indent * (depth + 1))
    yield opening
    empty = True
    for key, item in members:
        if not empty:
            yield "," if indent is not None else ", "
        empty = False
        yield gap + key
        yield from encode(item, indent=indent, _depth=depth + 1)
    yield closing if empty or indent is None else "\n" + " " * (indent * depth) + closing
