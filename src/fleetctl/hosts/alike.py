"""Tell what is said of many hosts once: texts that differ in nothing but the host's name, address and key."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleetctl.hosts.names import fold

__all__ = ["for_all", "general", "who"]

# Addresses with or without a port, and fingerprints of keys.
_DIFFERS = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|\[[0-9A-Fa-f:.%\w]*:[^\]]*\](?::\d+)?|SHA256:[\w+/=]+"
)


def general(text: str, host: str) -> str:
    """Return a text without what differs from host to host: its name, addresses, fingerprints."""
    return _DIFFERS.sub("*", _name(host).sub("{}", text))


def for_all(remedy: str, hosts: Sequence[str]) -> str:
    """Return the first host's remedy, with `fleetctl hosts trust web-1` meant for all of them.

    Other programs know no ranges: what is to be typed for them keeps the first host.
    """
    everyone = hosts[0] if len(hosts) == 1 else f"'{fold(hosts)}'"
    name = _name(hosts[0])
    return "\n".join(
        everyone.join(name.split(line)) if "fleetctl " in line else line for line in remedy.splitlines()
    )


def who(hosts: Sequence[str]) -> str:
    """Return `web-1`, or `web-[1-40] (40 hosts), such as web-1`: whom a sentence about the first of them is about."""
    return f"{fold(hosts)} ({len(hosts)} hosts), such as {hosts[0]}" if len(hosts) > 1 else hosts[0]


def _name(host: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)")
