"""Merge what files and sources say into one inventory, or say where they contradict one another.

The ranks are those of `fleetctl.hosts.declared`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetctl.errors import Problem, ProblemsError, Where
from fleetctl.hosts.declared import HOST, NOTHING, Declared, GroupEntry, HostEntry, Settings
from fleetctl.hosts.inventory import Group, Inventory
from fleetctl.hosts.tree import GroupTree
from fleetctl.model import Host

__all__ = ["merge"]

# One setting: ("user",), ("tags", "env"), ("vars", "x").
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """A value, and who said it."""

    value: Any
    by: HostEntry | GroupEntry
    key: _Key

    @property
    def where(self) -> Where:
        return self.by.place(*self.key)


@dataclass(slots=True, kw_only=True)
class _Layer:
    """Settings of one rank or of several merged ones; what they contradict one another about is kept until it matters."""

    values: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    conflicts: dict[_Key, tuple[_Said, _Said]] = field(default_factory=dict)

    def put(self, key: _Key, value: Any) -> None:
        kind = getattr(self, key[0]) if len(key) == 2 else self.values
        kind[key[-1]] = value

    def over(self, weaker: _Layer) -> _Layer:
        said = self.keys()
        kept = {key: pair for key, pair in weaker.conflicts.items() if key not in said}
        return _Layer(
            values=weaker.values | self.values,
            tags=weaker.tags | self.tags,
            vars=weaker.vars | self.vars,
            conflicts=kept | self.conflicts,
        )

    def keys(self) -> set[_Key]:
        return {
            *((name,) for name in self.values),
            *(("tags", name) for name in self.tags),
            *(("vars", name) for name in self.vars),
        }


def _said(entry: HostEntry | GroupEntry) -> Iterable[_Said]:
    for name, value in entry.settings.values.items():
        yield _Said(value, entry, (name,))
    for name, value in entry.settings.tags.items():
        yield _Said(value, entry, ("tags", name))
    for name, value in entry.settings.vars.items():
        yield _Said(value, entry, ("vars", name))


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, and not only equal as `1` and `True` are."""
    return type(one) is type(other) and bool(one == other)


def _combine(entries: Sequence[HostEntry | GroupEntry]) -> _Layer:
    """Merge what is said in several places of equal rank."""
    layer, first = _Layer(), dict[_Key, _Said]()
    for entry in entries:
        for said in _said(entry):
            before = first.setdefault(said.key, said)
            if before is said:
                layer.put(said.key, said.value)
            elif not _same(before.value, said.value):
                layer.conflicts.setdefault(said.key, (before, said))
    return layer


