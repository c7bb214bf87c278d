"""Keep secrets out of sight: replace their values wherever bytes are kept or shown.

A secret is looked for as it is and in the forms that tools give it: base64 (also within a longer text, such as `user:password`
of an HTTP header), URL-quoted, as a JSON string, quoted for a shell, with CRLF line ends. Secrets below `SHORTEST`
characters are left alone: replacing every `1` would say more than it hides, and make output useless.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "SHORTEST", "Redactor", "StreamRedactor"]

MASK: Final = "********"
SHORTEST: Final = 4
"""Characters. Secrets shorter than this are not redacted."""

_INSIDE: Final = 8
"""Bytes from which a secret is also found inside longer base64: shorter ones would hit by chance."""


class Redactor:
    """Replaces the values of secrets, longest first, in one pass.

    Args:
        secrets: the values; empty and short ones are ignored. Without any, everything is handed back as it is.
    """

    __slots__ = ("_bytes", "_forms", "_text")

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._forms = tuple(form.encode("utf-8", "surrogateescape") for form in ordered)
        self._text = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        # Longest first in bytes, which are not characters.
        by_bytes = sorted(self._forms, key=lambda form: (-len(form), form))
        self._bytes = re.compile(b"|".join(map(re.escape, by_bytes))) if by_bytes else None

    def __bool__(self) -> bool:
        return self._text is not None

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._forms)} forms>"

    def text(self, text: str) -> str:
        """Return `text` with every secret replaced by `MASK`."""
        return self._text.sub(MASK, text) if self._text else text

    def bytes(self, data: bytes) -> bytes:
        """Return `data` with every secret replaced by `MASK`."""
        return self._bytes.sub(MASK.encode(), data) if self._bytes else data

    def stream(self) -> StreamRedactor:
        """Return a redactor for one stream of bytes that comes in pieces."""
        return StreamRedactor(self._bytes, self._forms)


class StreamRedactor:
    """Redacts a stream of bytes as `Redactor.bytes` would redact the whole of it, wherever it is cut.

    What may be the beginning of a secret is held back until more is known: at most the longest form less one byte.
    Made by `Redactor.stream`.
    """

    __slots__ = ("_first", "_forms", "_held", "_longest", "_pattern")

    def __init__(self, pattern: re.Pattern[bytes] | None, forms: tuple[bytes, ...]) -> None:
        self._pattern = pattern
        self._forms = forms
        self._longest = max(map(len, forms), default=0)
        first = b"".join(sorted({re.escape(form[:1]) for form in forms}))
        self._first = re.compile(b"[" + first + b"]") if first else None
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece, and return what can be shown of it now."""
        if self._pattern is None:
            return data
        text, self._held = self._held + data, b""
        parts: list[bytes] = []
        at, end = 0, self._doubtful(text, 0)
        while (match := self._pattern.search(text, at)) and match.start() < end:
            parts += (text[at : match.start()], MASK.encode())
            at = match.end()
            if at > end:
                end = self._doubtful(text, at)
        self._held = text[end:]
        parts.append(text[at:end])
        return b"".join(parts)

    def flush(self) -> bytes:
        """Return what was held back: the stream has ended."""
        held, self._held = self._held, b""
        return self._pattern.sub(MASK.encode(), held) if self._pattern else held

    def _doubtful(self, text: bytes, start: int) -> int:
        """Find where the earliest secret may begin that `text` does not hold the end of."""
        assert self._first is not None  # noqa: S101 - there is a pattern, hence there are forms
        for match in self._first.finditer(text, max(start, len(text) - self._longest + 1)):
            tail = text[match.start() :]
            if any(len(form) > len(tail) and form.startswith(tail) for form in self._forms):
                return match.start()
        return len(text)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield secret.replace("\r\n", "\n").replace("\n", "\r\n")
    yield quote(secret, safe="", errors="surrogateescape")
    yield quote(secret, errors="surrogateescape")
    yield quote_plus(secret, errors="surrogateescape")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield secret.replace("'", "'\\''")
    data = secret.encode("utf-8", "surrogateescape")
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        yield alphabet(data).rstrip(b"=").decode()
        if len(data) < _INSIDE:
            continue
        for offset in (1, 2):
            # The first character that holds bits of nothing but the secret, and the last.
            begin, end = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
            yield alphabet(b"\0" * offset + data)[begin:end].decode()
        yield alphabet(data)[: len(data) * 8 // 6].decode()
