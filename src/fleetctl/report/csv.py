"""CSV for spreadsheets (RFC 4180), with cells that a spreadsheet would take for a formula made harmless."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from fleetctl.report.protocol import StoredText, Telling

__all__ = ["Csv"]

# What a spreadsheet would compute: a host's output must not become a formula on somebody's desk (OWASP: CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Csv:
    """The rows of a result, under one header."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write them as they come."""
        import csv  # noqa: PLC0415

        writer = csv.writer(file)
        writer.writerow(telling.columns)
        for row in telling.rows:
            writer.writerow([_cell(row, column) for column in telling.columns])


def _cell(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, Mapping):
        return ";".join(f"{key}={item}" for key, item in value.items())
    text = str(value) if isinstance(value, str | StoredText) else ";".join(map(str, value))
    return "'" + text if text.startswith(_FORMULA) else text
