"""zypper on `suse`: configuration, key, first versions, lock."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import aptrepo
from lab.chroots import PORT, run_in
from lab.families import packages

__all__ = ["settle"]

KEY = "etc/pki/rpm-gpg/RPM-GPG-KEY-fleet"
REPO = f"""\
[fleet]
name=Fleet
enabled=1
autorefresh=1
baseurl=http://{aptrepo.SERVER}:{PORT}/rpm
type=rpm-md
gpgcheck=1
gpgkey=file:///{KEY}
"""
CONF = (
    "[main]\nmultiversion = provides:multiversion(kernel)\nmultiversion.kernels = latest,latest-1,running\n"
)


def settle(root: Path, kind: str, *, repo: Path, key: Path) -> None:
    """Make zypper know the repository and nothing else, and install the first versions."""
    for folder in ("etc/pki/rpm-gpg", "etc/zypp/repos.d"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(key, root / KEY)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {aptrepo.SERVER}\n")
    (root / "etc/zypp/repos.d/fleet.repo").write_text(REPO)
    (root / "etc/zypp/zypp.conf").write_text(CONF)
    known = packages(kind)
    zypper = ("zypper", "--non-interactive", "--gpg-auto-import-keys")
    first = [f"{each.name}={each.installed.version}" for each in known if each.installed]
    run_in(root, *zypper, "refresh", serve=repo)
    run_in(root, *zypper, "install", "--oldpackage", *first, serve=repo)
    run_in(root, *zypper, "addlock", *(each.name for each in known if each.held), serve=repo)
