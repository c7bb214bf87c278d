"""All hosts of a fleet, as everything below them sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fleetctl.errors import NotFoundError, Problem
from fleetctl.model import Host
from fleetctl.spec.suggest import did_you_mean

__all__ = ["Group", "Inventory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A named set of hosts.

    Attributes:
        hosts: every host in it, through children too, in inventory order.
        members: the hosts that are in it directly.
        children: groups directly in it.
    """

    name: str
    hosts: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Hosts and groups, merged.

    Attributes:
        hosts: by name, in the order of the files.
        groups: by name, in the order of the files; `all` is not among them.
        files: what it was read from.
        warnings: what was left out of it, and why.
    """

    hosts: dict[str, Host]
    groups: Mapping[str, Group] = field(default_factory=dict)
    files: Sequence[str] = ()
    warnings: Sequence[Problem] = ()

    @cached_property
    def tags(self) -> dict[str, dict[str, list[str]]]:
        """Tag -> value -> names of the hosts that have it, in inventory order."""
        index: dict[str, dict[str, list[str]]] = {}
        for host in self.hosts.values():
            for tag, value in host.tags.items():
                index.setdefault(tag, {}).setdefault(value, []).append(host.name)
        return index

    def host(self, name: str) -> Host:
        """Return a host by its name.

        Raises:
            NotFoundError: there is none; names the nearest.
        """
        if name in self.hosts:
            return self.hosts[name]
        hint = f"'{name}' is a group: fleetctl hosts list {name}" if name in self.groups else None
        raise NotFoundError(
            f"there is no host '{name}' in the inventory", hint=hint or did_you_mean(name, self.hosts)
        )
