"""Tell whether a host with pacman waits for a reboot: nothing on it says so, but the time of its boot and of its packages do."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from fleetctl.packages.model import HostFacts, InstalledPackage, RebootVerdict
from fleetctl.packages.sections import Section

__all__ = ["reboot_verdict"]

# What every process has, or only a boot loads: the list of `dnf needs-restarting`, in Arch's names.
_CORE: Final = re.compile(
    r"(?:glibc|systemd(?:-libs)?|dbus(?:-broker|-daemon)?|linux-firmware(?:-\w+)?|(?:amd|intel)-ucode)"
)
_KERNEL: Final = re.compile(r"linux\d*(?:-(?:lts|zen|hardened|rt|rt-lts|mainline|cachyos|xanmod))?")
_MARKS: Final = re.compile(r"[^0-9A-Za-z]+")


def reboot_verdict(
    section: Section, facts: HostFacts, installed: tuple[InstalledPackage, ...]
) -> RebootVerdict:
    """Return what waits for a reboot: kernels and core packages that came since boot.

    Args:
        section: which package's kernel runs, where its modules are still there.
        facts: when the host was booted.
        installed: with the time of each installation.
    """
    boot = _boot(facts)
    if boot is None:
        return RebootVerdict()
    told = dict(line.partition("=")[::2] for line in section.lines)
    since = [p for p in installed if p.installed_at is not None and p.installed_at > boot]
    kernels = [p for p in since if _KERNEL.fullmatch(p.name) and not _runs(p, told, facts.kernel)]
    core = [p.name for p in since if _CORE.fullmatch(p.name)]
    reasons = [f"kernel {facts.kernel} runs, {p.name} {p.version} was installed since boot" for p in kernels]
    if core:
        reasons.append(f"updated since boot: {', '.join(core)}")
    return RebootVerdict(
        needed=bool(reasons), packages=(*(p.name for p in kernels), *core), reasons=tuple(reasons)
    )


def _boot(facts: HostFacts) -> datetime | None:
    if facts.time is None or facts.uptime_seconds is None:
        return None
    try:
        return facts.time - timedelta(seconds=facts.uptime_seconds)
    except OverflowError:
        return None


def _runs(package: InstalledPackage, told: dict[str, str], kernel: str) -> bool:
    """Whether this kernel is the one that runs, or one beside it: `uname -r` has other marks between the same words."""
    if "modules" in told and "running" not in told:
        return True
    if "running" not in told:
        return False
    words = [_MARKS.sub(".", text) for text in (kernel, package.version)]
    return told["running"].strip() != package.name or f"{words[0]}.".startswith(f"{words[1]}.")
