"""Read what a host says of itself, in `scripts/collect.sh`'s first sections."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from functools import lru_cache

from fleetctl.packages.model import HostFacts
from fleetctl.packages.sections import Sections

__all__ = ["host_facts", "moment"]

_DIGITS = 15  # of a number of seconds that can be meant


def host_facts(sections: Sections) -> HostFacts:
    """Read the sections `os-release` and `facts`; what is missing stays empty."""
    release = _os_release(sections["os-release"].lines)
    told = dict(line.partition("=")[::2] for line in sections["facts"].lines if "=" in line)
    uptime = told.get("uptime", "")
    return HostFacts(
        os_id=release.get("ID", ""),
        os_like=tuple(release.get("ID_LIKE", "").split()),
        version_id=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        pretty_name=release.get("PRETTY_NAME", ""),
        kernel=told.get("kernel", ""),
        kernel_build=told.get("version_signature") or told.get("kernel_build", ""),
        machine=told.get("machine", ""),
        node=told.get("node", ""),
        boot_id=told.get("boot_id", ""),
        uptime_seconds=int(uptime) if uptime.isdecimal() and len(uptime) <= _DIGITS else None,
        virtualisation=told.get("virtualisation", ""),
        time=moment(told.get("time", "")),
        root=told.get("uid") == "0",
    )


@lru_cache(maxsize=65536)  # packages of one transaction, or of one image, have the same time
def moment(seconds: str) -> datetime | None:
    """Return seconds since 1970 as aware UTC; None for anything that is no such number."""
    if not seconds.isdecimal() or len(seconds) > _DIGITS:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _os_release(lines: list[str]) -> dict[str, str]:
    """Read os-release(5): shell assignments without expansion."""
    values: dict[str, str] = {}
    for line in lines:
        name, equals, text = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            words = shlex.split(text)
        except ValueError:
            continue
        values[name] = words[0] if words else ""
    return values
