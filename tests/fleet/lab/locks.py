"""Somebody else at work: a package manager that is busy, and holds its locks as only it can."""

from __future__ import annotations

from typing import Final

__all__ = ["RELEASE", "START", "TOOLS", "UNIT"]

UNIT: Final = "fl-busy.service"
_APT: Final = ("apt-get", "-y", "-q", "install", "fl-slow")
#: What installs fl-slow, whose script sleeps, by kind of host.
TOOLS: Final = {
    "deb12": _APT,
    "deb13": _APT,
    "rocky": ("dnf", "-y", "install", "fl-slow"),
    "fedora": ("dnf5", "-y", "install", "fl-slow"),
    "suse": ("zypper", "--non-interactive", "install", "fl-slow"),
    "arch": ("pacman", "--noconfirm", "-S", "fl-slow"),
}
#: Arguments: seconds, argv.
START: Final = f"""\
echo "$1" > /run/fl-slow; shift
exec systemd-run --quiet --collect --unit={UNIT} --setenv=DEBIAN_FRONTEND=noninteractive "$@"
"""
#: The script's sleep is all that keeps it busy.
RELEASE: Final = 'for p in /proc/[0-9]*; do [ "$(cat "$p/comm" 2>/dev/null)" = sleep ] && grep -qs fl-busy "$p/cgroup" && kill "${p#/proc/}"; done; true'
