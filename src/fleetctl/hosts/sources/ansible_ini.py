"""Read Ansible's INI inventories (ansible-core: plugins/inventory/ini.py).

`[group]` lists hosts, `[group:children]` groups, `[group:vars]` variables. Values are Python literals where they can be
(`22`, `True`, `['a', 'b']`), else text: `yes` stays text.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import Any

from fleetctl.errors import Where
from fleetctl.hosts.sources.ansible_ranges import expand_ansible, split_port
from fleetctl.hosts.sources.ansible_tree import AnsibleTree
from fleetctl.spec.suggest import did_you_mean

__all__ = ["read_ini"]

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_KINDS = ("hosts", "children", "vars")


def read_ini(text: str, tree: AnsibleTree, *, file: str) -> None:
    """Put what a file says into the tree; what is wrong with it becomes problems there."""
    with warnings.catch_warnings():
        # Python warns of '\\d' in a text that it is given to read as a literal; whose inventory it is does not care.
        warnings.simplefilter("ignore")
        _Ini(tree, file).read(text)


class _Ini:
    def __init__(self, tree: AnsibleTree, file: str) -> None:
        self._tree = tree
        self._file = file
        self._group = "ungrouped"
        self._kind = "hosts"
        self._values: dict[str, dict[str, Any]] = {}
        self._mentioned: dict[str, tuple[str, Where]] = {}

    def read(self, text: str) -> None:
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            where = Where(self._file, number, len(raw) - len(raw.lstrip()) + 1)
            try:
                self._line(line, where)
            except ValueError as exc:
                self._tree.problem(str(exc), where)
        for name, (section, where) in self._mentioned.items():
            if not self._tree.has_group(name):
                self._tree.problem(f"{section} names a group that is nowhere: '{name}'", where)
        for name, values in self._values.items():
            if self._tree.has_group(name):
                self._tree.group(name, Where(self._file))
                self._tree.set_group(name, values)

    def _line(self, line: str, where: Where) -> None:
        if section := _SECTION.fullmatch(line):
            self._begin(section[1], section[2] or "hosts", where)
        elif self._kind == "hosts":
            self._host(line, where)
        elif self._kind == "children":
            child = _words(line)[0]
            self._mentioned.setdefault(child, (f"[{self._group}:children]", where))
            self._tree.nest(self._group, child, where)
        else:
            name, equals, value = line.partition("=")
            if not equals:
                raise ValueError(f"expected name=value in [{self._group}:vars], got '{line}'")
            self._values.setdefault(self._group, {})[name.strip()] = _literal(value.strip())

    def _begin(self, group: str, kind: str, where: Where) -> None:
        if kind not in _KINDS:
            hint = did_you_mean(kind, _KINDS)
            self._tree.problem(
                f"a section is [{group}], [{group}:children] or [{group}:vars]", where, hint=hint
            )
        self._group, self._kind = group, kind
        if kind == "vars":
            self._mentioned.setdefault(group, (f"[{group}:vars]", where))
        else:
            self._tree.group(group, where)

    def _host(self, line: str, where: Where) -> None:
        words = _words(line)
        pattern, port = split_port(words[0])
        values: dict[str, Any] = {} if port is None else {"ansible_port": port}
        for word in words[1:]:
            name, equals, value = word.partition("=")
            if not equals:
                raise ValueError(f"expected name=value behind the host, got '{word}'")
            values[name] = _literal(value)
        for name in expand_ansible(pattern):
            self._tree.host(name, self._group, where)
            self._tree.set_host(name, values)


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as exc:
        raise ValueError(f"the line cannot be read: {exc}") from exc
    if not words:
        raise ValueError("the line says nothing")
    return words


def _literal(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    # Only what JSON can hold; a tuple, a set or bytes were meant as text.
    return value if isinstance(value, str | int | float | list | dict | None) else text
