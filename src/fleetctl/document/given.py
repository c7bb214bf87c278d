"""Read parameter values as a person gives them: `-p name=value` and files of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fleetctl.document.model import Parameter
from fleetctl.errors import ParameterError, Where

__all__ = ["read_given"]


def read_given(words: Sequence[str], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return raw values by name.

    Args:
        words: each `name=value`, or `@file` for a JSON object of values. A StringList takes its items one by one
            (`-p commands=date -p commands=uptime`) or as a JSON list. A value given by name beats one of a file.
        parameters: what the document takes.

    Raises:
        ParameterError: a word that is neither, a file that cannot be read, or a parameter given twice.
    """
    from_files: dict[str, Any] = {}
    by_name: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("@"):
            from_files |= _read_file(Path(word[1:]))
            continue
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"'{word}' is no parameter", hint="write -p NAME=VALUE, or -p @FILE.json")
        by_name.setdefault(name.strip(), []).append(value)
    return from_files | {name: _one(name, values, parameters.get(name)) for name, values in by_name.items()}


def _one(name: str, values: list[str], parameter: Parameter | None) -> Any:
    if len(values) == 1:
        return values[0]
    if parameter is None or parameter.type in ("StringList", "MapList"):
        return values
    raise ParameterError(
        f"parameter '{name}' is given {len(values)} times, and takes one {parameter.type}",
        hint=f"leave one -p {name}=... only",
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise ParameterError(f"the parameter file {path} cannot be read: {why}") from exc
    try:
        data = json.loads(text, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as exc:
        where = Where(str(path), exc.lineno, exc.colno)
        raise ParameterError(f"not JSON: {exc.msg}", where=where) from exc
    except (ValueError, RecursionError) as exc:
        raise ParameterError(f"not usable: {exc}", where=Where(str(path))) from exc
    if not isinstance(data, dict):
        raise ParameterError(
            "must hold one JSON object", where=Where(str(path)), hint='such as {"commands": ["uptime"]}'
        )
    return data


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"'{name}' is there twice")
        found[name] = value
    return found
