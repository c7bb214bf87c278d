"""Guess what a person meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(word: str, known: Iterable[str], *, most: int = 3) -> str | None:
    """Return a hint such as `did you mean 'port'?`, or the list of what is known when nothing is near.

    Args:
        word: what was written.
        known: what could have been meant.
        most: how many near words to name at the most.
    """
    choices = list(known)
    near = get_close_matches(word, choices, n=most, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    if not choices:
        return None
    listed = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"known: {listed}"
