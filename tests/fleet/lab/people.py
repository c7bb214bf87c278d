"""Who can log in to a host that has a full Linux, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab.chroots import run_in

__all__ = ["KEYS_FILE", "PASSWORDS", "settle"]

KEYS_FILE: Final = "etc/ssh/fleet_keys"
#: `deploy` may use sudo and doas without a password, `secure` with hers, `guest` not at all. All accept the fleet's
#: key; `su` asks for root's password.
PASSWORDS: Final = {"root": "toor-9", "deploy": "unused-1", "secure": "correct horse", "guest": "let me in"}
SSHD: Final = f"""\
AuthorizedKeysFile .ssh/authorized_keys /{KEYS_FILE}
UseDNS no
MaxStartups 1000
"""
DOAS: Final = "permit nopass deploy\npermit secure\n"
SUDO: Final = "deploy ALL=(ALL:ALL) NOPASSWD: ALL\nsecure ALL=(ALL:ALL) ALL\n"


def settle(root: Path, *, old_sshd: bool = False) -> None:
    """Give a root file system its users and its sshd, and take away what makes it a particular host.

    Args:
        root: a Debian's.
        old_sshd: its OpenSSH is older than 9.8.
    """
    for user in PASSWORDS:
        if user != "root":
            run_in(root, "useradd", "-m", "-s", "/bin/bash", user)
    run_in(root, "chpasswd", stdin="".join(f"{user}:{word}\n" for user, word in PASSWORDS.items()))
    (root / "etc/doas.conf").write_text(DOAS)
    rules = root / "etc/sudoers.d/fleet"
    rules.write_text(SUDO)
    rules.chmod(0o440)
    for junk in [*(root / "etc/ssh").glob("ssh_host_*"), root / "etc/machine-id"]:
        junk.unlink(missing_ok=True)
    # OpenSSH 9.8 punishes addresses that fail to log in; here that would be the controller, and tests fail on purpose.
    newer = "" if old_sshd else "PerSourcePenalties no\n"
    (root / "etc/ssh/sshd_config.d/fleet.conf").write_text(SSHD + newer)
