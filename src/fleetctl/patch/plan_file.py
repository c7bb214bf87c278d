"""Read a plan file. People edit them, tools cut them short, and other versions write them: what is no plan is refused as a whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from fleetctl.errors import ConfigError
from fleetctl.patch.plan import SCHEMA_VERSION, HostPlan, Plan, title

__all__ = ["read_plan"]

_WORDS: Final[dict[object, str]] = {str: "text", int: "a whole number", bool: "true or false"}
_SHOWN = 3


def read_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        ConfigError: it cannot be read, or is no plan; says what is wrong with it and where.
    """
    hint = "make one with: fleetctl patch plan TARGETS --output FILE"
    try:
        data = json.loads(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint=hint) from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} is no patch plan: not JSON: {exc}", hint=hint) from exc
    if wrong := list(_wrong_plan(data)):
        more = f"; {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ConfigError(f"{path} is no patch plan: {'; '.join(wrong[:_SHOWN])}{more}", hint=hint)
    return Plan.from_json(data)


def _wrong_plan(data: Any) -> Iterator[str]:
    if not isinstance(data, Mapping):
        yield f"expected an object, got {_shown(data)}"
    elif "SchemaVersion" not in data:
        yield "it has no 'SchemaVersion'"
    elif data["SchemaVersion"] != SCHEMA_VERSION:
        yield f"its SchemaVersion is {data['SchemaVersion']!r}, not {SCHEMA_VERSION!r}"
    else:
        yield from _wrong(data.get("PlanId"), str, "PlanId")
        yield from _wrong_time(data.get("MadeDateTime"))
        yield from _wrong(data.get("Selector", ""), str, "Selector")
        yield from _wrong(data.get("Hosts"), tuple[HostPlan, ...], "Hosts")
        if not isinstance(data.get("Failed", {}), Mapping):
            yield f"Failed: expected an object, got {_shown(data['Failed'])}"
        hosts = data["Hosts"] if isinstance(data.get("Hosts"), list) else ()
        names = Counter(str(host.get("Host")) for host in hosts if isinstance(host, Mapping))
        yield from (f"Hosts: {name} stands there {count} times" for name, count in names.items() if count > 1)


def _wrong_time(value: Any) -> Iterator[str]:
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        yield f"MadeDateTime: expected a time with its zone, got {_shown(value)}"


def _wrong(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Yield what of a value does not fit a type of the plan's dataclasses."""
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    if is_dataclass(kind):
        yield from _wrong_object(value, kind, where)
    elif get_origin(kind) is tuple:
        if not isinstance(value, list):
            yield f"{where}: expected a list, got {_shown(value)}"
            return
        for number, item in enumerate(value):
            yield from _wrong(item, choices[0], f"{where}[{number}]")
    elif get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        known = choices or [member.value for member in kind]
        if value not in known:
            yield f"{where}: expected one of {', '.join(known)}, got {_shown(value)}"
    elif choices:
        yield from _wrong(value, choices[0], where)
    elif type(value) is not kind:
        yield f"{where}: expected {_WORDS[kind]}, got {_shown(value)}"


def _wrong_object(value: Any, kind: Any, where: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{where}: expected an object, got {_shown(value)}"
        return
    hints = get_type_hints(kind)
    known = {title(field.name): field for field in fields(kind)}
    for key, item in value.items():
        if key in known:
            yield from _wrong(item, hints[known[key].name], f"{where}.{key}")
        else:
            yield f"{where}: unknown key '{key}'"
    for key, field in known.items():
        if key not in value and field.default is MISSING:
            yield f"{where}: it has no '{key}'"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
