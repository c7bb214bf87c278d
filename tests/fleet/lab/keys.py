"""SSH keys of the fleet: one that logs in everywhere, and each host's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["new_key", "public_key"]


def new_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Make a key pair, unless it is there already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def public_key(path: Path) -> str:
    """The public half, type and base64 only."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])
