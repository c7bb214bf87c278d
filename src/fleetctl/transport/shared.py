"""What hundreds of connections want at the same moment, and one of them is enough to find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Answers by key, each found once; failures too.

    All who wait are woken in one turn of the event loop. A lock would wake one a turn: with a hundred handshakes in each
    turn, the hundredth host that asks for the same key file would wait longer than its connect timeout. Who stops waiting
    takes the answer away from nobody.
    """

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def ready(self, key: K) -> V | None:
        """Return what was found before, or None; raise what it failed with."""
        task = self._tasks.get(key)
        return task.result() if task is not None and task.done() else None

    async def get(self, key: K, find: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the answer, looked up with `find` by the first who asks."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(find())
            task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Stop looking."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # nobody may be waiting any more
