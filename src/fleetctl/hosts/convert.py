"""Write any inventory as fleetctl's own YAML, such that reading it gives the same hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from fleetctl.hosts.inventory import Group, Inventory
from fleetctl.hosts.names import expand, fold
from fleetctl.hosts.selector import split_terms
from fleetctl.model import Become, Host
from fleetctl.spec.dump import dump

__all__ = ["to_yaml"]

_MAPS = ("tags", "vars")


def to_yaml(inventory: Inventory, *, source: str) -> str:
    """Return an inventory file.

    What all hosts share becomes `defaults`; neighbours that differ in their number alone become a range. Hosts stand before
    groups, so that they keep their order.

    Args:
        inventory: what to write.
        source: what it came from, for the comment at the top.
    """
    settings = {host.name: _settings(host) for host in inventory.hosts.values()}
    shared = _shared(list(settings.values()))
    own = {name: _without(said, shared) for name, said in settings.items()}
    groups = _groups(inventory, own)
    parts: list[str] = []
    if shared:
        parts.append(dump({"defaults": shared}))
    if own:
        parts.append(dump({"hosts": dict(_folded(list(own.items())))}))
    if groups:
        parts.append(dump({"groups": groups}))
    origin = " ".join(source.split())
    return f"# Made by 'fleetctl hosts import' from {origin}\n\n" + "\n".join(parts or ["hosts: {}\n"])


def _settings(host: Host) -> dict[str, Any]:
    """Return what an inventory has to say about a host."""
    said: dict[str, Any] = {
        "address": host.address,
        "port": host.port,
        "user": host.user,
        "identity_file": _keys(host.identity_file),
        "transport": host.transport if host.transport != "ssh" else None,
        "become": _become(host.become),
        "jump": host.jump,
        "zone": host.zone,
        "platform": host.platform,
        "patch_group": host.patch_group,
        "tags": dict(host.tags) or None,
        "vars": dict(host.vars) or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _keys(files: tuple[str, ...]) -> str | list[str] | None:
    return (files[0] if len(files) == 1 else list(files)) if files else None


def _become(become: Become | None) -> Any:
    if become is None:
        return None
    return (
        become.method
        if become == Become(method=become.method)
        else {"method": become.method, "user": become.user}
    )


def _shared(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what all of several hosts have in common."""
    if len(settings) < 2:
        return {}
    shared = {}
    for key, value in settings[0].items():
        if key in _MAPS:
            common = _common(value, [other.get(key, {}) for other in settings])
            if common:
                shared[key] = common
        elif key != "address" and all(key in other and _same(value, other[key]) for other in settings):
            shared[key] = value
    return shared


def _common(first: Mapping[str, Any], others: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: value
        for name, value in first.items()
        if all(name in other and _same(value, other[name]) for other in others)
    }


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # True is not 1, nor is 1 1.0


def _without(said: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for key, value in said.items():
        if key in _MAPS:
            own = {name: item for name, item in value.items() if name not in shared.get(key, {})}
            if own:
                left[key] = own
        elif key not in shared:
            left[key] = value
    return left


def _folded(hosts: list[tuple[str, dict[str, Any]]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield names, or ranges of neighbours, with their settings, in order."""
    for _, members in groupby(hosts, key=lambda item: repr(item[1])):
        run = list(members)
        names = [name for name, _ in run]
        for term in _terms(names):
            yield term, run[0][1]


def _terms(names: list[str]) -> list[str]:
    """Return ranges that stand for exactly these names in this order, or the names."""
    terms = split_terms(fold(names))
    try:
        same = [name for term in terms for name in expand(term)] == names
    except ValueError:
        same = False
    return terms if same else names


def _groups(inventory: Inventory, own: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the groups, and move what all hosts of a group have in common from `own` to it, the largest first.

    Every host of the group has the value, so that no two groups can contradict one another.
    """
    common: dict[str, dict[str, Any]] = {}
    for group in sorted(inventory.groups.values(), key=lambda group: -len(group.hosts)):
        common[group.name] = _shared([own[name] for name in group.hosts])
        for name in group.hosts:
            own[name] = _without(own[name], common[group.name])
    return {name: {**common[name], **_members(group)} for name, group in inventory.groups.items()}


def _members(group: Group) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if group.children:
        said["children"] = list(group.children)
    if group.members:
        said["hosts"] = _terms(list(group.members))
    return said
