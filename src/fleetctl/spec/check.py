"""Hold data against a pydantic model, and say everything that is wrong with it in people's words, with its place.

Pydantic names an error's place by a path that also holds its own steps (the branch of a union, `function-wrap`). A step
that cannot be followed in the data is left out, so that the path becomes one that the person who wrote the file knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from fleetctl.errors import Problem, ProblemsError
from fleetctl.spec.fields import keys_at
from fleetctl.spec.suggest import did_you_mean
from fleetctl.spec.yaml import Document

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = ["check", "dotted", "json_schema"]

M = TypeVar("M", bound="BaseModel")
Path = tuple[str | int, ...]

_SECRET = re.compile(r"pass|secret|token|credential", re.IGNORECASE)
_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "a map",
    "model": "a map",
    "none": "nothing",
    "date": "a date such as 2027-03-31",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def check(document: Document, model: type[M]) -> M:
    """Return the document's data as an instance of `model`.

    Args:
        document: as `load_document` returns it; an empty one is taken for an empty map.
        model: best with `extra="forbid"`.

    Raises:
        ProblemsError: everything that is wrong with it, in the order of the file.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - a tenth of a second that not every command needs

    data = {} if document.data is None else document.data
    try:
        made = model.model_validate(data)
    except ValidationError as exc:
        found = _problems(document, data, model=model, error=exc)
        raise ProblemsError(sorted([*document.problems, *found], key=_place)) from exc
    if document.problems:
        raise ProblemsError(document.problems)
    return made


def dotted(path: Path) -> str:
    """Write a path as people do: `hosts.web-1.tags`, `sources[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def json_schema(model: type[BaseModel], *, title: str, id_: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a model, for editors and for `fleetctl schema`.

    Args:
        model: what the file may say.
        title: for people.
        id_: the schema's `$id`; by default a URN made from the title.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    body = model.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": id_ or f"urn:fleetctl:schema:{slug}",
        **body,
        "title": title,
    }


def _problems(
    document: Document, data: Any, *, model: type[BaseModel], error: ValidationError
) -> list[Problem]:
    found: dict[Path, list[dict[str, Any]]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_follow(data, item["loc"], item["type"]), []).append(dict(item))
    # What is wrong inside a map says more than that the map is no text, which another branch of a union had wanted.
    inner = {path[:length] for path in found for length in range(len(path))}
    problems = []
    for path, items in found.items():
        if path in inner and all(_follows(item) for item in items):
            continue
        problems.append(_problem(document, path, items, model=model))
    return problems


def _follows(item: dict[str, Any]) -> bool:
    """Tell whether an error of a list or map comes of those inside: a list is also too short without the entries that were refused."""
    if item["type"] == "too_short":
        return len(item["input"]) >= int(item["ctx"]["min_length"])
    return bool(item["type"].endswith(("_type", "literal_error")))


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)


def _follow(data: Any, loc: Path, kind: str) -> Path:
    path: list[str | int] = []
    for part in loc:
        in_map = isinstance(data, dict) and part in data
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_map and not in_list:
            continue
        data = data[part]
        path.append(part)
    if kind == "missing":
        path.append(loc[-1])
    return tuple(path)


def _problem(
    document: Document, path: Path, items: list[dict[str, Any]], *, model: type[BaseModel]
) -> Problem:
    kind = items[0]["type"]
    parent, name = path[:-1], path[-1] if path else ""
    before = f"{dotted(parent)}: " if parent else ""
    if kind == "extra_forbidden":
        hint = did_you_mean(str(name), keys_at(model, parent))
        return document.problem(f"{before}unknown key '{name}'", path, hint=hint, key=True)
    if kind == "missing":
        return document.problem(f"{before}key '{name}' is missing", parent)
    if items[0]["loc"][-1:] == ("[key]",):
        return document.problem(f"{before}'{name}' is no key here: expected {_wanted(items)}", path, key=True)
    what = "; ".join(
        dict.fromkeys(_say(item) for item in items if item["type"] in {"value_error", "assertion_error"})
    )
    if not what:
        what = f"expected {_wanted(items)}{_got(items[0], path)}"
    place = f"{dotted(path)}: " if path else ""
    return document.problem(f"{place}{what}", path, hint=_hint(items))


def _wanted(items: list[dict[str, Any]]) -> str:
    return " or ".join(dict.fromkeys(_expected(item) for item in items))


def _expected(item: dict[str, Any]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "literal_error":
        choices = context["expected"].replace(" or ", ", ").replace("True", "true").replace("False", "false")
        return f"one of {choices}" if "," in choices else choices
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context[name]}"
    if kind == "string_pattern_mismatch":
        absolute = context["pattern"].startswith("^/")
        return "a path that begins with /" if absolute else f"text that matches {context['pattern']}"
    if kind in {"too_short", "string_too_short"}:
        return f"at least {_counted(context['min_length'], kind)}"
    if kind in {"too_long", "string_too_long"}:
        return f"at most {_counted(context['max_length'], kind)}"
    return _EXPECTED.get(kind.split("_")[0], _say(item))


def _counted(number: int, kind: str) -> str:
    one, many = ("character", "characters") if "string" in kind else ("entry", "entries")
    return f"{number} {one if number == 1 else many}"


def _say(item: dict[str, Any]) -> str:
    error = item.get("ctx", {}).get("error")
    return str(error) if error is not None else item["msg"][:1].lower() + item["msg"][1:]


def _got(item: dict[str, Any], path: Path) -> str:
    value = item["input"]
    if any(isinstance(part, str) and _SECRET.search(part) for part in path):
        return ""
    if value is None:
        return ", got nothing"
    if isinstance(value, bool):
        return f", got {str(value).lower()}"
    if isinstance(value, dict | list):
        return f", got {'a' if value else 'an empty'} {'map' if isinstance(value, dict) else 'list'}"
    text = repr(value)
    return f", got {text if len(text) <= 60 else text[:57] + '...'}"


def _hint(items: list[dict[str, Any]]) -> str | None:
    value = items[0]["input"]
    kinds = {item["type"] for item in items}
    if "string_type" in kinds and isinstance(value, bool | int | float):
        return "put quotes round it"
    if kinds & {"int_type", "float_type", "bool_type"} and isinstance(value, str):
        return "take the quotes off" if value.isdecimal() or value in {"true", "false"} else None
    if isinstance(value, str):
        choices = [
            word
            for item in items
            if item["type"] == "literal_error"
            for word in re.findall(r"'([^']*)'", item["ctx"]["expected"])
        ]
        near = did_you_mean(value, choices) if choices else None
        return near if near and near.startswith("did you mean") else None
    return None
