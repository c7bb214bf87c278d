"""Check that JSON has the form that a feed's makers promise; what has not is told by its path in the entry."""

from __future__ import annotations

from typing import Any

from fleetctl.feeds.model import CVE

__all__ = ["WrongShape", "cves_in", "listing", "mapping", "text"]

_SHOWN = 60


class WrongShape(Exception):  # noqa: N818 - turned into a FeedError with its place at once
    """Something in an entry is not of the form it must have."""


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return an object.

    Raises:
        WrongShape: it is none.
    """
    if not isinstance(value, dict):
        raise WrongShape(f"{what} is no object, but {_shown(value)}")
    return value


def listing(value: Any, what: str) -> list[Any]:
    """Return a list; None is an empty one.

    Raises:
        WrongShape: it is neither.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongShape(f"{what} is no list, but {_shown(value)}")
    return value


def text(value: Any, what: str) -> str:
    """Return a text that is not empty.

    Raises:
        WrongShape: it is none.
    """
    if value is None:
        raise WrongShape(f"{what} is missing")
    if not isinstance(value, str) or not value.strip():
        raise WrongShape(f"{what} is no text, but {_shown(value)}")
    return value


def cves_in(value: Any, what: str) -> list[str]:
    """Return the CVEs of a list of ids; others are left out.

    Raises:
        WrongShape: it is no list of texts.
    """
    return [id_ for item in listing(value, what) if CVE.fullmatch(id_ := text(item, what).strip())]


def _shown(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= _SHOWN else told[:_SHOWN] + "…"
