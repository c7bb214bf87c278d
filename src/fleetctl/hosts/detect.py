"""Tell what an inventory path is by what is in it, so that `-i` takes any of them.

1. text with a comma, or a name with a comma behind it, where no such file exists: hosts (`web-[1-3],db1,`);
2. a folder: its `*.yaml` and `*.yml` files, by name; without any, its `*.ini` files and a file `hosts`;
3. an executable that begins with `#!` or is an ELF program: it is run with `--list`;
4. YAML or JSON, by its ending, or where its first line that says something is `---`, `{` or a key: fleetctl's own where
   `defaults`, `groups`, `hosts` or `sources` is a key at the top; what Ansible's `--list` prints where `_meta` is; Ansible's
   YAML where every value at the top is a map of `hosts`, `children` and `vars`; else fleetctl's own, which then says what
   is wrong with it;
5. an OpenSSH configuration where a line begins with `Host`, `Match` or `Include` and none with `[`;
6. else Ansible's INI.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import InventoryError, NotFoundError

__all__ = ["Kind", "files_of", "is_inline", "kind_of_data", "kind_of_file"]

_OWN_KEYS: Final = frozenset({"defaults", "groups", "hosts", "sources"})
_ANSIBLE_KEYS: Final = frozenset({"hosts", "children", "vars"})
_YAML_ENDINGS: Final = frozenset({".yaml", ".yml", ".json"})
_YAML_LINE: Final = re.compile(r"---|\{|[\w\"'.-]+\s*:(\s|$)")
_SSH_LINE: Final = re.compile(r"[ \t]*(host|match|include)[ \t=]", re.IGNORECASE)
_PROGRAM_MAGIC: Final = (b"#!", b"\x7fELF")


class Kind(Enum):
    """What a file is."""

    PROGRAM = "command"
    YAML = "yaml"
    OWN = "fleetctl"
    ANSIBLE = "ansible"
    ANSIBLE_LIST = "ansible --list"
    SSH_CONFIG = "ssh_config"


def is_inline(text: str) -> bool:
    """Tell whether `-i` names hosts instead of a file."""
    return "," in text and "\n" not in text and not Path(text).exists()


def files_of(path: Path) -> list[Path]:
    """Return the inventory files that a path stands for.

    Raises:
        NotFoundError: there is nothing there.
        InventoryError: a folder without inventory files, or one that cannot be read.
    """
    try:
        if path.is_file():
            return [path]
        if not path.is_dir():
            if path.exists():  # a pipe: -i <(...)
                return [path]
            raise NotFoundError(
                f"there is no inventory {path}", hint="to name hosts, put a comma behind them: -i web-1,"
            )
        inside = sorted(
            entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise InventoryError(f"{path} cannot be read: {reason}") from exc
    found = [entry for entry in inside if entry.suffix in {".yaml", ".yml"}]
    found = found or [entry for entry in inside if entry.suffix == ".ini" or entry.name == "hosts"]
    if not found:
        raise InventoryError(f"no inventory files in {path}", hint="they end in .yaml or .yml")
    return found


def kind_of_file(path: Path, data: bytes) -> Kind:
    """Return what a file is: a program, YAML of some kind, an OpenSSH configuration, or Ansible's INI.

    Args:
        path: its name and mode count.
        data: its content.
    """
    yaml_ending = path.suffix.lower() in _YAML_ENDINGS
    if not yaml_ending and data.startswith(_PROGRAM_MAGIC) and os.access(path, os.X_OK):
        return Kind.PROGRAM
    lines = [
        line
        for line in data.decode("utf-8", "replace").splitlines()
        if line.strip() and line.lstrip()[0] not in "#;"
    ]
    if yaml_ending or (lines and _YAML_LINE.match(lines[0])):
        return Kind.YAML
    if any(_SSH_LINE.match(line) for line in lines) and not any(line.startswith("[") for line in lines):
        return Kind.SSH_CONFIG
    return Kind.ANSIBLE


def kind_of_data(data: Any) -> Kind:
    """Return whose YAML it is."""
    if not isinstance(data, dict) or not data:
        return Kind.OWN
    if "_meta" in data:
        return Kind.ANSIBLE_LIST
    if _OWN_KEYS & data.keys():
        return Kind.OWN
    tree = all(
        value is None or (isinstance(value, dict) and value.keys() <= _ANSIBLE_KEYS)
        for value in data.values()
    )
    return Kind.ANSIBLE if tree else Kind.OWN
