"""Keep secrets out of sight: replace their values wherever bytes are kept or shown.

A secret is looked for as it is and in the forms that tools give it: base64 (also within a longer text, such as `user:password`
of an HTTP header), URL-quoted, as a JSON string, quoted for a shell, with CRLF line ends. Secrets below `SHORTEST`
characters are left alone: replacing every `1` would say more than it hides, and make output useless.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, AnyStr, Final, TypeAlias
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "SHORTEST", "Redactor", "StreamRedactor"]

_Bytes: TypeAlias = bytes  # `Redactor.bytes` hides the type where it is needed

MASK: Final = "********"
SHORTEST: Final = 4
"""Characters. Secrets shorter than this are not redacted."""

_INSIDE: Final = 8
"""_Bytes from which a secret is also found inside longer base64: shorter ones would hit by chance."""


class Redactor:
    """Replaces the values of secrets, longest first, in one pass.

    Only the forms that a text holds are put into a pattern: with a password of its own for each of hundreds of hosts, a pattern of
    all of them takes a hundred times longer, to build as to search with.

    Args:
        secrets: the values; empty and short ones are ignored. Without any, everything is handed back as it is.
    """

    __slots__ = ("_first", "_forms", "_known", "_longest", "_texts")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self._texts: set[str] = set()
        self._forms: list[_Bytes] = []  # sorted
        self._first: set[int] = set()
        self._longest = 0
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take more secrets; streams that are open look for them too from now on."""
        for secret in secrets:
            if len(secret) < SHORTEST or secret in self._known:
                continue
            self._known.add(secret)
            for text in set(_forms(secret)) - self._texts:
                form = text.encode("utf-8", "surrogateescape")
                self._texts.add(text)
                insort(self._forms, form)
                self._first.add(form[0])
                self._longest = max(self._longest, len(form))

    def __bool__(self) -> bool:
        return bool(self._forms)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._forms)} forms>"

    def text(self, text: str) -> str:
        """Return `text` with every secret replaced by `MASK`."""
        present = [form for form in self._texts if form in text]
        return re.sub(_either(present, "|"), MASK, text) if present else text

    def bytes(self, data: _Bytes) -> _Bytes:
        """Return `data` with every secret replaced by `MASK`."""
        pattern = self.within(data)
        return pattern.sub(MASK.encode(), data) if pattern else data

    def data(self, value: Any) -> Any:
        """Return JSON-ready data, of dicts and lists, with every secret in its texts and keys replaced."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value

    def stream(self) -> StreamRedactor:
        """Return a redactor for one stream of bytes that comes in pieces."""
        return StreamRedactor(self)

    def within(self, data: _Bytes) -> re.Pattern[_Bytes] | None:
        """Return a pattern of the secrets that `data` holds, or None."""
        present = [form for form in self._forms if form in data]
        return re.compile(_either(present, b"|")) if present else None

    def doubtful(self, data: _Bytes, start: int) -> int:
        """Find where the earliest secret may begin, from `start` on, that `data` does not hold the end of."""
        for at in range(max(start, len(data) - self._longest + 1), len(data)):
            if data[at] in self._first:
                tail = data[at:]
                after = bisect_right(self._forms, tail)
                if after < len(self._forms) and self._forms[after].startswith(tail):
                    return at
        return len(data)


def _either(forms: list[AnyStr], bar: AnyStr) -> AnyStr:
    """Return a pattern that finds any of these, the longest first."""
    return bar.join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))


class StreamRedactor:
    """Redacts a stream of bytes as `Redactor.bytes` would redact the whole of it, wherever it is cut.

    What may be the beginning of a secret is held back until more is known: at most the longest form less one byte.
    Made by `Redactor.stream`.
    """

    __slots__ = ("_held", "_redactor")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece, and return what can be shown of it now."""
        text, self._held = self._held + data, b""
        at, end = 0, self._redactor.doubtful(text, 0)
        pattern = self._redactor.within(text)
        parts: list[bytes] = []
        while pattern and (match := pattern.search(text, at)) and match.start() < end:
            parts += (text[at : match.start()], MASK.encode())
            at = match.end()
            if at > end:
                end = self._redactor.doubtful(text, at)
        self._held = text[end:]
        parts.append(text[at:end])
        return b"".join(parts)

    def flush(self) -> bytes:
        """Return what was held back: the stream has ended."""
        held, self._held = self._held, b""
        return self._redactor.bytes(held)


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
