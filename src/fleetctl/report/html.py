"""HTML that a manager can read: one file, nothing loaded from elsewhere, no script, good on paper too.

Whatever a host printed is text here and nothing else: it is escaped, and control characters and those that turn the direction of
writing around are made visible. A content policy in the page forbids scripts and loading, should a reader add any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import chain
from typing import Any, Final, TextIO

from fleetctl.report.page import Bar, Detail, Page, Table, Tile
from fleetctl.report.protocol import Telling

__all__ = ["Html"]

# Control characters, bidirectional overrides, and what UTF-8 cannot hold.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_NUMBER: Final = re.compile(r"[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TONES: Final = {
    "COMPLIANT": "good",
    "NON_COMPLIANT": "bad",
    "UNKNOWN": "warn",
    "UNSCANNED": "warn",
    "WAIVED": "plain",
    "CRITICAL": "bad",
    "HIGH": "bad",
    "MEDIUM": "warn",
    "LOW": "plain",
    "INFORMATIONAL": "plain",
    "UNSPECIFIED": "plain",
}
_FEWEST: Final = 24  # bars for which there is room: two reports are no two walls
_HIGH: Final = 60  # units of a bar of all hosts


class Html:
    """The page of a result; its rows as a table where it has none."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write it."""
        page = telling.page or _of_rows(telling)
        style = files("fleetctl.report").joinpath("page.css").read_text(encoding="utf-8")
        file.write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">\n'
            f"<title>{_safe(page.title)}</title>\n<style>\n{style}</style></head>\n<body><main>\n"
        )
        file.writelines(_body(page))
        file.write("</main></body></html>\n")


def _body(page: Page) -> Iterator[str]:
    yield f'<header><h1>{_safe(page.title)}</h1>\n<p class="lead">{_safe(page.lead)}</p>\n'
    if page.facts:
        facts = "".join(f"<div><dt>{_safe(k)}</dt><dd>{_safe(v)}</dd></div>" for k, v in page.facts)
        yield f"<dl>{facts}</dl>\n"
    yield "</header>\n"
    if page.tiles:
        yield f'<section class="tiles">{"".join(map(_tile, page.tiles))}</section>\n'
    if len(page.trend) > 1:
        yield from _trend(page.trend)
    for table in page.tables:
        yield f"<section><h2>{_safe(table.title)}</h2>\n"
        if table.note:
            yield f'<p class="note">{_safe(table.note)}</p>\n'
        yield from _table(table)
        yield "</section>\n"
    if page.details:
        yield "<section><h2>Every host</h2>\n"
        yield from chain.from_iterable(map(_detail, page.details))
        yield "</section>\n"


def _tile(tile: Tile) -> str:
    note = f"<small>{_safe(tile.note)}</small>" if tile.note else ""
    return f'<div class="tile {tile.tone}"><b>{_safe(tile.value)}</b><span>{_safe(tile.label)}</span>{note}</div>'


def _trend(bars: Sequence[Bar]) -> Iterator[str]:
    """Draw bars as SVG: it needs no script, and prints."""
    most = max((sum(count for _, count, _ in bar.parts) for bar in bars), default=0) or 1
    legend = "".join(f'<span class="key {tone}">{_safe(name)}</span>' for name, _, tone in bars[-1].parts)
    width = max(len(bars), _FEWEST) * 10
    yield f"<section><h2>Trend</h2>\n<p class='legend'>{legend}</p>\n"
    yield (
        f'<svg class="trend" viewBox="0 0 {width} {_HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="{len(bars)} reports, the oldest first">'
    )
    for number, bar in enumerate(bars):
        top = float(_HIGH)
        told = ", ".join(f"{count} {name}" for name, count, _ in bar.parts)
        yield f"<g><title>{_safe(bar.label)}: {_safe(told)}</title>"
        for _, count, tone in bar.parts:
            height = _HIGH * count / most
            top -= height
            yield f'<rect class="{tone}" x="{number * 10 + 1}" y="{top:.2f}" width="8" height="{height:.2f}"/>'
        yield "</g>"
    first, last = _safe(bars[0].label), _safe(bars[-1].label)
    yield f'</svg>\n<p class="axis">{len(bars)} reports, from {first} to {last} UTC</p></section>\n'


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield '<p class="note">None.</p>\n'
        return
    head = "".join(f"<th>{_safe(name)}</th>" for name in table.header)
    yield f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n'
    for row in table.rows:
        yield f"<tr>{''.join(map(_cell, row))}</tr>\n"
    yield "</tbody></table></div>\n"


def _cell(text: str) -> str:
    if tone := _TONES.get(text):
        return f'<td><span class="badge {tone}">{_safe(text.replace("_", " ").lower())}</span></td>'
    return f'<td class="number">{_safe(text)}</td>' if _NUMBER.fullmatch(text) else f"<td>{_safe(text)}</td>"


def _detail(detail: Detail) -> Iterator[str]:
    summary = f'<b>{_safe(detail.title)}</b> <span class="badge {detail.tone}">{_safe(detail.summary)}</span>'
    if detail.table is None or not detail.table.rows:
        yield f'<div class="host">{summary}</div>\n'
        return
    yield f'<details class="host"><summary>{summary}</summary>\n'
    yield from _table(detail.table)
    yield "</details>\n"


def _safe(text: str) -> str:
    return escape(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _of_rows(telling: Telling) -> Page:
    rows = [[_plain(row.get(column)) for column in telling.columns] for row in telling.rows]
    table = Table(title="Result", header=tuple(telling.columns), rows=rows)
    return Page(title=telling.title, lead="", tables=(table,))


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
