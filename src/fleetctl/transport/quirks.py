"""What some servers get wrong, by the version that they tell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

__all__ = ["Turns", "one_command_at_a_time"]

_DROPBEAR: Final = re.compile(r"dropbear(?:_(\d{4})\.(\d+))?")
_PATIENCE: Final = 1.0
"""Seconds. The danger is commands that end as others start, which are short ones; one that runs on may be what the next is about."""

_BROKEN, _MENDED = (2022, 82), (2024, 86)


def one_command_at_a_time(version: str) -> bool:
    """Tell whether commands should follow one another on a connection.

    dropbear closes a session that was opened and not yet asked to run anything when the process of another session ends at that
    moment; if it is asked all the same, the whole connection dies of a failed assertion (mkj/dropbear issue 321).
    """
    found = _DROPBEAR.search(version)
    if not found:
        return False
    return not found[1] or _BROKEN <= (int(found[1]), int(found[2])) < _MENDED


class Turns:
    """Lets the commands of a connection follow one another, where its server needs that.

    Args:
        version: what the server calls itself.
    """

    def __init__(self, version: str) -> None:
        self._lock = asyncio.Lock() if one_command_at_a_time(version) else None

    @asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """Wait for the command before, but not for one that runs long."""
        held = False
        if self._lock is not None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    held = await self._lock.acquire()
            except TimeoutError:
                held = False
        try:
            yield
        finally:
            if self._lock is not None and held:
                self._lock.release()
