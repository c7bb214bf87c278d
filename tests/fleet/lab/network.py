"""Networks of hosts: a bridge with a /24 of its own, and one network namespace per host.

Two labs on one machine never meet: each holds the lock of its number as long as it lives, and the number is in every
name (`fl7` the bridge, `fl7-web` a namespace, `fl7v12` a cable) and in every address (10.77.7.12). A lab that was killed
lets go of its lock, so whoever gets a number may clear away whatever still bears it.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

__all__ = ["Network", "ip", "nft"]

SUBNET = "10.77.{}.{}"


def ip(*argv: str) -> None:
    """Run iproute2, which must succeed."""
    done = subprocess.run(["ip", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(argv)}: {done.stderr}"


def nft(namespace: str, script: str) -> None:
    """Feed nftables inside a namespace."""
    argv = ["ip", "netns", "exec", namespace, "nft", "-f", "-"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"nft in {namespace}: {done.stderr}"


@dataclass(frozen=True)
class Network:
    """Network number 0-255."""

    number: int

    @property
    def bridge(self) -> str:
        """Name of the bridge, which is also the controller's own interface there."""
        return f"fl{self.number}"

    @property
    def gateway(self) -> str:
        """The controller's address there."""
        return SUBNET.format(self.number, 1)

    def address(self, slot: int) -> str:
        """Address of host number `slot` (2-254)."""
        return SUBNET.format(self.number, slot)

    def namespace(self, name: str) -> str:
        """Name of a host's namespace."""
        return f"{self.bridge}-{name}"

    def cable(self, slot: int) -> str:
        """The controller's end of a host's cable."""
        return f"{self.bridge}v{slot}"

    def up(self) -> None:
        """Make the bridge."""
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self.gateway}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    def attach(self, name: str, slot: int) -> str:
        """Give a host a namespace with an `eth0` on the bridge and no way out of it; returns the namespace's name."""
        space = self.namespace(name)
        ip("netns", "add", space)
        ip("link", "add", self.cable(slot), "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("link", "set", self.cable(slot), "master", self.bridge, "up")
        ip("-n", space, "link", "set", "lo", "up")
        ip("-n", space, "addr", "add", f"{self.address(slot)}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        return space

    def detach(self, name: str) -> None:
        """Take a host's namespace away, and its cable with it."""
        ip("netns", "del", self.namespace(name))

    def clear(self) -> None:
        """Take away everything that bears this number."""
        for space in _list("netns", "list"):
            if space["name"].startswith(f"{self.bridge}-"):
                ip("netns", "del", space["name"])
        for link in _list("link", "show"):
            if link["ifname"] == self.bridge or link["ifname"].startswith(f"{self.bridge}v"):
                subprocess.run(["ip", "link", "del", link["ifname"]], capture_output=True, check=False)


def _list(*argv: str) -> list[dict[str, Any]]:
    done = subprocess.run(["ip", "-json", *argv], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found
