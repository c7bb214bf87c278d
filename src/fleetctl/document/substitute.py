"""Put parameter values in the place of `{{ parameter }}`, as the SSM agent does.

SSM substitutes *text*: a value becomes part of the script and is read by the shell. That is kept, because documents
depend on it; `allowedPattern` and `interpolationType: ENV_VAR` are the two ways to keep a value from becoming code.
Unlike the agent, which replaces one parameter after the other, all are replaced in one pass: a value that itself holds
`{{ other }}` stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

__all__ = ["as_text", "near_misses", "references", "sole_reference", "store_references", "substitute"]

# SSM agent, docparser/parameters: names are letters and digits, blanks around them do not matter.
_REFERENCE: Final = re.compile(r"\{\{\s*([a-zA-Z0-9]+)\s*\}\}")
_STORE: Final = re.compile(r"\{\{\s*(ssm(?:-secure)?:[^{}\s]+)\s*\}\}")


def references(text: str) -> list[str]:
    """Return the names that stand in `{{ }}`, declared or not, in order."""
    return _REFERENCE.findall(text)


def sole_reference(text: str) -> str | None:
    """Return the name if the text is exactly one `{{ name }}`, else None."""
    match = _REFERENCE.fullmatch(text)
    return match[1] if match else None


def store_references(text: str) -> list[str]:
    """Return Parameter Store references (`ssm:name`, `ssm-secure:name`), which SSM would fetch."""
    return _STORE.findall(text)


def near_misses(text: str, declared: Iterable[str]) -> list[tuple[str, str]]:
    """Return (written, meant) for names in `{{ }}` that are not declared but look like one that is."""
    names = list(declared)
    folded = {name.casefold(): name for name in names}
    found = []
    for written in dict.fromkeys(references(text)):
        if written in names:
            continue
        near = get_close_matches(written.casefold(), list(folded), n=1, cutoff=0.75)
        if near:
            found.append((written, folded[near[0]]))
    return found


def as_text(value: Any) -> str:
    """Return a value as SSM puts it into a text: strings as they are, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def substitute(
    text: str, values: Mapping[str, Any], *, instead: Callable[[str], str | None] = lambda _: None
) -> str:
    """Replace every `{{ name }}` whose name is in `values`; anything else in double braces is left alone.

    Args:
        text: what to read.
        values: by parameter name.
        instead: gives the text to put for a name in the place of its value, or None for the value.
    """

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            return match[0]
        other = instead(name)
        return as_text(values[name]) if other is None else other

    return _REFERENCE.sub(replacement, text)
