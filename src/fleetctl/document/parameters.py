"""Check the values of a document's parameters: their types, and what the document allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from fleetctl.document.model import Parameter
from fleetctl.document.substitute import as_text, store_references
from fleetctl.errors import ParameterProblemsError, Problem
from fleetctl.spec.suggest import did_you_mean

__all__ = ["STORE_HINT", "bind_values", "complaints", "convert", "violations"]

STORE_HINT: Final = (
    "the parameter store comes with `fleetctl param`, not in this release; give the value itself"
)


def convert(parameter: Parameter, value: Any) -> Any:
    """Return a value of the parameter's type, made from what JSON or the command line gave.

    SSM's own form is taken too: every value a list of strings (`{"executionTimeout": ["60"]}`).

    Raises:
        ValueError: it is not of that type; the text says what is.
    """
    if parameter.type not in ("StringList", "MapList") and isinstance(value, list) and len(value) == 1:
        value = value[0]
    return _CONVERT[parameter.type](value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {_shown(value)}")  # noqa: TRY004 - one kind of error for callers
    if "\0" in value:
        raise ValueError("must not hold a NUL byte")
    return value


def _string_list(value: Any) -> list[str]:
    if isinstance(value, str):
        value = _json(value, list) if value.lstrip().startswith("[") else value
        value = [value] if isinstance(value, str) else value
    if not isinstance(value, list):
        raise ValueError(f"must be a list of strings, not {_shown(value)}")  # noqa: TRY004
    if any(not isinstance(item, str) for item in value):
        wrong = next(item for item in value if not isinstance(item, str))
        raise ValueError(f"must be a list of strings; {_shown(wrong)} is none")
    return [_string(item) for item in value]


def _integer(value: Any) -> int:
    if isinstance(value, str):
        try:
            return int(value, 10)
        except ValueError:
            raise ValueError(f"must be a whole number, not {_shown(value)}") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, not {_shown(value)}")  # noqa: TRY004
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"must be true or false, not {_shown(value)}")


def _map_list(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, str):
        value = _json(value, list)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = [_json(item, dict) for item in value]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"must be a list of maps, as JSON, not {_shown(value)}")
    return value


def _string_map(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _json(value, dict)
    if not isinstance(value, dict):
        raise ValueError(f"must be a map, as JSON, not {_shown(value)}")  # noqa: TRY004
    return value


_CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "String": _string,
    "StringList": _string_list,
    "Integer": _integer,
    "Boolean": _boolean,
    "MapList": _map_list,
    "StringMap": _string_map,
}


def _json(text: str, kind: type) -> Any:
    """Return what the text says if it is JSON of that kind, else the text: `[ -f x ] && y` is a command, not a list."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, kind) else text


def _shown(value: Any) -> str:
    text = as_text(value) if isinstance(value, str | int | float | bool | list | dict) else repr(value)
    return f"'{text[:60]}{'...' if len(text) > 60 else ''}'"


def violations(parameter: Parameter, value: Any) -> list[str]:
    """Return what the document does not allow about a converted value; empty means that it is allowed.

    `allowedPattern` must match the whole value: `[a-z]+` does not let `a; reboot` through. (The agent's search would; the
    patterns of AWS's own documents are written for a whole match.)
    """
    items = value if isinstance(value, list) else [value]
    found = []
    if parameter.allowed_values:
        allowed = [as_text(item) for item in parameter.allowed_values]
        found += [
            f"{_shown(item)} is not allowed; allowed: {', '.join(allowed)}"
            for item in items
            if as_text(item) not in allowed
        ]
    if parameter.allowed_pattern is not None:
        pattern = parameter.allowed_pattern
        found += [
            f"{_shown(item)} does not match {pattern.pattern}"
            for item in items
            if not pattern.fullmatch(as_text(item))
        ]
    if parameter.type not in ("Integer", "Boolean"):
        for item in items:
            found += _outside(len(as_text(item)), parameter.min_chars, parameter.max_chars, what="characters")
    if parameter.type in ("StringList", "MapList", "StringMap"):
        found += _outside(len(value), parameter.min_items, parameter.max_items, what="items")
    return list(dict.fromkeys(found))


def _outside(size: int, least: int | None, most: int | None, *, what: str) -> list[str]:
    if least is not None and size < least:
        return [f"has {size} {what}, at least {least} are needed"]
    if most is not None and size > most:
        return [f"has {size} {what}, at most {most} are allowed"]
    return []


def complaints(parameter: Parameter, value: Any) -> list[str]:
    """Return all that is wrong with a raw value, its type included."""
    try:
        converted = convert(parameter, value)
    except ValueError as exc:
        return [str(exc)]
    return violations(parameter, converted)


def bind_values(
    parameters: Mapping[str, Parameter], given: Mapping[str, Any], *, document: str
) -> dict[str, Any]:
    """Return the value of every parameter: what was given, else its default.

    Args:
        parameters: what the document takes.
        given: raw values by name.
        document: its name, for messages.

    Raises:
        ParameterProblemsError: every parameter that is unknown, missing or not allowed.
    """
    wrong: list[Problem] = []
    values: dict[str, Any] = {}
    for name in given:
        if name not in parameters:
            hint = did_you_mean(name, parameters) or f"{document} takes no parameters"
            wrong.append(Problem(f"{document} has no parameter '{name}'", hint=hint))
    for name, parameter in parameters.items():
        if name not in given:
            if parameter.required:
                wrong.append(
                    Problem(f"parameter '{name}' of {document} is required", hint=_how_to_give(parameter))
                )
            else:
                values[name] = convert(parameter, parameter.default)
            continue
        if found := _store_reference(given[name]):
            wrong.append(Problem(f"parameter '{name}': {{{{{found}}}}} cannot be resolved", hint=STORE_HINT))
        elif found_wrong := complaints(parameter, given[name]):
            wrong += [Problem(f"parameter '{name}': {text}") for text in found_wrong]
        else:
            values[name] = convert(parameter, given[name])
    if wrong:
        raise ParameterProblemsError(wrong)
    return values


def _how_to_give(parameter: Parameter) -> str:
    value = {"StringList": "VALUE (once for each item)", "Boolean": "true|false", "Integer": "NUMBER"}.get(
        parameter.type, "JSON" if parameter.type in ("MapList", "StringMap") else "VALUE"
    )
    about = f": {parameter.description}" if parameter.description else ""
    return f"give it with -p {parameter.name}={value}{about}"


def _store_reference(value: Any) -> str | None:
    found = store_references(as_text(value)) if isinstance(value, str | list | dict) else []
    return found[0] if found else None
