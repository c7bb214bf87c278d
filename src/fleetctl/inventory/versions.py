"""Compare what two values say: versions as the host's own package manager does, numbers as numbers, all else as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fleetctl.inventory.purl import full_version
from fleetctl.packages.alpmversion import alpm_version_key, split_alpm_version
from fleetctl.packages.apkversion import apk_version_key, split_apk_version
from fleetctl.packages.debversion import deb_version_key, split_deb_version
from fleetctl.packages.rpmversion import rpm_version_key, split_rpm_version

__all__ = ["compare"]

_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_SPLIT: Final[Mapping[str, Callable[[str], tuple[str, str, str]]]] = {
    "dpkg": split_deb_version,
    "rpm": split_rpm_version,
    "pacman": split_alpm_version,
    "apk": lambda text: ("", *split_apk_version(text)),
}
_KEYS: Final[Mapping[str, Callable[[str], Any]]] = {
    "dpkg": deb_version_key,
    "rpm": rpm_version_key,
    "pacman": alpm_version_key,
    "apk": apk_version_key,
}
_VERSIONS: Final = frozenset({"PlatformVersion", "KernelVersion", "Version"})


def compare(item: Mapping[str, str], field: str, value: str) -> int:
    """Return -1, 0 or 1: how an item's field stands to a value.

    Of an Application's Version, what the value leaves out is not compared: `3.0.14` is about the version alone, `3.0.14-1` also about
    the release, `1:3.0.14-1` also about the epoch.

    Args:
        item: it has that field.
        field: of it.
        value: what to compare with.
    """
    told = item.get(field, "")
    manager = item.get("PackageManager", "")
    if field == "Version" and manager in _SPLIT:
        if told == value:
            return 0  # an upstream version may hold a dash
        key = _KEYS[manager]
        return _sign(key(_as_far(item, manager, value)), key(value))
    if field == "Release" and manager in _KEYS:
        return _sign(_KEYS[manager](told), _KEYS[manager](value))
    if field in _VERSIONS:
        return _sign(rpm_version_key(told), rpm_version_key(value))
    if _NUMBER.fullmatch(told) and _NUMBER.fullmatch(value):
        return _sign(float(told), float(value))
    return _sign(told, value)


def _as_far(item: Mapping[str, str], manager: str, value: str) -> str:
    """Return the item's version with only those parts that the value has, too."""
    epoch, _, release = _SPLIT[manager](value)
    shown = dict(item)
    if not release:
        shown.pop("Release", None)
    return full_version(shown, epoch=bool(epoch))


def _sign(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)
