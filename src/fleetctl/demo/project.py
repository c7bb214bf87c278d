"""The demo's project: five hosts, of which one is slow, one is different and one is down."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fleetctl.demo.hosts import PlannedHost, RunningHost
from fleetctl.errors import UsageError

__all__ = ["DIFFERENT", "DOWN", "KEY", "SLOW", "new_folder", "plan", "write_project"]

SLOW, DIFFERENT, DOWN = "db-1", "web-3", "cache-1"

KEY = "id_ed25519"
_NAMES = ("web-1", "web-2", DIFFERENT, SLOW, DOWN)

_SETTINGS = """\
# The settings of the demo: host keys are checked against a file of its own, and your ~/.ssh is left alone.
ssh:
  known_hosts: [known_hosts]
  config: ssh_config
"""


def new_folder(path: Path) -> Path:
    """Make the demo's folder, or take an empty one.

    Raises:
        UsageError: there is something in it, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(path.iterdir()):
            raise UsageError(f"{path} is not empty", hint="name a new folder: fleetctl demo --keep FOLDER")
    except OSError as exc:
        raise UsageError(f"{path} cannot be made: {exc.strerror}") from exc
    return path.resolve()


def plan(folder: Path) -> list[PlannedHost]:
    """Make each host's home, with the release it runs, and return what to start."""
    planned = []
    for name in _NAMES:
        home = folder / "homes" / name
        home.mkdir(parents=True)
        release = "2.3.9" if name == DIFFERENT else "2.4.1"
        (home / "release").write_text(f"shop {release}\n", encoding="utf-8")
        planned.append(
            PlannedHost(name=name, home=str(home), delay=1.0 if name == SLOW else 0.0, down=name == DOWN)
        )
    return planned


def write_project(folder: Path, hosts: Sequence[RunningHost], *, user: str = "demo") -> None:
    """Write settings, inventory and known_hosts for hosts that run."""
    where = {host.name: host for host in hosts}
    (folder / "fleetctl.yaml").write_text(_SETTINGS, encoding="utf-8")
    (folder / "ssh_config").write_text("IdentitiesOnly yes\nIdentityAgent none\n", encoding="utf-8")
    (folder / "known_hosts").write_text(
        "".join(f"[127.0.0.1]:{host.port} {host.host_key}\n" for host in hosts if host.host_key),
        encoding="utf-8",
    )
    (folder / "inventories").mkdir()
    (folder / "inventories" / "demo.yaml").write_text(_inventory(folder, where, user), encoding="utf-8")


def _inventory(folder: Path, hosts: dict[str, RunningHost], user: str) -> str:
    def lines(*names: str) -> str:
        return "\n".join(f"      {name}: {{address: 127.0.0.1, port: {hosts[name].port}}}" for name in names)

    # JSON strings are YAML strings: a path may hold anything.
    key = os.fspath(folder / KEY).replace("\\", "\\\\").replace('"', '\\"')
    return f"""\
# Five embedded hosts on this machine. Real ones need no address and no port: web-[1-3].example.net: {{}}
defaults: {{user: {user}, identity_file: "{key}"}}
groups:
  web:
    tags: {{role: web, env: demo}}
    hosts:
{lines("web-1", "web-2", DIFFERENT)}
  db:
    tags: {{role: db, env: demo}}
    hosts:
{lines(SLOW)}
  cache:
    tags: {{role: cache, env: demo}}
    hosts:
{lines(DOWN)}
"""
