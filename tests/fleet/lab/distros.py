"""`rocky`, `fedora`, `suse` and `arch`: Debian underneath, another family's package manager and name on top.

What a patch manager meets is the family's own: its tools, its package database, its repository, its os-release. apt and
dpkg are gone. The kernel is the machine's, as on every host here.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from lab import dnf, pacman, pacrepo, rpmrepo, zypper
from lab.chroots import build_debian
from lab.families import packages
from lab.kept import kept
from lab.people import settle
from lab.signing import KEY_FILE, forget_agent, new_signing_key

__all__ = ["DISTROS", "Distro", "base", "repository", "tools"]

COMMON: Final = (
    *("systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo", "opendoas", "iproute2", "procps"),
    *("cron", "gnupg", "lsof"),
)
RPM: Final = ("rpm", "rpm-common")
DNF: Final = ("dnf", "dnf-data", "dnf-plugins-core", "python3-dnf", "python3-dnf-plugins-core")
ZYPPER: Final = ("zypper", "zypper-common", "libzypp-bin", "libzypp-common", "libzypp-config")
PACMAN: Final = ("pacman-package-manager", "makepkg")
BUILDERS: Final = ("createrepo-c", "libarchive-tools")
APT: Final = ("apt", "apt-utils", "dpkg", "debconf", "debian-archive-keyring")
#: A timer would ask the repository while a test looks, and hold a lock.
MASKED: Final = (
    "dnf-makecache.timer",
    "dnf5-makecache.timer",
    "console-getty.service",
    "e2scrub_reap.service",
)
LEFT_OF_APT: Final = (
    *("etc/apt", "etc/dpkg", "etc/debian_version", "usr/lib/apt", "usr/lib/dpkg"),
    *("var/lib/apt", "var/lib/dpkg", "var/cache/apt", "var/cache/debconf"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """One distribution.

    Attributes:
        tool: the module that sets its package manager up.
        os_release: its os-release file.
        without: packages of the layer that it does not have.
        layer: the Debian underneath.
        files: other files that tell what it is, by path.
    """

    tool: ModuleType
    os_release: str
    without: tuple[str, ...]
    layer: str = "layer"
    release_file: str = ""


DISTROS: Final = {
    "rocky": Distro(
        tool=dnf,
        os_release='NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
        'VERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
        without=(*ZYPPER, *PACMAN, *BUILDERS),
        release_file="redhat-release",
    ),
    "fedora": Distro(
        tool=dnf,
        os_release='NAME="Fedora Linux"\nVERSION="42 (Server Edition)"\nID=fedora\nVERSION_ID=42\n'
        'PLATFORM_ID="platform:f42"\nPRETTY_NAME="Fedora Linux 42 (Server Edition)"\n',
        without=(),
        layer="layer5",
        release_file="fedora-release",
    ),
    "suse": Distro(
        tool=zypper,
        os_release='NAME="SLES"\nVERSION="15-SP6"\nVERSION_ID="15.6"\nID="sles"\nID_LIKE="suse"\n'
        'PRETTY_NAME="SUSE Linux Enterprise Server 15 SP6"\nCPE_NAME="cpe:/o:suse:sles:15:sp6"\n',
        without=(*DNF, *PACMAN, *BUILDERS),
    ),
    "arch": Distro(
        tool=pacman,
        os_release='NAME="Arch Linux"\nPRETTY_NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n',
        without=(*DNF, *ZYPPER, *RPM, "createrepo-c"),
        release_file="arch-release",
    ),
}
LAYERS: Final = {
    "layer": (
        "trixie",
        (*COMMON, "rpm", "dnf", "dnf-plugins-core", "python3-systemd", "zypper", *PACMAN, *BUILDERS),
    ),
    "layer5": ("forky", (*COMMON, "rpm", "dnf5")),  # the first Debian that has dnf5
}
_LAYER: Final = ("chroots", "distros", "mirrors", "people")
_REPOSITORY: Final = (
    *(*_LAYER, "advisories", "families", "pacrepo", "rpmrepo", "signing", "updateinfo", "versions"),
)


def base(kind: str) -> Path:
    """The root file system of one of `DISTROS`, built now if this week's is not there yet."""
    recipe = (*_REPOSITORY, DISTROS[kind].tool.__name__.rpartition(".")[2])
    return kept(kind, lambda root: _distro(root, kind), recipe=recipe)


def repository() -> Path:
    """The repositories of all of them: `rpm/`, `pac/`, and below `later/` what a mirror has that moved on."""
    return kept("distrorepo", _repository, recipe=_REPOSITORY)


def tools() -> Path:
    """A root file system with rpmbuild and createrepo_c, to enter and not to change."""
    return _layer("layer")


def _layer(name: str) -> Path:
    return kept(name, lambda root: _debian(root, name), recipe=_LAYER)


def _debian(root: Path, name: str) -> None:
    suite, include = LAYERS[name]
    # A release that is still in the making expires within days, and mirrors may hold an older state of it.
    build_debian(root, suite, include, keep_docs=False, any_date=name != "layer")
    settle(root)
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def _repository(folder: Path) -> None:
    new_signing_key(folder)
    tools = _layer("layer")
    rpmrepo.build(tools, folder)
    pacrepo.build(tools, folder)
    forget_agent(folder)


def _distro(root: Path, kind: str) -> None:
    distro, repo = DISTROS[kind], repository()
    subprocess.run(["cp", "-a", "--reflink=auto", f"{_layer(distro.layer)}/.", str(root)], check=True)
    _erase(root, (*APT, *distro.without))
    for path in LEFT_OF_APT:
        shutil.rmtree(root / path, ignore_errors=True)
        (root / path).unlink(missing_ok=True)
    (root / "etc/os-release").unlink(missing_ok=True)
    (root / "etc/os-release").write_text(distro.os_release)
    if distro.release_file:
        words = dict(line.split("=", 1) for line in distro.os_release.splitlines())
        (root / "etc" / distro.release_file).write_text(words["PRETTY_NAME"].strip('"') + "\n")
    distro.tool.settle(root, kind, repo=repo, key=repo / KEY_FILE)
    for package in packages(kind):
        if package.edited:
            (root / f"etc/{package.name}.conf").write_text("value=mine\n")
        if package.service:
            wants = root / "etc/systemd/system/multi-user.target.wants"
            unit = f"{package.name}.service"
            (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")


def _erase(root: Path, names: Iterable[str]) -> None:
    """Take packages of the layer away, file by file: dpkg would take what depends on them, too."""
    for name in names:
        for listing in (root / "var/lib/dpkg/info").glob(f"{name}*.list"):
            if listing.name.removesuffix(".list").partition(":")[0] != name:
                continue
            for line in listing.read_text().splitlines():
                path = root / line.lstrip("/")
                if path.is_symlink() or path.is_file():
                    path.unlink()
