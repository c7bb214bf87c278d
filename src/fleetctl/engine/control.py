"""What an operator can do to a run that goes on: let it drain, or cut it short."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Control"]


class Control:
    """Stops one run, gently first.

    `stop()` starts no new host and lets running ones finish; `cancel()` also kills what runs. Both may be called from a signal
    handler of the event loop, before the run as well as in it; calling one twice changes nothing.

    Attributes:
        stopping: whether `stop` or `cancel` was called.
        cancelled: whether `cancel` was called.
    """

    __slots__ = ("_on_cancel", "_on_stop", "cancelled", "stopping")

    def __init__(self) -> None:
        self.stopping = False
        self.cancelled = False
        self._on_stop: Callable[[], None] | None = None
        self._on_cancel: Callable[[], None] | None = None

    def attach(self, *, on_stop: Callable[[], None], on_cancel: Callable[[], None]) -> None:
        """Take what is to be called once on `stop` and on `cancel`; at once if that has been said already."""
        self._on_stop, self._on_cancel = on_stop, on_cancel
        if self.stopping:
            on_stop()
        if self.cancelled:
            on_cancel()

    def detach(self) -> None:
        """Forget them: the run has ended."""
        self._on_stop = self._on_cancel = None

    def stop(self) -> None:
        """Start no new host."""
        if not self.stopping:
            self.stopping = True
            if self._on_stop:
                self._on_stop()

    def cancel(self) -> None:
        """Start no new host, and kill what runs."""
        self.stop()
        if not self.cancelled:
            self.cancelled = True
            if self._on_cancel:
                self._on_cancel()
