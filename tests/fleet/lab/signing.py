"""The key that signs the packages and repositories of the families that are no Debian."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["KEY_FILE", "WHO", "fingerprint", "forget_agent", "new_signing_key", "sign"]

KEY_FILE = "RPM-GPG-KEY-fleet"
WHO = "fleet test <fleet@example.invalid>"
GPG = ("gpg", "--quiet", "--batch", "--yes", "--passphrase", "")


def new_signing_key(folder: Path) -> None:
    """Make the key: `folder/gnupg` holds it, and `folder/RPM-GPG-KEY-fleet` its public half."""
    (folder / "gnupg").mkdir(mode=0o700)
    _gpg(folder, "--quick-gen-key", WHO, "rsa3072", "sign", "never")
    (folder / KEY_FILE).write_text(_gpg(folder, "--armor", "--export"))


def fingerprint(folder: Path) -> str:
    """The key's fingerprint."""
    lines = _gpg(folder, "--with-colons", "--fingerprint").splitlines()
    return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))


def sign(folder: Path, path: Path, *, suffix: str) -> None:
    """Sign a file: `.asc` makes an armoured signature, `.sig` a binary one, both beside it."""
    armor = ("--armor",) if suffix == ".asc" else ()
    _gpg(folder, *armor, "--detach-sign", "--output", f"{path}{suffix}", str(path))


def forget_agent(folder: Path) -> None:
    """End gpg's agent, which would otherwise outlive us."""
    subprocess.run(["gpgconf", "--kill", "all"], env=_env(folder), check=False)


def _env(folder: Path) -> dict[str, str]:
    return {**os.environ, "GNUPGHOME": str(folder / "gnupg")}


def _gpg(folder: Path, *argv: str) -> str:
    done = subprocess.run([*GPG, *argv], env=_env(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"gpg {argv}: {done.stderr}"
    return done.stdout
