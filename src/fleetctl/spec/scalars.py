"""What a plain YAML scalar means: the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/, section 10.3.2).

YAML 1.1, which PyYAML speaks, reads `no` as false, `22:30` as 1350 and `0755` as 493. Here they are text, text and 755.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["NULLS", "resolve_plain"]

NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    word: value for value in (True, False) for word in (str(value).lower(), str(value), str(value).upper())
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEXADECIMAL: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NOT_A_NUMBER: Final = frozenset({".nan", ".NaN", ".NAN"})
# Everything that is not text begins with one of these: the one test that most scalars of an inventory need.
_FIRST: Final = frozenset("~nNtTfF-+.0123456789")
_LONGEST_NUMBER: Final = (
    400  # digits; Python refuses to read more than 4300, and nobody means a number by then
)


def resolve_plain(text: str) -> Any:
    """Return what an unquoted scalar stands for: None, a bool, an int, a float, or the text itself."""
    if not text:
        return None
    if text[0] not in _FIRST:
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in NULLS:
        return None
    return _number(text) if len(text) <= _LONGEST_NUMBER else text


def _number(text: str) -> int | float | str:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _OCTAL_OR_HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if found := _INFINITE.fullmatch(text):
        return float(f"{found[1]}inf")
    return float("nan") if text in _NOT_A_NUMBER else text
