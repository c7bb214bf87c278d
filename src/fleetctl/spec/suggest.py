"""Guess what a person meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "near"]

_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def did_you_mean(word: str, known: Iterable[str], *, most: int = 3) -> str | None:
    """Return a hint such as `did you mean 'port'?`, or the list of what is known when nothing is near.

    Args:
        word: what was written.
        known: what could have been meant.
        most: how many near words to name at the most.
    """
    choices = list(known)
    if found := near(word, choices, most=most):
        return f"did you mean {' or '.join(repr(name) for name in found)}?"
    if not choices:
        return None
    listed = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"known: {listed}"


def near(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return what is nearest to a word, the nearest first; `web-1` is `web-001` rather than `web-10`.

    Args:
        word: what was written.
        known: what could have been meant.
        most: how many at the most.
    """
    choices = list(known)
    plain = _ZEROS.sub("", word)
    same = [name for name in choices if _ZEROS.sub("", name) == plain and name != word][:most]
    return (
        same
        or get_close_matches(word, choices, n=most, cutoff=0.6)
        or [name for name in choices if name.casefold() == word.casefold()]
    )
