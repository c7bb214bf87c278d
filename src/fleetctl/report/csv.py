"""CSV for spreadsheets (RFC 4180), with cells that a spreadsheet would take for a formula made harmless."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from fleetctl.report.protocol import StoredText, Telling

__all__ = ["Csv"]

# What a spreadsheet would compute: a host's output must not become a formula on somebody's desk (OWASP: CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NEEDS_QUOTES = frozenset(',"\r\n')
_LINE_END = "\r\n"  # RFC 4180, section 2, rule 1


class Csv:
    """The rows of a result, under one header; a host's 100 MB of output pass through, they are never held."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write them as they come."""
        file.write(",".join(telling.columns) + _LINE_END)
        for row in telling.rows:
            for index, column in enumerate(telling.columns):
                if index:
                    file.write(",")
                file.writelines(_cell(row.get(column)))
            file.write(_LINE_END)


def _cell(value: Any) -> Iterator[str]:
    if isinstance(value, StoredText):
        yield from _quoted(value.chunks())
    elif isinstance(value, bool | int | float):
        yield str(value)  # a number stays one, also below zero
    elif value is not None:
        text = _text(value)
        plain = not _NEEDS_QUOTES.intersection(text) and not text.startswith((" ", *_FORMULA))
        yield from [text] if plain else _quoted([text])


def _quoted(pieces: Iterable[str]) -> Iterator[str]:
    yield '"'
    first = True
    for piece in pieces:
        if first and piece.startswith(_FORMULA):
            yield "'"
        first = first and not piece
        yield piece.replace('"', '""')
    yield '"'


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ";".join(f"{key}={item}" for key, item in value.items())
    return ";".join(map(str, value)) if isinstance(value, Iterable) else str(value)
