"""Read Ansible's YAML inventories (ansible-core: plugins/inventory/yaml.py)."""

from __future__ import annotations

from typing import Any

from fleetctl.errors import Where
from fleetctl.hosts.sources.ansible_ranges import expand_ansible, split_port
from fleetctl.hosts.sources.ansible_tree import AnsibleTree
from fleetctl.spec.check import dotted
from fleetctl.spec.suggest import did_you_mean
from fleetctl.spec.yaml import Document

__all__ = ["read_yaml"]

_KEYS = ("hosts", "children", "vars")
_Path = tuple[str | int, ...]


def read_yaml(document: Document, tree: AnsibleTree) -> None:
    """Put what a file says into the tree; what is wrong with it becomes problems there."""
    reader = _Yaml(document, tree)
    if document.data is None:
        return
    if not isinstance(document.data, dict):
        tree.problem("an inventory must be a map of groups", document.where())
        return
    for name, body in document.data.items():
        reader.group(name, body, (name,))


class _Yaml:
    def __init__(self, document: Document, tree: AnsibleTree) -> None:
        self._document = document
        self._tree = tree

    def _where(self, path: _Path) -> Where:
        return self._document.where(path, key=True)

    def _map(self, value: Any, path: _Path) -> dict[str, Any]:
        if value is None or isinstance(value, dict):
            return value or {}
        if isinstance(value, str) and path[-1] in {"hosts", "children"}:
            return {value: None}  # Ansible takes one name as well
        self._tree.problem(f"{dotted(path)}: expected a map", self._document.where(path))
        return {}

    def group(self, name: str, body: Any, path: _Path) -> None:
        self._tree.group(name, self._where(path))
        body = self._map(body, path)
        for key in body:
            if key not in _KEYS:
                text = f"{dotted(path)}: unknown key '{key}'"
                self._tree.problem(text, self._where((*path, key)), hint=did_you_mean(key, _KEYS))
        self._tree.set_group(name, self._map(body.get("vars"), (*path, "vars")))
        for pattern, values in self._map(body.get("hosts"), (*path, "hosts")).items():
            self._host(name, pattern, values, (*path, "hosts", pattern))
        for child, inner in self._map(body.get("children"), (*path, "children")).items():
            below = (*path, "children", child)
            self._tree.nest(name, child, self._where(below))
            self.group(child, inner, below)

    def _host(self, group: str, pattern: str, values: Any, path: _Path) -> None:
        where = self._where(path)
        try:
            bare, port = split_port(pattern)
            names = expand_ansible(bare)
        except ValueError as exc:
            self._tree.problem(str(exc), where)
            return
        said = self._map(values, path)
        if port is not None:
            said = {"ansible_port": port, **said}
        for name in names:
            self._tree.host(name, group, where)
            self._tree.set_host(name, said)
