"""What an operator can do to a run that goes on: let it drain, or cut it short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Control"]


class Control:
    """Stops one run, gently first.

    `stop()` starts no new host and lets running ones finish; `leave()` also lets go of detached jobs, which go on; `cancel()` also
    kills what runs. All may be called from a signal handler of the event loop, before the run as well as in it; calling one twice
    changes nothing.

    Attributes:
        stopping: whether `stop`, `leave` or `cancel` was called.
        leaving: whether `leave` was called.
        cancelled: whether `cancel` was called.
    """

    __slots__ = (
        "_cancel_said", "_on_cancel", "_on_leave", "_on_stop", "_stop_said", "cancelled", "leaving", "stopping",
    )  # fmt: skip

    def __init__(self) -> None:
        self.stopping = False
        self.leaving = False
        self.cancelled = False
        self._stop_said = asyncio.Event()
        self._cancel_said = asyncio.Event()
        self._on_leave: Callable[[], None] | None = None
        self._on_stop: Callable[[], None] | None = None
        self._on_cancel: Callable[[], None] | None = None

    def attach(
        self,
        *,
        on_stop: Callable[[], None],
        on_cancel: Callable[[], None],
        on_leave: Callable[[], None] | None = None,
    ) -> None:
        """Take what is to be called once on `stop`, `cancel` and `leave`; at once if that has been said already."""
        self._on_stop, self._on_cancel, self._on_leave = on_stop, on_cancel, on_leave
        if self.stopping:
            on_stop()
        if self.leaving and on_leave:
            on_leave()
        if self.cancelled:
            on_cancel()

    def detach(self) -> None:
        """Forget them: the run has ended."""
        self._on_stop = self._on_cancel = self._on_leave = None

    def stop(self) -> None:
        """Start no new host."""
        if not self.stopping:
            self.stopping = True
            self._stop_said.set()
            if self._on_stop:
                self._on_stop()

    def leave(self) -> None:
        """Start no new host, and let go of detached jobs; what is not detached may finish."""
        self.stop()
        if not self.leaving:
            self.leaving = True
            if self._on_leave:
                self._on_leave()

    def cancel(self) -> None:
        """Start no new host, and kill what runs."""
        self.stop()
        if not self.cancelled:
            self.cancelled = True
            self._cancel_said.set()
            if self._on_cancel:
                self._on_cancel()

    async def until_stopped(self) -> None:
        """Return when `stop`, `leave` or `cancel` is called; at once if one was."""
        await self._stop_said.wait()

    async def until_cancelled(self) -> None:
        """Return when `cancel` is called; at once if it was."""
        await self._cancel_said.wait()
