"""Package URLs (purl-spec): one name for a package that every SBOM tool knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

__all__ = ["Distribution", "full_version", "package_url"]

_TYPES: Final = {"dpkg": "deb", "rpm": "rpm", "pacman": "alpm", "apk": "apk"}
# os-release's ID where the vendor's name in package URLs is another.
_VENDORS: Final = {
    "rhel": "redhat",
    "sles": "suse",
    "sled": "suse",
    "opensuse-leap": "opensuse",
    "ol": "oracle",
}
_LOWER: Final = frozenset({"dpkg", "pacman", "apk"})  # purl-spec: these types have names in small letters
_DEFAULT_VENDOR: Final = {"dpkg": "debian", "rpm": "", "pacman": "arch", "apk": "alpine"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release says: `debian` and `12`; both may be empty."""

    id: str = ""
    version: str = ""


def full_version(item: Mapping[str, str], *, epoch: bool = True) -> str:
    """Return `[epoch:]version[-release]` of an Application."""
    head = f"{item['Epoch']}:" if epoch and item.get("Epoch") else ""
    tail = f"-{item['Release']}" if item.get("Release") else ""
    return f"{head}{item.get('Version', '')}{tail}"


def package_url(item: Mapping[str, str], distribution: Distribution) -> str:
    """Return the package URL of an Application.

    `pkg:deb/debian/openssl@3.0.14-1?arch=amd64&distro=debian-12`. An rpm's epoch is a qualifier, as its type wants it.

    Args:
        item: with `Name`, `Version` and `PackageManager`.
        distribution: of the host.
    """
    manager = item["PackageManager"]
    vendor = _VENDORS.get(distribution.id, distribution.id) or _DEFAULT_VENDOR[manager]
    name = item["Name"].lower() if manager in _LOWER else item["Name"]
    version = full_version(item, epoch=manager != "rpm")
    qualifiers = {
        "arch": item.get("Architecture", ""),
        "distro": f"{distribution.id}-{distribution.version}".strip("-") if distribution.id else "",
        "epoch": item.get("Epoch", "") if manager == "rpm" else "",
    }
    told = "&".join(f"{key}={_encode(text)}" for key, text in qualifiers.items() if text)
    path = "/".join(_encode(part) for part in (_TYPES[manager], vendor.lower(), name) if part)
    return f"pkg:{path}" + (f"@{_encode(version)}" if version else "") + (f"?{told}" if told else "")


def _encode(text: str) -> str:
    return quote(text, safe=":", errors="replace")
