"""Find the hosts, and their items, for which a query holds.

Conditions on one type that are joined by `and` are about one and the same item. `not` beside them is about that item, too; alone it
says that the host has no such item. What was never collected of a host is not known: the host is neither in nor out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final, TypeAlias

from fleetctl.errors import UsageError
from fleetctl.inventory.query import And, Condition, Has, Node, Not, Or, types_of
from fleetctl.inventory.types import Item, Items
from fleetctl.inventory.versions import compare

__all__ = ["Match", "match"]

Lookup: TypeAlias = Callable[[str], "Items | None"]
"""Returns a host's items of a type; None where they were never collected."""

_MOST: Final = 1000
_ORDER: Final[Mapping[str, Callable[[int], bool]]] = {
    "=": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a query says of one host.

    Attributes:
        holds: True, False, or None: it cannot be known.
        items: those that fit, by type; empty where the query is about what a host has not.
        missing: types that were never collected, and would decide.
    """

    holds: bool | None
    items: Mapping[str, Items] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def match(query: Node, lookup: Lookup) -> Match:
    """Ask about one host.

    Raises:
        UsageError: the query has too many alternatives.
    """
    found: dict[str, dict[int, Item]] = {}
    holds = False
    missing: set[str] = set()
    for conjunct in _alternatives(query):
        unknown = {name for leaf in conjunct for name in types_of(leaf) if lookup(name) is None}
        if unknown:
            missing |= unknown
            continue
        fitting = _conjunct(conjunct, lookup)
        if fitting is None:
            continue
        holds = True
        for name, items in fitting.items():
            found.setdefault(name, {}).update((id(item), item) for item in items)
    if not holds and missing:
        return Match(holds=None, missing=tuple(sorted(missing)))
    return Match(holds=holds, items={name: tuple(items.values()) for name, items in found.items()})


def _alternatives(node: Node) -> list[tuple[Node, ...]]:
    """Return the ways in which a query can hold: lists of what must hold together, `not` and `has` unopened."""
    if isinstance(node, Or):
        found = [way for part in node.parts for way in _alternatives(part)]
    elif isinstance(node, And):
        ways = [_alternatives(part) for part in node.parts]
        count = 1
        for way in ways:
            count *= len(way)
        found = [sum(chosen, ()) for chosen in product(*ways)] if count <= _MOST else [()] * (_MOST + 1)
    else:
        found = [(node,)]
    if len(found) > _MOST:
        raise UsageError(
            f"the query has more than {_MOST} alternatives", hint="write fewer 'or' inside 'and'"
        )
    return found


def _conjunct(leaves: tuple[Node, ...], lookup: Lookup) -> dict[str, list[Item]] | None:
    """Return the items that fit where everything holds at once, else None."""
    named = dict.fromkeys(leaf.type for leaf in leaves if isinstance(leaf, Condition))
    found: dict[str, list[Item]] = {}
    for name in named:
        own = [leaf for leaf in leaves if types_of(leaf) == {name} and not _has_own(leaf)]
        items = [item for item in lookup(name) or () if all(_fits(leaf, item) for leaf in own)]
        if not items:
            return None
        found[name] = items
    for leaf in leaves:
        inner = match(leaf.part, lookup) if isinstance(leaf, Has | Not) else None
        if isinstance(leaf, Has) and inner is not None:
            if not inner.holds:
                return None
            for name, items_ in inner.items.items():
                found[name] = [*found.get(name, ()), *items_]
        elif isinstance(leaf, Not) and inner is not None and not _about_item(leaf, named) and inner.holds:
            return None
    return found


def _about_item(leaf: Not, named: Mapping[str, None]) -> bool:
    """Tell whether a `not` is about an item that conditions beside it choose."""
    types = types_of(leaf)
    return (
        len(types) == 1 and not any(isinstance(node, Has) for node in _nodes(leaf)) and types <= named.keys()
    )


def _has_own(leaf: Node) -> bool:
    return any(isinstance(node, Has) for node in _nodes(leaf))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if not isinstance(node, Condition):
        for part in node.parts if isinstance(node, And | Or) else (node.part,):
            yield from _nodes(part)


def _fits(node: Node, item: Item) -> bool:
    """Tell whether a part of a query that is about one type holds for one item."""
    match node:
        case And(parts):
            return all(_fits(part, item) for part in parts)
        case Or(parts):
            return any(_fits(part, item) for part in parts)
        case Not(part):
            return not _fits(part, item)
        case Has(_):
            return True  # never met: `_conjunct` asks what holds one
        case Condition():
            return _holds(node, item)


def _holds(condition: Condition, item: Item) -> bool:
    if condition.op == "exists":
        return not condition.field or condition.field in item
    if condition.field not in item:
        return condition.op == "!="
    if condition.op == "^=":
        return item[condition.field].startswith(condition.value)
    return _ORDER[condition.op](compare(item, condition.field, condition.value))
