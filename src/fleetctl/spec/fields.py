"""Find out which keys a pydantic model takes at some place inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["keys_at"]


def keys_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys that may stand in the map at `path`, as they are written in the file; empty if any may."""
    places: list[Any] = [model]
    for part in path:
        places = [inner for place in places for inner in _inside(place, part)]
    return list(dict.fromkeys(key for place in places for leaf in _leaves(place) for key in _keys(leaf)))


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation may be, through unions and `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for choice in get_args(annotation):
            yield from _leaves(choice)
    else:
        yield annotation


def _keys(annotation: Any) -> list[str]:
    fields = getattr(annotation, "model_fields", {})
    return [str(field.alias or name) for name, field in fields.items()]


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    for leaf in _leaves(annotation):
        for name, field in getattr(leaf, "model_fields", {}).items():
            if part in {name, field.alias}:
                yield field.annotation
        origin, inner = get_origin(leaf), get_args(leaf)
        if not inner or not isinstance(origin, type):
            continue
        if issubclass(origin, Mapping) and isinstance(part, str):
            yield inner[-1]
        elif issubclass(origin, list | tuple | set) and isinstance(part, int):
            yield inner[0]
