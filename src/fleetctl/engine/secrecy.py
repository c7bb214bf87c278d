"""What must not be kept or shown of a run: its order's own secrets, and every password that was given out up to now."""

from __future__ import annotations

from typing import Any

from fleetctl.engine.output import StreamFilter
from fleetctl.redact import Redactor
from fleetctl.transport.protocol import Credentials

__all__ = ["Secrecy"]


class Secrecy:
    """Takes secrets out of text, data and streams of one run.

    Args:
        secrets: values that are known from the beginning.
        credentials: asked again each time for what they have given out since.
    """

    def __init__(self, secrets: frozenset[str], credentials: Credentials) -> None:
        self._credentials = credentials
        self._redactor = Redactor(secrets)

    def redactor(self) -> Redactor:
        """Return what knows all secrets up to now."""
        self._redactor.add(self._credentials.secrets())
        return self._redactor

    def text(self, text: str) -> str:
        """Take secrets out of a message."""
        return self.redactor().text(text)

    def data(self, data: Any) -> Any:
        """Take secrets out of what a task made of output."""
        redactor = self.redactor()
        return redactor.data(data) if redactor else data

    def stream(self) -> StreamFilter | None:
        """Return what takes secrets out of a stream; None where there are none."""
        redactor = self.redactor()
        return redactor.stream() if redactor else None
