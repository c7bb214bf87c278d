"""A picture of the medians: one block of bars for each scenario, drawn as plain SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from measure import Figures

__all__ = ["draw"]

LEFT, WIDTH, BAR, GAP, HEAD = 220, 430, 18, 6, 44
OURS, THEIRS, INK, FAINT = "#1f6feb", "#8b949e", "#24292f", "#57606a"
PAGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
    'font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="fleetctl and its peers, measured">\n'
    '<rect width="100%" height="100%" fill="#ffffff"/>\n{body}</svg>\n'
)


def draw(medians: Mapping[str, Mapping[str, Figures]], *, titles: Mapping[str, str]) -> str:
    """Draw wall time and client CPU of every scenario that has peers; shorter is better."""
    body, y = "", 16
    for key, row in medians.items():
        if len(row) < 2:
            continue
        body += _text(16, y + 6, titles[key], size=14, weight="bold")
        y += HEAD - 16
        for title, values in (
            ("wall, seconds", {name: one.wall_seconds for name, one in row.items()}),
            ("client CPU, milliseconds a host", {name: one.cpu_ms_per_host for name, one in row.items()}),
        ):
            block, y = _block(title, values, y=y)
            body += block
        y += 14
    return PAGE.format(width=LEFT + WIDTH + 90, height=y + 8, body=body)


def _block(title: str, values: Mapping[str, float], *, y: int) -> tuple[str, int]:
    body = _text(16, y + 8, title, fill=FAINT)
    y += 18
    longest = max(values.values()) or 1.0
    for name, value in sorted(values.items(), key=lambda pair: pair[1]):
        colour = OURS if name.startswith("fleetctl") else THEIRS
        length = max(2, round(WIDTH * value / longest))
        body += _text(LEFT - 8, y + BAR - 5, name, anchor="end")
        body += f'<rect x="{LEFT}" y="{y}" width="{length}" height="{BAR}" rx="2" fill="{colour}"/>\n'
        body += _text(LEFT + length + 6, y + BAR - 5, f"{value:.1f}")
        y += BAR + GAP
    return body, y + 8


def _text(
    x: int,
    y: int,
    text: str,
    *,
    size: int = 12,
    weight: str = "normal",
    fill: str = INK,
    anchor: str = "start",
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>\n'
