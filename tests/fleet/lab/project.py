"""A fleetctl project for hosts that are up: what a test gives to `fleetctl -i`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.host import LabHost

__all__ = ["FleetProject", "write_project"]


@dataclass(frozen=True, kw_only=True)
class FleetProject:
    """Files of a small project.

    Attributes:
        path: its folder, to run fleetctl in.
        inventory: `inventory.yaml`, all hosts in the group `fleet`.
        known_hosts: their host keys.
        key: a copy of the private key that logs in.
        hosts: by name.
    """

    path: Path
    inventory: Path
    known_hosts: Path
    key: Path
    hosts: Mapping[str, LabHost]

    @property
    def args(self) -> tuple[str, ...]:
        """Options that let fleetctl reach these hosts and nothing else, after the verb: `fleetctl run *args all -- true`."""
        return ("-i", str(self.inventory), "--known-hosts", str(self.known_hosts))


def write_project(
    path: Path, hosts: Iterable[LabHost], *, changes: Mapping[str, Mapping[str, Any]] | None = None
) -> FleetProject:
    """Write inventory, known_hosts and key for some hosts.

    Args:
        path: folder, made if missing.
        hosts: hosts that share one login key.
        changes: keys to add or replace in the inventory entries, by host name; `None` takes a key out.
    """
    by_name = {host.name: host for host in hosts}
    path.mkdir(parents=True, exist_ok=True)
    key = path / "id_ed25519"
    shutil.copy(next(iter(by_name.values())).key, key)
    key.chmod(0o600)
    entries = {}
    for name, host in by_name.items():
        entry = {**host.entry(), "identity_file": str(key), **(changes or {}).get(name, {})}
        entries[name] = {k: v for k, v in entry.items() if v is not None}
    known_hosts = path / "known_hosts"
    known_hosts.write_text("".join(host.known_hosts_line for host in by_name.values()))
    inventory = path / "inventory.yaml"
    inventory.write_text(yaml.safe_dump({"groups": {"fleet": {"hosts": entries}}}, sort_keys=False))
    return FleetProject(path=path, inventory=inventory, known_hosts=known_hosts, key=key, hosts=by_name)
