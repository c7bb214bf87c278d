"""An Ansible inventory in memory, and its values merged by Ansible's own rules.

Precedence, the weakest first (https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html, "Understanding
variable precedence"): `all` in the file, other groups in the file, `group_vars/all`, other `group_vars/`, the host in the
file, `host_vars/`. Among groups the deeper wins, then `ansible_group_priority`, then the later in the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleetctl.errors import Problem, ProblemsError, Where
from fleetctl.hosts.declared import Declared, GroupEntry, HostEntry
from fleetctl.hosts.names import check_group_name, check_host_name
from fleetctl.hosts.sources.ansible_vars import Translator

__all__ = ["AnsibleTree", "VarsBeside"]


class VarsBeside(Protocol):
    """Values that lie beside an inventory."""

    def group(self, name: str) -> dict[str, Any]:
        """Return `group_vars` of a group."""

    def host(self, name: str) -> dict[str, Any]:
        """Return `host_vars` of a host."""


@dataclass(slots=True, kw_only=True)
class _Group:
    name: str
    where: Where
    vars: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Where] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    parents: dict[str, None] = field(default_factory=dict)
    priority: int = 1
    depth: int = 0


@dataclass(slots=True, kw_only=True)
class _Host:
    name: str
    where: Where
    vars: dict[str, Any] = field(default_factory=dict)


class AnsibleTree:
    """Groups and hosts as one or more files build them up.

    Args:
        file: for messages about the whole.

    Attributes:
        problems: what is wrong, in the order found.
        warnings: what is left out, and why.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._groups: dict[str, _Group] = {}
        self._hosts: dict[str, _Host] = {}
        self._layers: dict[tuple[str, ...], dict[str, Any]] = {}

    def problem(self, text: str, where: Where, *, hint: str | None = None) -> None:
        """Note something wrong."""
        self.problems.append(Problem(text, where, hint))

    def has_group(self, name: str) -> bool:
        """Tell whether a group was mentioned."""
        return name in self._groups or name in {"all", "ungrouped"}

    def has_host(self, name: str) -> bool:
        """Tell whether a host was mentioned."""
        return name in self._hosts

    def group(self, name: str, where: Where) -> None:
        """Mention a group."""
        if name not in self._groups:
            wrong = None if name == "all" else check_group_name(name)
            if wrong:
                self.problem(wrong, where)
            self._groups[name] = _Group(name=name, where=where)

    def host(self, name: str, group: str, where: Where) -> None:
        """Mention a host in a group."""
        self.group(group, where)
        if name not in self._hosts:
            if wrong := check_host_name(name):
                self.problem(wrong, where)
            self._hosts[name] = _Host(name=name, where=where)
        self._groups[group].hosts[name] = None

    def nest(self, parent: str, child: str, where: Where) -> None:
        """Put a group into a group."""
        self.group(parent, where)
        self.group(child, where)
        self._groups[parent].children.setdefault(child, where)
        self._groups[child].parents[parent] = None

    def set_group(self, name: str, values: dict[str, Any]) -> None:
        """Give a group values."""
        group = self._groups[name]
        for key, value in values.items():
            if key == "ansible_group_priority" and str(value).lstrip("-").isdecimal():
                group.priority = int(value)
            else:
                group.vars[key] = value

    def set_host(self, name: str, values: dict[str, Any]) -> None:
        """Give a host values."""
        self._hosts[name].vars |= values

    def resolve(self, beside: VarsBeside | None = None) -> Declared:
        """Merge values, and return what fleetctl makes of them.

        Args:
            beside: `group_vars/` and `host_vars/`.

        Raises:
            ProblemsError: everything that is wrong.
        """
        self._measure()
        if self.problems:
            raise ProblemsError(self.problems)
        declared = Declared(file=self.file, warnings=self.warnings)
        translator = Translator(self.problems, self.warnings, file=self.file)
        direct: dict[str, list[str]] = {name: [] for name in self._hosts}
        for group in self._groups.values():
            for name in group.hosts:
                direct[name].append(group.name)
        for host in self._hosts.values():
            groups, values = self._values(host, tuple(direct[host.name]), beside)
            settings = translator.translate(host.name, values, groups=groups, where=host.where)
            if settings is not None:
                declared.hosts.append(HostEntry(name=host.name, where=host.where, settings=settings))
        if self.problems:
            raise ProblemsError(self.problems)
        kept = {entry.name for entry in declared.hosts}
        declared.groups += self._entries(kept)
        return declared

    def _entries(self, kept: set[str]) -> Iterable[GroupEntry]:
        for group in self._groups.values():
            if group.name not in {"all", "ungrouped"}:
                yield GroupEntry(
                    name=group.name,
                    where=group.where,
                    children=tuple(
                        (child, where)
                        for child, where in group.children.items()
                        if child not in {"all", "ungrouped"}
                    ),
                    hosts=tuple(name for name in group.hosts if name in kept),
                )

    def _measure(self) -> None:
        """Find each group's depth: the longest way down from `all`."""
        waiting = {name: len(group.parents) for name, group in self._groups.items()}
        ready = [name for name, count in waiting.items() if count == 0]
        for name in ready:
            group = self._groups[name]
            if name != "all" and not group.depth:
                group.depth = 1
            for child in group.children:
                self._groups[child].depth = max(self._groups[child].depth, group.depth + 1)
                waiting[child] -= 1
                if waiting[child] == 0:
                    ready.append(child)
        circle = sorted(name for name, count in waiting.items() if count > 0)
        if circle:
            where = self._groups[circle[0]].where
            self.problem(f"groups that contain themselves or one another: {', '.join(circle)}", where)

    def _values(
        self, host: _Host, direct: tuple[str, ...], beside: VarsBeside | None
    ) -> tuple[list[str], dict[str, Any]]:
        groups = self._upward(direct)
        if direct not in self._layers:
            self._layers[direct] = self._group_values(groups, beside)
        return groups, self._layers[direct] | host.vars | (beside.host(host.name) if beside else {})

    def _upward(self, direct: tuple[str, ...]) -> list[str]:
        found: dict[str, None] = {}
        todo = list(direct)
        while todo:
            name = todo.pop()
            if name not in found:
                found[name] = None
                todo += self._groups[name].parents
        found.pop("all", None)

        def rank(name: str) -> tuple[int, int, str]:
            group = self._groups[name]
            return group.depth, group.priority, name

        return sorted(found, key=rank)

    def _group_values(self, groups: list[str], beside: VarsBeside | None) -> dict[str, Any]:
        values: dict[str, Any] = dict(self._groups["all"].vars) if "all" in self._groups else {}
        for name in groups:
            values |= self._groups[name].vars
        if beside is not None:
            for name in ("all", *groups):
                values |= beside.group(name)
        return values