class _Merger:
    def __init__(self, declared: Sequence[Declared]) -> None:
        self._declared = declared
        self._problems: list[Problem] = []
        self._contradictions: dict[tuple[_Key, _Said, _Said], list[str]] = {}
        self._tree = GroupTree(declared, self._problems)
        self._layers: dict[tuple[tuple[str, ...], tuple[int, ...]], tuple[_Layer, tuple[str, ...]]] = {}
        self._entries: dict[str, list[HostEntry]] = {}
        self._files: dict[str, tuple[int, ...]] = {}
        for number, file in enumerate(declared):
            for entry in file.hosts:
                self._entries.setdefault(entry.name, []).append(entry)
                files = self._files.get(entry.name)
                if files is None:
                    self._files[entry.name] = (number,)
                elif files[-1] != number:
                    self._files[entry.name] = (*files, number)

    def merge(self) -> Inventory:
        self._stop()
        hosts = {name: self._host(name, entries) for name, entries in self._entries.items()}
        for (key, one, other), names in self._contradictions.items():
            self._problems.append(_contradiction(names, key, one, other))
        self._check_jumps(hosts)
        self._stop()
        return Inventory(
            hosts=hosts,
            groups=self._groups(hosts),
            files=tuple(file.file for file in self._declared),
            warnings=tuple(warning for file in self._declared for warning in file.warnings),
        )

    def _stop(self) -> None:
        if self._problems:
            raise ProblemsError(self._problems)

    def _host(self, name: str, entries: list[HostEntry]) -> Host:
        weaker, groups = self._below(self._tree.direct.get(name, ()), self._files[name])
        speaking = [
            entry for entry in entries if entry.settings.values or entry.settings.tags or entry.settings.vars
        ]
        if len(speaking) < 2 and not weaker.conflicts:
            settings = speaking[0].settings if speaking else NOTHING
            return _make(name, entries[0], groups, settings=settings, weaker=weaker)
        source = _combine([entry for entry in speaking if entry.rank != HOST])
        own = _combine([entry for entry in speaking if entry.rank == HOST])
        layer = own.over(source).over(weaker)
        for key, pair in layer.conflicts.items():
            self._contradictions.setdefault((key, *pair), []).append(name)
        said = Settings(values=layer.values, tags=layer.tags, vars=layer.vars)
        return _make(name, entries[0], groups, settings=said, weaker=_Layer())

    def _below(self, direct: tuple[str, ...], files: tuple[int, ...]) -> tuple[_Layer, tuple[str, ...]]:
        """Return what groups and defaults give to every host of these groups and files, and all its groups."""
        found = self._layers.get((direct, files))
        if found is None:
            groups = self._tree.upward(direct)
            defaults = [entry for number in files if (entry := self._declared[number].defaults) is not None]
            layer = self._group_layer(groups).over(_combine(defaults))
            found = self._layers[direct, files] = (layer, groups)
        return found

    def _group_layer(self, groups: tuple[str, ...]) -> _Layer:
        said: dict[_Key, list[tuple[str, _Said]]] = {}
        for group in groups:
            for entry in self._tree.entries[group]:
                for item in _said(entry):
                    said.setdefault(item.key, []).append((group, item))
        layer = _Layer()
        for key, items in said.items():
            above = {parent for group, _ in items for parent in self._tree.ancestors(group)}
            nearest = [item for group, item in items if group not in above]
            layer.put(key, nearest[0].value)
            for other in nearest[1:]:
                if not _same(nearest[0].value, other.value):
                    layer.conflicts.setdefault(key, (nearest[0], other))
        return layer

    def _check_jumps(self, hosts: Mapping[str, Host]) -> None:
        """Find jump hosts that are reached through one another."""
        over = {
            host.name: hop
            for host in hosts.values()
            if (hop := _first_hop(host)) in hosts and hop != host.name
        }
        done: set[str] = set()
        for start in over:
            name, trail = start, list[str]()
            while name in over and name not in done and name not in trail:
                trail.append(name)
                name = over[name]
            if name in trail:
                circle = [*trail[trail.index(name) :], name]
                text = f"hosts.{name}: jump hosts in a circle: {' > '.join(circle)}"
                self._problems.append(Problem(text, hosts[name].source, "give one of them 'jump: none'"))
            done.update(trail)

    def _groups(self, hosts: Mapping[str, Host]) -> dict[str, Group]:
        members: dict[str, list[str]] = {name: [] for name in self._tree.entries}
        within: dict[str, list[str]] = {name: [] for name in self._tree.entries}
        for host in hosts.values():
            for name in self._tree.direct.get(host.name, ()):
                members[name].append(host.name)
            for name in host.groups:
                within[name].append(host.name)
        return {
            name: Group(
                name=name,
                hosts=tuple(within[name]),
                members=tuple(members[name]),
                children=self._tree.children[name],
            )
            for name in self._tree.entries
        }


def _make(
    name: str, entry: HostEntry, groups: tuple[str, ...], *, settings: Settings, weaker: _Layer
) -> Host:
    values = {**weaker.values, **settings.values}
    if values.get("become") is False:
        values["become"] = None
    return Host(
        name=name,
        tags={**weaker.tags, **settings.tags} if settings.tags else weaker.tags,
        vars={**weaker.vars, **settings.vars} if settings.vars else weaker.vars,
        groups=groups,
        source=entry.where,
        **values,
    )


def _first_hop(host: Host) -> str:
    """Return where the way to a host begins, as an inventory may name it; empty where there is no jump host."""
    first = (host.jump or "").partition(",")[0].strip()
    return first.removeprefix("ssh://").rpartition("@")[2].partition(":")[0] if first else ""


def _contradiction(names: Sequence[str], key: _Key, one: _Said, other: _Said) -> Problem:
    who = f"hosts.{names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    what = ".".join(key)
    text = f"{who}: {what} is {_show(other.value)} here and {_show(one.value)} at {one.where}"
    if isinstance(one.by, GroupEntry) and isinstance(other.by, GroupEntry) and one.by.name != other.by.name:
        text = (
            f"{who}: group '{other.by.name}' says {what} is {_show(other.value)}, "
            f"group '{one.by.name}' says {_show(one.value)} at {one.where}"
        )
    return Problem(
        text, other.where, f"keep one of them, or say {what} for the host itself, which wins over groups"
    )


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def merge(declared: Sequence[Declared]) -> Inventory:
    """Return everything that files and sources say, as one inventory.

    Args:
        declared: the files, in order.

    Raises:
        ProblemsError: unknown child groups, circles, and every contradiction, each with both places.
    """
    return _Merger(declared).merge()
