"""Throw-away accounts: one that sudo and doas ask for a password, one that they do not ask, one that may nothing.

Everything is named after the process that made it, so that what a killed test run left is known and removed by the next.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["People", "people"]

_SUDOERS = Path("/etc/sudoers.d")
_DOAS = Path("/etc/doas.conf")
_LOCK = Path("/run/lock/fleetctl-contract.lock")
_NAME = re.compile(r"fct(\d+)(asks|free|none|app)")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Login names, and the one password of all of them."""

    asks: str
    free: str
    none: str
    app: str
    password: str
    home: Path


@contextmanager
def people(home: Path, authorized_key: str) -> Iterator[People]:
    """Make the accounts; needs root."""
    mark = f"fct{os.getpid()}"
    who = People(
        asks=f"{mark}asks", free=f"{mark}free", none=f"{mark}none", app=f"{mark}app",
        password=f"pä ss'{secrets.token_hex(4)}", home=home,
    )  # fmt: skip
    with _alone():
        _sweep()
        for name in (who.asks, who.free, who.none, who.app):
            _add(name, home=home / name, password=who.password, key=authorized_key)
        rules = f"Defaults:{who.asks} timestamp_timeout=0\n{who.asks} ALL=(ALL) ALL\n{who.free} ALL=(ALL) NOPASSWD: ALL\n"
        sudoers = _SUDOERS / mark
        sudoers.write_text(rules)
        sudoers.chmod(0o440)
        _doas(mark, f"permit {who.asks}\npermit nopass {who.free}\npermit nopass root\n")
    try:
        yield who
    finally:
        with _alone():
            _remove(mark)


@contextmanager
def _alone() -> Iterator[None]:
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add(name: str, *, home: Path, password: str, key: str) -> None:
    subprocess.run(["useradd", "-M", "-d", home, "-s", "/bin/sh", name], check=True, capture_output=True)
    subprocess.run(["chpasswd"], input=f"{name}:{password}\n".encode(), check=True, capture_output=True)
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/authorized_keys").write_text(f"{key}\n")
    entry = pwd.getpwnam(name)
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, entry.pw_uid, entry.pw_gid)
        path.chmod(0o700)


def _remove(mark: str) -> None:
    (_SUDOERS / mark).unlink(missing_ok=True)
    _doas(mark, "")
    for entry in pwd.getpwall():
        found = _NAME.fullmatch(entry.pw_name)
        if found and f"fct{found[1]}" == mark:
            subprocess.run(["userdel", "-f", entry.pw_name], check=False, capture_output=True)
            if "fct" in entry.pw_dir:
                shutil.rmtree(entry.pw_dir, ignore_errors=True)


def _sweep() -> None:
    """Remove the accounts of test runs that no longer live."""
    marks = {found[1] for entry in pwd.getpwall() if (found := _NAME.fullmatch(entry.pw_name))}
    for pid in marks:
        if not Path(f"/proc/{pid}").exists():
            _remove(f"fct{pid}")


def _doas(mark: str, rules: str) -> None:
    """Keep our lines, and only ours, between two comments of doas.conf."""
    before = _DOAS.read_text() if _DOAS.exists() else ""
    kept = re.sub(rf"# {mark} begin\n.*?# {mark} end\n", "", before, flags=re.DOTALL)
    text = kept + (f"# {mark} begin\n{rules}# {mark} end\n" if rules else "")
    if not text:
        _DOAS.unlink(missing_ok=True)
        return
    fresh = _DOAS.with_name(f"doas.conf.{mark}")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.rename(_DOAS)
