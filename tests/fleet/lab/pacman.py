"""pacman on `arch`: configuration, keyring, first versions, IgnorePkg."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import aptrepo
from lab.chroots import PORT, run_in
from lab.families import packages
from lab.pacrepo import file_name
from lab.signing import fingerprint

__all__ = ["settle"]

KEY = "usr/share/pacman/keyrings/fleet.gpg"
CONF = f"""\
[options]
HoldPkg = pacman glibc
Architecture = auto
IgnorePkg = {{ignored}}
SigLevel = Required DatabaseRequired
LocalFileSigLevel = Optional

[fleet]
Server = http://{aptrepo.SERVER}:{PORT}/pac
"""


def settle(root: Path, kind: str, *, repo: Path, key: Path) -> None:
    """Make pacman know the repository and nothing else, and install the first versions."""
    known = packages(kind)
    (root / KEY).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(key, root / KEY)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {aptrepo.SERVER}\n")
    ignored = " ".join(each.name for each in known if each.held)
    (root / "etc/pacman.conf").write_text(CONF.format(ignored=ignored))
    for step in ("--init", f"--add /{KEY}", f"--lsign-key {fingerprint(repo)}"):
        run_in(root, "pacman-key", *step.split())
    first = [f"/mnt/pac/{file_name(each, each.installed)}" for each in known if each.installed]
    run_in(root, "pacman", "--noconfirm", "-U", *first, show=repo)
    run_in(root, "pacman", "--noconfirm", "-Sy", serve=repo)
