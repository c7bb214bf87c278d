"""Draw the groups of an inventory as a tree of text."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.hosts.inventory import Inventory
from fleetctl.hosts.names import fold

__all__ = ["graph"]


def graph(inventory: Inventory) -> str:
    """Return the tree of groups with their hosts, folded; a group that is in two groups is drawn twice.

    Args:
        inventory: what to draw; hosts in no group stand under `ungrouped`.
    """
    inside = {child for group in inventory.groups.values() for child in group.children}
    tops = [name for name in inventory.groups if name not in inside]
    loose = [host.name for host in inventory.hosts.values() if not host.groups]
    lines = [f"all ({_count(len(inventory.hosts))})"]
    for index, name in enumerate(tops):
        lines += _group(inventory, name, "", last=index == len(tops) - 1 and not loose)
    if loose:
        lines.append(f"└── ungrouped ({_count(len(loose))}): {fold(loose)}")
    return "\n".join(lines) + "\n"


def _group(inventory: Inventory, name: str, indent: str, *, last: bool) -> Iterator[str]:
    group = inventory.groups[name]
    members = f": {fold(group.members)}" if group.members else ""
    yield f"{indent}{'└── ' if last else '├── '}{name} ({_count(len(group.hosts))}){members}"
    below = indent + ("    " if last else "│   ")
    for index, child in enumerate(group.children):
        yield from _group(inventory, child, below, last=index == len(group.children) - 1)


def _count(number: int) -> str:
    return f"{number} host" if number == 1 else f"{number} hosts"
