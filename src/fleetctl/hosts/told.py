"""Hosts as plain data, for JSON and its kin: the field names are the inventory's."""

from __future__ import annotations

from typing import Any, Final

from fleetctl.model import Host

__all__ = ["COLUMNS", "tell"]

COLUMNS: Final = (
    "name",
    "address",
    "port",
    "user",
    "transport",
    "groups",
    "tags",
    "zone",
    "platform",
    "patch_group",
    "jump",
    "become",
    "identity_file",
    "vars",
)


def tell(host: Host) -> dict[str, Any]:
    """Return a host with every field, JSON-ready.

    `address` is where to connect to: the name, where the inventory says nothing else. What is null is left to
    `~/.ssh/config` and the transport's defaults.
    """
    become = host.become
    return {
        "name": host.name,
        "address": host.target,
        "port": host.port,
        "user": host.user,
        "transport": host.transport,
        "groups": list(host.groups),
        "tags": dict(host.tags),
        "zone": host.zone,
        "platform": host.platform,
        "patch_group": host.patch_group,
        "jump": host.jump,
        "become": None if become is None else {"method": become.method, "user": become.user},
        "identity_file": list(host.identity_file),
        "vars": dict(host.vars),
    }
