"""Versions as rpm and pacman write them."""

from __future__ import annotations

__all__ = ["evr"]


def evr(text: str) -> tuple[str, str, str]:
    """Epoch (`0` if there is none), version and release of `[EPOCH:]VERSION-RELEASE`."""
    epoch, _, rest = text.rpartition(":")
    version, _, release = rest.rpartition("-")
    return epoch or "0", version, release
