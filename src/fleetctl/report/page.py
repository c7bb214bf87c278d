"""A page that people read: numbers, bars, tables and details, told apart from how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Bar", "Detail", "Page", "Table", "Tile", "Tone"]

Tone = Literal["good", "bad", "warn", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number that matters."""

    label: str
    value: str
    tone: Tone = "plain"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One moment of a trend: how many of each kind, in the order they are drawn."""

    label: str
    parts: Sequence[tuple[str, int, Tone]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a header; a cell that is a word of `tones` is coloured."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One host, folded until somebody opens it."""

    title: str
    summary: str
    tone: Tone
    table: Table | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole.

    Attributes:
        facts: what it is about: name and text.
        trend: the oldest first; empty where there is none.
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]] = ()
    tiles: Sequence[Tile] = ()
    trend: Sequence[Bar] = ()
    tables: Sequence[Table] = ()
    details: Sequence[Detail] = ()
