"""Hosts with systemd as process 1, under `systemd-nspawn`: the Debians, and what `lab.distros` makes of them."""

from __future__ import annotations

import os
from pathlib import Path

from lab import aptrepo, cgroups, people
from lab.keys import new_key, public_key

__all__ = ["START_SSH", "STOP_SSH", "boot", "prepare"]

START_SSH = ("systemctl", "start", "ssh")
STOP_SSH = ("systemctl", "stop", "ssh")


def prepare(root: Path, *, name: str, address: str, gateway: str, login: str) -> str:
    """Make a root file system somebody: its name, its keys, its hosts file. Returns its host key."""
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n{gateway} {aptrepo.SERVER}\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    (root / people.KEYS_FILE).write_text(login + "\n")
    for program in root.glob("usr/lib/fl-*/fl-*"):
        # A file of the base keeps its link count when the overlay deletes it, and lsof, which `zypper ps` asks, would not
        # call it deleted: take it over into the overlay.
        os.utime(program, ns=(program.stat().st_atime_ns, program.stat().st_mtime_ns))
    return public_key(new_key(root / "etc/ssh/ssh_host_ed25519_key"))


def boot(root: Path, *, namespace: str, name: str) -> list[str]:
    """The argv that boots it, and ends with its power: 133 means that it wants to be booted again."""
    # With the old control groups a guest does not reliably hear that the last process of a service has ended.
    argv = [
        "env",
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
    ]
    argv += [f"--directory={root}", f"--machine={name}", f"--network-namespace-path=/run/netns/{namespace}"]
    argv += ["--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe", "--boot"]
    return cgroups.inside(namespace, argv)
