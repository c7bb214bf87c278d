"""Root file systems that hosts start from: built once a week, read-only afterwards, one overlay per host on top."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from lab import aptrepo, distros, tiny
from lab.catalogue import PACKAGES, SUITES
from lab.chroots import build_debian, run_in
from lab.kept import kept
from lab.people import KEYS_FILE, PASSWORDS, settle

__all__ = ["KEYS_FILE", "PASSWORDS", "base", "repository"]

RECIPE: Final = ("aptrepo", "catalogue", "mirrors")
INCLUDE: Final = (
    *("systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo", "opendoas", "iproute2", "procps"),
    *("needrestart", "cron", "apt-utils"),
)
MASKED: Final = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "e2scrub_reap.service",
)


def base(name: str) -> Path:
    """The root file system of a kind of host, such as `deb12`; built now if this week's is not there yet."""
    if name == "tiny":
        return kept(name, tiny.build, recipe=("tiny",))
    if name in distros.DISTROS:
        return distros.base(name)
    return kept(
        name,
        lambda root: _debian(root, suite=SUITES[name], repo=repository()),
        recipe=(*RECIPE, "bases", "chroots", "people"),
    )


def repository() -> Path:
    """The apt repository of all Debian hosts, built now if it is not there yet."""
    return kept("aptrepo", aptrepo.build, recipe=RECIPE)


def _debian(root: Path, *, suite: str, repo: Path) -> None:
    build_debian(root, suite, INCLUDE)
    settle(root, old_sshd=suite == "bookworm")
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    debs = aptrepo.first_versions(repo, suite)
    run_in(root, "dpkg", "-i", *(f"/mnt/{deb.relative_to(repo)}" for deb in debs), show=repo)
    for package in PACKAGES:
        if package.held:
            run_in(root, "apt-mark", "hold", package.name)
        if package.edited:
            (root / f"etc/{package.name}.conf").write_text("value=mine\n")
    shutil.copy(repo / "fleet.gpg", root / aptrepo.KEYRING.lstrip("/"))
    for old in (root / "etc/apt/sources.list.d").iterdir():
        old.unlink()
    (root / "etc/apt/sources.list").write_text(aptrepo.sources(suite))
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {aptrepo.SERVER}\n")
    run_in(root, "apt-get", "update", "--error-on=any", serve=repo)
