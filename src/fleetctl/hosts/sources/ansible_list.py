"""Read the JSON that Ansible's inventory programs and `ansible-inventory --list` print."""

from __future__ import annotations

from typing import Any

from fleetctl.errors import Where
from fleetctl.hosts.declared import Declared
from fleetctl.hosts.sources.ansible_tree import AnsibleTree
from fleetctl.hosts.sources.vault import plain

__all__ = ["declare", "read_list"]


def declare(data: Any, *, file: str, where: Where) -> Declared:
    """Return the hosts and groups of such JSON.

    Args:
        data: as `json.loads` returns it.
        file: for messages.
        where: the same.

    Raises:
        ProblemsError: it is not of that form.
    """
    tree = AnsibleTree(file)
    read_list(data, tree, where=where)
    return tree.resolve()


def read_list(data: Any, tree: AnsibleTree, *, where: Where) -> None:
    """Put `{"web": {"hosts": [...], "children": [...], "vars": {...}}, "_meta": {"hostvars": {...}}}` into the tree."""
    if not isinstance(data, dict):
        tree.problem("the inventory must be a JSON object of groups", where)
        return
    data = plain(data)
    meta = data.get("_meta")
    hostvars = meta.get("hostvars", {}) if isinstance(meta, dict) else {}
    for name, body in data.items():
        if name != "_meta":
            _group(str(name), body, tree, where)
    if not isinstance(hostvars, dict):
        tree.problem("_meta.hostvars must be an object", where)
        return
    for name, values in hostvars.items():
        if not isinstance(values, dict):
            tree.problem(f"_meta.hostvars.{name} must be an object", where)
            continue
        if not tree.has_host(name):
            tree.host(name, "ungrouped", where)
        tree.set_host(name, values)


def _group(name: str, body: Any, tree: AnsibleTree, where: Where) -> None:
    body = {"hosts": body} if isinstance(body, list) else body
    if not isinstance(body, dict):
        tree.problem(f"group '{name}' must be an object or a list of hosts", where)
        return
    tree.group(name, where)
    for key, kind in (("hosts", list), ("children", list), ("vars", dict)):
        if not isinstance(body.get(key, kind()), kind):
            tree.problem(
                f"{key} of group '{name}' must be {'a list' if kind is list else 'an object'}", where
            )
            return
    for host in body.get("hosts", []):
        tree.host(str(host), name, where)
    for child in body.get("children", []):
        tree.nest(name, str(child), where)
    tree.set_group(name, body.get("vars", {}))
