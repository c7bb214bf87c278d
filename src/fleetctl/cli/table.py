"""Plain tables: aligned columns that `grep`, `awk` and eyes all read."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from fleetctl.cli.output import destination
from fleetctl.cli.terminal import safe

__all__ = ["print_table"]


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    output: Path | None = None,
    above: Sequence[str] = (),
) -> None:
    """Write rows under a header, columns aligned; on a terminal the last column is cut at its edge.

    Args:
        header: names of the columns.
        rows: text; control characters are made visible.
        output: a file instead of stdout.
        above: lines to write before.
    """
    cells = [[safe(" ".join(cell.split())) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(header, *cells, strict=True)]
    edge = shutil.get_terminal_size().columns if output is None and sys.stdout.isatty() else None
    with destination(output) as file:
        file.writelines(f"{safe(line)}\n" for line in above)
        for row in [list(header), *cells]:
            padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
            line = "  ".join(padded).rstrip()
            file.write((line if edge is None or _width(line) <= edge else line[: edge - 1] + "…") + "\n")


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text
    )
