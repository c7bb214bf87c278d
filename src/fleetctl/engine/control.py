"""What an operator can do to a run that goes on: let it drain, or cut it short."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

__all__ = ["Control"]


class Control:
    """Stops one run, gently first.

    `stop()` starts no new host and lets running ones finish; `cancel()` also kills what runs. Both may be called from a signal
    handler of the event loop; calling one twice changes nothing.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.cancelled = False
        self._workers: Sequence[asyncio.Task[None]] = ()

    def attach(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Take the tasks that `cancel` is to cut short."""
        self._workers = workers
        if self.cancelled:
            self._cut()

    def detach(self) -> None:
        """Forget them: the run has ended."""
        self._workers = ()

    def stop(self) -> None:
        """Start no new host."""
        self.stopping = True

    def cancel(self) -> None:
        """Start no new host, and kill what runs."""
        self.stopping = True
        if not self.cancelled:
            self.cancelled = True
            self._cut()

    def _cut(self) -> None:
        for worker in self._workers:
            worker.cancel()
