"""dnf on `rocky` (version 4) and `fedora` (version 5): configuration, key, first versions, versionlock, exclude."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import aptrepo
from lab.chroots import PORT, run_in
from lab.families import packages

__all__ = ["settle"]

KEY = "etc/pki/rpm-gpg/RPM-GPG-KEY-fleet"
MAIN = """\
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
"""
REPO = f"""\
[fleet]
name=Fleet
baseurl=http://{aptrepo.SERVER}:{PORT}/rpm
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///{KEY}
"""


def settle(root: Path, kind: str, *, repo: Path, key: Path) -> None:
    """Make dnf know the repository and nothing else, and install the first versions."""
    for folder in ("etc/pki/rpm-gpg", "etc/yum.repos.d", "etc/dnf/vars", "etc/dnf/plugins"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(key, root / KEY)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {aptrepo.SERVER}\n")
    (root / "etc/yum.repos.d/fleet.repo").write_text(REPO)
    (root / "etc/dnf/vars/releasever").write_text("9\n" if kind == "rocky" else "42\n")
    (root / "etc/dnf/dnf.conf").write_text(MAIN)
    tool = "dnf" if kind == "rocky" else "dnf5"
    # Debian switches plugins on that the real ones have not by themselves; `local` would keep a repository of its own.
    for plugin in ("local", "copr"):
        (root / f"etc/dnf/plugins/{plugin}.conf").write_text("[main]\nenabled=0\n")
    for plugin in ("local", "appstream"):
        if (config := root / f"etc/dnf/libdnf5-plugins/{plugin}.conf").exists():
            config.write_text(f"[main]\nname={plugin}\nenabled=0\n")
    for name in {"dnf", "yum"} - {tool}:
        (root / "usr/bin" / name).symlink_to(tool)
    first = [f"{each.name}-{each.installed.version}" for each in packages(kind) if each.installed]
    run_in(root, tool, "-y", "install", *first, serve=repo)
    held = [each.name for each in packages(kind) if each.held]
    run_in(root, tool, "-y", "versionlock", "add", *held, serve=repo)
    run_in(root, tool, "-y", "makecache", serve=repo)
    hidden = ",".join(each.name for each in packages(kind) if each.excluded)
    (root / "etc/dnf/dnf.conf").write_text(f"{MAIN}excludepkgs={hidden}\n")
