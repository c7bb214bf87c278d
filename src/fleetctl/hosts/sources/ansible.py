"""Hosts of an Ansible inventory: INI or YAML files, with `group_vars/` and `host_vars/` beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fleetctl.errors import InventoryError, NotFoundError, ProblemsError, Where
from fleetctl.hosts.declared import Declared, Origin
from fleetctl.hosts.detect import Kind, kind_of_file
from fleetctl.hosts.sources.ansible_files import VarsFiles
from fleetctl.hosts.sources.ansible_ini import read_ini
from fleetctl.hosts.sources.ansible_list import read_list
from fleetctl.hosts.sources.ansible_tree import AnsibleTree
from fleetctl.hosts.sources.ansible_yaml import read_yaml
from fleetctl.hosts.sources.command import run_program
from fleetctl.hosts.sources.vault import ANSIBLE_TAGS
from fleetctl.spec.yaml import decode_text, parse_document

__all__ = ["Ansible"]

# ansible-core: INVENTORY_IGNORE_EXTS, and the folders that hold values.
_IGNORED: Final = frozenset(
    {".pyc", ".pyo", ".swp", ".bak", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"}
)


class Ansible:
    """`ansible: PATH`, a file or a folder of files, read without Ansible."""

    def read(self, argument: Any, origin: Origin) -> Declared:
        """Return its hosts and groups.

        Raises:
            NotFoundError: there is no such file.
            InventoryError: it is no path, or cannot be read.
            ProblemsError: everything that is wrong with it.
        """
        if not isinstance(argument, str) or not argument:
            raise InventoryError("'ansible' takes the path of an inventory", where=origin.where)
        path = origin.folder / Path(argument).expanduser()
        if not path.exists():
            raise NotFoundError(f"there is no inventory {path}", where=origin.where)
        tree = AnsibleTree(str(path))
        for file in _files(path):
            _read(file, tree)
        folder = path if path.is_dir() else path.parent
        return tree.resolve(VarsFiles(folder, tree))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        inside = sorted(entry for entry in path.iterdir() if entry.is_file())
    except OSError as exc:
        raise InventoryError(f"{path} cannot be read: {exc.strerror}") from exc
    return [
        entry
        for entry in inside
        if entry.suffix not in _IGNORED and not entry.name.startswith(".") and not entry.name.endswith("~")
    ]


def _read(file: Path, tree: AnsibleTree) -> None:
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise InventoryError(f"{file} cannot be read: {exc.strerror}") from exc
    kind = kind_of_file(file, data)
    if kind is Kind.PROGRAM:
        read_list(
            run_program([str(file.absolute()), "--list"], folder=file.parent), tree, where=Where(str(file))
        )
        return
    text = decode_text(data, file=str(file))
    if kind is not Kind.YAML:
        read_ini(text, tree, file=str(file))
        return
    try:
        document = parse_document(text, file=str(file), tags=ANSIBLE_TAGS, yes_no=True)
    except ProblemsError as exc:
        tree.problems += exc.problems
        return
    if isinstance(document.data, dict) and "_meta" in document.data:
        read_list(document.data, tree, where=Where(str(file)))
    else:
        read_yaml(document, tree)
