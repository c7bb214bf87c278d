"""A shell beside running hosts, to try things by hand: `make fleet-shell`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.lab import KINDS, Lab
from lab.project import write_project

__all__ = ["main"]

DEFAULT = ("deb12", "deb13", "tiny")


def main(kinds: list[str]) -> int:
    """Start one host of each kind, open a shell in a project that knows them, and clear up when it ends."""
    if os.geteuid() != 0:
        return _refuse("test hosts need root: sudo make fleet-shell")
    if unknown := set(kinds) - set(KINDS):
        return _refuse(f"there is no {', '.join(unknown)}: choose from {', '.join(KINDS)}")
    lab = Lab.open()
    try:
        machines = [lab.machine(kind) for kind in kinds or DEFAULT]
        for machine in machines:
            machine.wait()
        with tempfile.TemporaryDirectory(prefix="fleetctl-shell-") as folder:
            project = write_project(Path(folder), machines)
            print(
                f"{', '.join(project.hosts)} are up. Try: fleetctl run {' '.join(project.args)} all -- uptime"
            )
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            shell = os.environ.get("SHELL", "/bin/sh")
            return subprocess.run(
                [shell], cwd=folder, env={**os.environ, "PATH": path}, check=False
            ).returncode
    finally:
        lab.close()


def _refuse(why: str) -> int:
    print(f"fleet-shell: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
