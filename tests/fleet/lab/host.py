"""One host of the test fleet, as a test sees it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LabHost"]


@dataclass(frozen=True, kw_only=True)
class LabHost:
    """How to reach one host over SSH.

    Attributes:
        name: unique inside the fleet, and a valid inventory name.
        address: its IPv4 address.
        key: private key that logs in.
        host_key: its public key, `ssh-ed25519 AAAA...`, without a comment.
        known_hosts: the file of the lab that holds the host keys of the whole fleet; grows as hosts start.
    """

    name: str
    address: str
    port: int
    user: str
    key: Path
    host_key: str
    known_hosts: Path

    @property
    def known_hosts_line(self) -> str:
        """Its line for a known_hosts file, with a newline at the end."""
        where = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{where} {self.host_key}\n"

    def entry(self) -> dict[str, Any]:
        """Its keys in a fleetctl inventory."""
        return {
            "address": self.address,
            "port": self.port,
            "user": self.user,
            "identity_file": str(self.key),
        }

    def ssh(self, *, user: str | None = None, timeout: float = 10.0) -> tuple[str, ...]:
        """The argv of a plain, strict, non-interactive OpenSSH client, to which a command may be added.

        Args:
            user: log in as somebody else who accepts the same key.
            timeout: seconds to connect.
        """
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": f"{timeout:.0f}",
            "KexAlgorithms": "curve25519-sha256",
            "LogLevel": "ERROR",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        target = f"{user or self.user}@{self.address}"
        return ("ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port), *flags, target)

    def run(
        self, command: str, *, user: str | None = None, stdin: str = "", timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on it with the OpenSSH client, and take whatever becomes of it."""
        return subprocess.run(
            [*self.ssh(user=user), command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def output(self, command: str, *, user: str | None = None, timeout: float = 60.0) -> str:
        """Run a shell command that must succeed, and return its stdout without the last newline."""
        done = self.run(command, user=user, timeout=timeout)
        assert done.returncode == 0, f"{self.name}: {command!r} exited {done.returncode}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def answers(self, *, timeout: float = 2.0) -> bool:
        """Whether it lets us in and runs a command."""
        argv = [*self.ssh(timeout=timeout), "true"]
        return (
            subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
        )
