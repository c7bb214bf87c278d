"""Read `group_vars/` and `host_vars/` beside an Ansible inventory (ansible-core: plugins/vars/host_group_vars.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import FleetError, Problem, ProblemsError, Where
from fleetctl.hosts.sources.ansible_tree import AnsibleTree
from fleetctl.hosts.sources.vault import ANSIBLE_TAGS, VAULT_HEADER, plain
from fleetctl.spec.yaml import parse_document, read_text

__all__ = ["VarsFiles"]

_ENDINGS: Final = ("", ".yml", ".yaml", ".json")


class VarsFiles:
    """The values of groups and hosts that lie in files.

    Args:
        folder: where the inventory is.
        tree: takes problems and warnings.
    """

    def __init__(self, folder: Path, tree: AnsibleTree) -> None:
        self._tree = tree
        self._folders = {kind: folder / kind for kind in ("group_vars", "host_vars")}
        # One look into the folder instead of four a host.
        self._inside = {kind: self._names(path) for kind, path in self._folders.items()}
        self._groups: dict[str, dict[str, Any]] = {}

    def group(self, name: str) -> dict[str, Any]:
        """Return `group_vars` of a group."""
        if name not in self._groups:
            self._groups[name] = self._read("group_vars", name)
        return self._groups[name]

    def host(self, name: str) -> dict[str, Any]:
        """Return `host_vars` of a host."""
        return self._read("host_vars", name)

    def _names(self, folder: Path) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in folder.iterdir()) if folder.is_dir() else frozenset()
        except OSError as exc:
            self._tree.problem(f"cannot be read: {exc.strerror}", Where(str(folder)))
            return frozenset()

    def _read(self, kind: str, name: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        found = next((name + ending for ending in _ENDINGS if name + ending in self._inside[kind]), None)
        if found is not None:
            for file in _files(self._folders[kind] / found):
                values |= self._load(file)
        return values

    def _load(self, file: Path) -> dict[str, Any]:
        try:
            text = read_text(file)
            if text.startswith(VAULT_HEADER):
                self._tree.warnings.append(
                    Problem("encrypted with ansible-vault, and not read", Where(str(file)))
                )
                return {}
            data = plain(parse_document(text, file=str(file), tags=ANSIBLE_TAGS, yes_no=True).data)
        except ProblemsError as exc:
            self._tree.problems += exc.problems
            return {}
        except FleetError as exc:
            self._tree.problem(exc.message, exc.where or Where(str(file)))
            return {}
        if data is not None and not isinstance(data, dict):
            self._tree.problem("expected a map of variables", Where(str(file), 1))
            return {}
        return data or {}


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder as Ansible orders and chooses them."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for entry in sorted(path.iterdir()):
            if entry.name.startswith(".") or entry.name.endswith("~"):
                continue
            if entry.is_dir() and not entry.suffix:
                yield from _files(entry)
            elif entry.is_file() and entry.suffix in _ENDINGS:
                yield entry
