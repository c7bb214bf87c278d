"""What the clients are measured on: some hosts, and the files that let every client reach them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lab.host import LabHost
from lab.project import write_project

__all__ = ["Target", "write_target"]

KEX = {"default": "", "curve25519": "KexAlgorithms curve25519-sha256\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Hosts and the files of all clients.

    Attributes:
        folder: where the files are: `inventory.yaml` and `known_hosts` (fleetctl), `ansible.yaml`, `pyinfra.py`, `hosts`
            (one address a line), `ssh_default` and `ssh_curve25519` (OpenSSH client configurations).
        expected: what each host should print, by address.
        names: addresses by name.
    """

    folder: Path
    hosts: Sequence[LabHost]
    expected: Mapping[str, str]
    names: Mapping[str, str]

    def right(self, answers: Mapping[str, str]) -> int:
        """How many hosts answered as they should; answers are by name or address."""
        by_address = {self.names.get(label, label): text.strip() for label, text in answers.items()}
        return sum(by_address.get(address) == text for address, text in self.expected.items())


def write_target(
    folder: Path,
    hosts: Sequence[LabHost],
    *,
    expected: Mapping[str, str],
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Target:
    """Write the files of every client for these hosts."""
    project = write_project(folder, hosts, changes=changes)
    one = hosts[0]
    for name, line in KEX.items():
        (folder / f"ssh_{name}").write_text(
            f"Port {one.port}\nUser {one.user}\nIdentityFile {project.key}\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {project.known_hosts}\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n"
            f"BatchMode yes\nLogLevel ERROR\n{line}"
        )
    (folder / "hosts").write_text("".join(f"{host.address}\n" for host in hosts))
    entries = {host.name: {"ansible_host": host.address} for host in hosts}
    shared = {"ansible_python_interpreter": "/usr/bin/python3"}
    (folder / "ansible.yaml").write_text(yaml.safe_dump({"all": {"hosts": entries, "vars": shared}}))
    (folder / "pyinfra.py").write_text(_pyinfra(hosts, key=project.key, known_hosts=project.known_hosts))
    return Target(
        folder=folder,
        hosts=hosts,
        expected=expected,
        names={host.name: host.address for host in hosts},
    )


def _pyinfra(hosts: Sequence[LabHost], *, key: Path, known_hosts: Path) -> str:
    data = {
        "ssh_port": hosts[0].port,
        "ssh_user": hosts[0].user,
        "ssh_key": str(key),
        "ssh_known_hosts_file": str(known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }
    return f"hosts = ({[host.address for host in hosts]!r}, {data!r})\n"
