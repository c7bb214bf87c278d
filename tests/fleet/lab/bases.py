"""Root file systems that hosts start from: built once a week, read-only afterwards, one overlay per host on top."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab import aptrepo, cache, mirrors, tiny
from lab.catalogue import PACKAGES, SUITES

__all__ = ["KEYS_FILE", "PASSWORDS", "base", "repository"]

KEYS_FILE: Final = "etc/ssh/fleet_keys"
#: Users of the Debian hosts. `deploy` may use sudo and doas without a password, `secure` with hers, `guest` not at all.
#: All accept the fleet's key; `su` asks for root's password.
PASSWORDS: Final = {"root": "toor-9", "deploy": "unused-1", "secure": "correct horse", "guest": "let me in"}

INCLUDE: Final = (
    "systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,opendoas,iproute2,procps,needrestart,cron,apt-utils"
)
MASKED: Final = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "e2scrub_reap.service",
)
SSHD: Final = f"""\
AuthorizedKeysFile .ssh/authorized_keys /{KEYS_FILE}
UseDNS no
MaxStartups 1000
"""
DOAS: Final = "permit nopass deploy\npermit secure\n"
SUDO: Final = "deploy ALL=(ALL:ALL) NOPASSWD: ALL\nsecure ALL=(ALL:ALL) ALL\n"


def base(name: str) -> Path:
    """The root file system of `deb12`, `deb13` or `tiny`; built now if this week's is not there yet.

    Whoever comes while another process builds it waits for it.
    """
    if name == "tiny":
        return _kept(name, tiny.build, recipe=("tiny",))
    return _kept(name, lambda root: _debian(root, suite=SUITES[name], repo=repository()))


def repository() -> Path:
    """The apt repository of all Debian hosts, built now if it is not there yet."""
    return _kept("aptrepo", aptrepo.build)


def _kept(
    name: str,
    make: Callable[[Path], object],
    *,
    recipe: tuple[str, ...] = ("aptrepo", "bases", "catalogue", "mirrors"),
) -> Path:
    bases = cache.folder() / "bases"
    path = bases / f"{name}-{_recipe(recipe)}"
    with cache.lock(bases / f"{name}.lock"):
        if not path.exists():
            fresh = bases / f"{name}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            fresh.chmod(0o755)
            make(fresh)
            fresh.rename(path)
            _forget_older(path, name)
    return path


def _recipe(modules: tuple[str, ...]) -> str:
    """A new word whenever one of these modules changes, and every Monday."""
    texts = [Path(__file__).with_name(f"{module}.py").read_bytes() for module in modules]
    year, week, _ = dt.datetime.now(tz=dt.UTC).isocalendar()
    return f"{year}w{week:02}-{hashlib.sha256(b''.join(texts)).hexdigest()[:10]}"


def _forget_older(path: Path, name: str) -> None:
    in_use = Path("/proc/self/mounts").read_text()
    for old in path.parent.iterdir():
        if re.fullmatch(rf"{name}-\d+w\d+-\w+", old.name) and old != path and str(old) not in in_use:
            shutil.rmtree(old)


def _debian(root: Path, *, suite: str, repo: Path) -> None:
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={INCLUDE}", suite, str(root)]
    done = subprocess.run([*argv, *mirrors.lines(suite)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"mmdebstrap could not build {suite}: {done.stderr[-3000:]}"
    _people(root)
    for unit in MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for junk in [*(root / "etc/ssh").glob("ssh_host_*"), root / "etc/machine-id"]:
        junk.unlink(missing_ok=True)
    (root / "etc/ssh/sshd_config.d/fleet.conf").write_text(SSHD + _newer_sshd(suite))
    _packages(root, suite=suite, repo=repo)


def _newer_sshd(suite: str) -> str:
    # OpenSSH 9.8 punishes addresses that fail to log in; here that would be the controller, and tests fail on purpose.
    return "" if suite == "bookworm" else "PerSourcePenalties no\n"


def _people(root: Path) -> None:
    for user in PASSWORDS:
        if user != "root":
            _in(root, "useradd", "-m", "-s", "/bin/bash", user)
    _in(root, "chpasswd", stdin="".join(f"{user}:{word}\n" for user, word in PASSWORDS.items()))
    (root / "etc/doas.conf").write_text(DOAS)
    rules = root / "etc/sudoers.d/fleet"
    rules.write_text(SUDO)
    rules.chmod(0o440)


def _packages(root: Path, *, suite: str, repo: Path) -> None:
    debs = aptrepo.first_versions(repo, suite)
    for deb in debs:
        shutil.copy(deb, root / "tmp")
    _in(root, "dpkg", "-i", *(f"/tmp/{deb.name}" for deb in debs))
    for deb in debs:
        (root / "tmp" / deb.name).unlink()
    for package in PACKAGES:
        if package.held:
            _in(root, "apt-mark", "hold", package.name)
        if package.edited:
            (root / f"etc/{package.name}.conf").write_text("value=mine\n")
    shutil.copy(repo / "fleet.gpg", root / aptrepo.KEYRING.lstrip("/"))
    for old in (root / "etc/apt/sources.list.d").iterdir():
        old.unlink()
    (root / "etc/apt/sources.list").write_text(aptrepo.sources(suite))
    _update(root, repo)


def _update(root: Path, repo: Path) -> None:
    """Fill apt's lists, in a network namespace where only the repository is."""
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {aptrepo.SERVER}\n")
    script = (
        f'ip link set lo up && cd "$1" && {{ python3 -m http.server -b 127.0.0.1 {aptrepo.PORT} >/dev/null 2>&1 & }} && '
        'server=$! && sleep 1 && LC_ALL=C chroot "$0" apt-get update --error-on=any; code=$?; kill "$server"; exit $code'
    )
    argv = ["unshare", "--net", "sh", "-c", script, str(root), str(repo)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"apt-get update failed: {done.stdout}{done.stderr}"


def _in(root: Path, *argv: str, stdin: str = "") -> None:
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["chroot", str(root), *argv], input=stdin, capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
