"""The tree of groups: who is in what, and what is above it."""

from __future__ import annotations

from collections.abc import Sequence

from fleetctl.errors import Problem, Where
from fleetctl.hosts.declared import Declared, GroupEntry
from fleetctl.spec.suggest import did_you_mean

__all__ = ["GroupTree"]


class GroupTree:
    """Groups of all files together.

    Args:
        declared: what the files say.
        problems: what is wrong with it is put there: children that do not exist, groups in themselves.

    Attributes:
        entries: every mention of a group, by name.
        children: names of the groups directly in a group.
        direct: host -> the groups that it is directly in, in the order of the files.
    """

    def __init__(self, declared: Sequence[Declared], problems: list[Problem]) -> None:
        self.entries: dict[str, list[GroupEntry]] = {}
        self.children: dict[str, tuple[str, ...]] = {}
        self.direct: dict[str, tuple[str, ...]] = {}
        self._parents: dict[str, list[str]] = {}
        self._ancestors: dict[str, frozenset[str]] = {}
        for file in declared:
            for entry in file.groups:
                self.entries.setdefault(entry.name, []).append(entry)
        self._position = {name: position for position, name in enumerate(self.entries)}
        self._link(problems)
        for name, entries in self.entries.items():
            for host in dict.fromkeys(host for entry in entries for host in entry.hosts):
                self.direct[host] = (*self.direct.get(host, ()), name)

    def _link(self, problems: list[Problem]) -> None:
        for name, entries in self.entries.items():
            children: dict[str, Where] = {}
            for entry in entries:
                for child, where in entry.children:
                    if child in self.entries:
                        children.setdefault(child, where)
                    else:
                        hint = did_you_mean(child, self.entries)
                        problems.append(Problem(f"groups.{name}: unknown child group '{child}'", where, hint))
            self.children[name] = tuple(children)
            for child in children:
                self._parents.setdefault(child, []).append(name)
        problems.extend(self._circles())

    def _circles(self) -> list[Problem]:
        problems: list[Problem] = []
        done: set[str] = set()
        for start in self.children:
            trail: list[str] = []
            todo = [(start, iter(self.children[start]))] if start not in done else []
            while todo:
                name, rest = todo[-1]
                if name not in trail:
                    trail.append(name)
                child = next(rest, None)
                if child is None:
                    todo.pop()
                    done.add(trail.pop())
                elif child in trail:
                    problems.append(self._circle([*trail[trail.index(child) :], child]))
                elif child not in done:
                    todo.append((child, iter(self.children[child])))
        return problems

    def _circle(self, names: list[str]) -> Problem:
        last, first = names[-2], names[-1]
        where = next(
            place for entry in self.entries[last] for child, place in entry.children if child == first
        )
        return Problem(f"groups.{last}: a group cannot be in itself: {' > '.join(names)}", where)

    def ancestors(self, name: str) -> frozenset[str]:
        """Return every group above a group."""
        if name not in self._ancestors:
            above: set[str] = set()
            todo = list(self._parents.get(name, ()))
            while todo:
                group = todo.pop()
                if group not in above:
                    above.add(group)
                    todo += self._parents.get(group, ())
            self._ancestors[name] = frozenset(above)
        return self._ancestors[name]

    def upward(self, direct: Sequence[str]) -> tuple[str, ...]:
        """Return these groups and all above them, children before parents."""
        found = dict.fromkeys(direct)
        for name in direct:
            found |= dict.fromkeys(sorted(self.ancestors(name), key=self._position.__getitem__))
        # A group has more ancestors than any of its ancestors has, so that this order puts children first.
        return tuple(sorted(found, key=lambda name: -len(self.ancestors(name))))
