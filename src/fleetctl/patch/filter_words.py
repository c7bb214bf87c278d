"""Which filters say something about which system, and the words that its vendor uses in them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from fleetctl.patch.baseline import FilterKey, OperatingSystem
from fleetctl.spec.suggest import did_you_mean

__all__ = ["PRODUCTS", "keys_of", "odd_values", "why_no_key"]

# SSM's PRODUCT is one of these, then the version: `Debian12`, `RockyLinux9.4`, `Suse15.6`.
PRODUCTS: Final = {
    OperatingSystem.AMAZON_LINUX_2: "AmazonLinux",
    OperatingSystem.AMAZON_LINUX_2023: "AmazonLinux",
    OperatingSystem.UBUNTU: "Ubuntu",
    OperatingSystem.DEBIAN: "Debian",
    OperatingSystem.RASPBIAN: "Raspbian",
    OperatingSystem.REDHAT_ENTERPRISE_LINUX: "RedhatEnterpriseLinux",
    OperatingSystem.ROCKY_LINUX: "RockyLinux",
    OperatingSystem.ALMA_LINUX: "AlmaLinux",
    OperatingSystem.ORACLE_LINUX: "OracleLinux",
    OperatingSystem.CENTOS: "CentOS",
    OperatingSystem.SUSE: "Suse",
    OperatingSystem.FEDORA: "Fedora",
    OperatingSystem.ARCH_LINUX: "Arch",
    OperatingSystem.ALPINE_LINUX: "Alpine",
}

_WINDOWS: Final = frozenset({FilterKey.PATCH_SET, FilterKey.PRODUCT_FAMILY, FilterKey.MSRC_SEVERITY})
_APT: Final = frozenset({FilterKey.SECTION, FilterKey.PRIORITY})
_ADVISED: Final = frozenset(
    {FilterKey.ADVISORY_ID, FilterKey.BUGZILLA_ID, FilterKey.CVE_ID, FilterKey.SEVERITY}
)
_LINUX: Final = frozenset(FilterKey) - _WINDOWS
_DEBIANS: Final = frozenset({OperatingSystem.UBUNTU, OperatingSystem.DEBIAN, OperatingSystem.RASPBIAN})
_PLAIN: Final = frozenset({OperatingSystem.ARCH_LINUX, OperatingSystem.ALPINE_LINUX})

_RPM_WORDS: Final = {
    FilterKey.CLASSIFICATION: ("Security", "Bugfix", "Enhancement", "Recommended", "Newpackage"),
    FilterKey.SEVERITY: ("Critical", "Important", "Moderate", "Medium", "Low", "None", "Unspecified"),
}
_DEBIAN_WORDS: Final = {
    FilterKey.CLASSIFICATION: ("Security", "Other"),
    FilterKey.PRIORITY: ("Required", "Important", "Standard", "Optional", "Extra"),
}
_PLAIN_WORDS: Final[dict[FilterKey, tuple[str, ...]]] = {FilterKey.CLASSIFICATION: ("Other",)}
_WORDS: Final[dict[OperatingSystem, dict[FilterKey, tuple[str, ...]]]] = {
    **dict.fromkeys(_DEBIANS, _DEBIAN_WORDS),
    **dict.fromkeys(_PLAIN, _PLAIN_WORDS),
    OperatingSystem.WINDOWS: {},
    OperatingSystem.MACOS: {},
    OperatingSystem.SUSE: {
        FilterKey.CLASSIFICATION: ("Security", "Recommended", "Optional", "Feature", "Document", "Yast"),
        FilterKey.SEVERITY: ("Critical", "Important", "Moderate", "Low", "Unspecified"),
    },
    # Fedora's and EPEL's updateinfo.xml: https://bodhi.fedoraproject.org
    OperatingSystem.FEDORA: {
        **_RPM_WORDS,
        FilterKey.SEVERITY: ("Urgent", "Critical", "High", "Important", "Medium", "Moderate", "Low", "None"),
    },
}


def keys_of(system: OperatingSystem) -> frozenset[FilterKey]:
    """Return the filter keys that can match anything on hosts of a system."""
    if system is OperatingSystem.WINDOWS:
        return frozenset({*_WINDOWS, FilterKey.PRODUCT, FilterKey.CLASSIFICATION, FilterKey.PATCH_ID})
    if system in _DEBIANS:
        return _LINUX - _ADVISED
    return _LINUX - _APT - (_ADVISED if system in _PLAIN else frozenset())


def why_no_key(key: FilterKey, system: OperatingSystem) -> str:
    """Return why a key of `FilterKey` that is none of `keys_of` cannot match there, in a few words."""
    if key in _WINDOWS:
        return "it is for WINDOWS only"
    if key in _ADVISED and system in _DEBIANS | _PLAIN:
        return "its archives publish no advisories"
    return "only Debian, Ubuntu and Raspbian have it" if key in _APT else "it is for Linux only"


def odd_values(key: FilterKey, values: Sequence[str], system: OperatingSystem) -> list[tuple[int, str, str]]:
    """Return values that no vendor of that system uses: index, what is odd, and what was perhaps meant; never `*`."""
    found = []
    for index, value in enumerate(values):
        if key is FilterKey.PRODUCT and (product := PRODUCTS.get(system)):
            if not _begins(value, product):
                found.append((index, f"products of {system.value} begin with '{product}'", ""))
            continue
        words = _WORDS.get(system, _RPM_WORDS).get(key, ())
        if words and not any(fnmatchcase(word.casefold(), value.casefold()) for word in words):
            found.append(
                (index, f"no vendor of {system.value} uses '{value}' there", did_you_mean(value, words) or "")
            )
    return found


def _begins(value: str, product: str) -> bool:
    """Tell whether a pattern can fit a product's name: as far as it has no wildcard."""
    fixed = value.casefold().partition("*")[0]
    return fixed.startswith(product.casefold()) or ("*" in value and product.casefold().startswith(fixed))
