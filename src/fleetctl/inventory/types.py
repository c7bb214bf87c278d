"""The inventory types: their names, fields, and what tells one item from another.

SSM: "Metadata collected by inventory". Names of types and fields are SSM's; fields of ours stand behind them and are marked in
docs/reference/inventory-types.md. All values are text, as in SSM; a field that a host cannot tell is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fleetctl.errors import UsageError
from fleetctl.spec.suggest import did_you_mean

__all__ = [
    "CUSTOM",
    "DEFAULT",
    "SCHEMA_VERSION",
    "TYPES",
    "Item",
    "Items",
    "TypeForm",
    "custom_name",
    "form_of",
    "known_type",
    "ordered",
]

Item: TypeAlias = Mapping[str, str]
Items: TypeAlias = Sequence[Item]

SCHEMA_VERSION: Final = "1.1"
CUSTOM: Final = "Custom:"
_CUSTOM: Final = re.compile(r"Custom:[A-Z][A-Za-z0-9_.-]*", re.ASCII)
_LONGEST_NAME: Final = 100  # SSM: TypeName


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeForm:
    """One inventory type.

    Attributes:
        fields: in the order in which people look at them.
        key: fields that tell an item from all others of its host; empty where there is one item only.
        opt_in: not collected unless asked for.
    """

    name: str
    fields: tuple[str, ...]
    key: tuple[str, ...] = ()
    opt_in: bool = False


_FORMS: Final = (
    TypeForm(
        name="InstanceInformation",
        fields=(
            "InstanceId", "ComputerName", "IpAddress", "PlatformName", "PlatformVersion", "PlatformType", "ResourceType",
            "InstanceStatus", "AgentType", "KernelVersion", "Architecture", "Virtualization", "BootId",
        ),
    ),
    TypeForm(
        name="InstanceDetailedInformation",
        fields=(
            "CPUModel", "CPUs", "CPUSockets", "CPUCores", "CPUHyperThreadEnabled", "CPUSpeedMHz", "OSServicePack",
            "MemoryMB", "Manufacturer", "Model",
        ),
    ),
    TypeForm(
        name="Application",
        fields=(
            "Name", "Version", "Release", "Epoch", "Architecture", "InstalledTime", "ApplicationType", "Publisher", "URL",
            "Summary", "PackageId", "PackageManager", "Source", "License",
        ),
        key=("Name", "Architecture"),
    ),
    TypeForm(
        name="Network",
        fields=("Name", "MacAddress", "IPV4", "IPV6", "SubnetMask", "Gateway", "DHCPServer", "DNSServer", "State"),
        key=("Name",),
    ),
    TypeForm(
        name="Service",
        fields=("Name", "Status", "StartType", "DisplayName", "ServiceType"),
        key=("Name",),
    ),
    TypeForm(
        name="Process",
        fields=("ProcessId", "ParentProcessId", "User", "StartTime", "FileName", "CommandLine"),
        key=("ProcessId", "StartTime"),
        opt_in=True,
    ),
    TypeForm(
        name="File",
        fields=("Name", "InstalledDir", "Size", "ModificationTime", "Mode", "Owner", "Group"),
        key=("InstalledDir", "Name"),
        opt_in=True,
    ),
)  # fmt: skip
TYPES: Final[Mapping[str, TypeForm]] = {form.name: form for form in _FORMS}
DEFAULT: Final = tuple(form.name for form in _FORMS if not form.opt_in)


def form_of(name: str, items: Items = ()) -> TypeForm:
    """Return the form of a type; a custom one's is told by its items.

    Args:
        name: of the type.
        items: of a custom type.
    """
    if name in TYPES:
        return TYPES[name]
    fields = tuple(dict.fromkeys(field for item in items for field in item))
    keys = [
        field for field in fields if field.lower() in {"id", "name"} and all(field in item for item in items)
    ]
    return TypeForm(name=name, fields=fields, key=tuple(keys[:1]))


def ordered(name: str, items: Items) -> list[Item]:
    """Return items in the one order in which they are kept: equal contents are equal, whatever a host's tools print first."""
    key = TYPES[name].key if name in TYPES else ()
    return sorted(items, key=lambda item: ([item.get(field, "") for field in key], sorted(item.items())))


def custom_name(text: str) -> str | None:
    """Return the full name of a custom type, `Custom:` put in front where it lacks; None if it is no name (SSM: TypeName)."""
    name = text if text.startswith(CUSTOM) else CUSTOM + text
    return name if _CUSTOM.fullmatch(name) and len(name) <= _LONGEST_NAME else None


def known_type(text: str) -> str:
    """Return a type by its name, in any case (SSM's `AWS:` in front may stand there).

    Raises:
        UsageError: there is no such type.
    """
    bare = text[4:] if text.upper().startswith("AWS:") else text
    for name in TYPES:
        if name.lower() == bare.lower():
            return name
    if bare.startswith(CUSTOM) and (name_ := custom_name(bare)) is not None:
        return name_
    raise UsageError(f"there is no inventory type '{text}'", hint=did_you_mean(bare, [*TYPES, "Custom:NAME"]))
