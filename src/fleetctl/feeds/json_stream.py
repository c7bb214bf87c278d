"""Read a large JSON text member by member: memory holds one member at a time, never the whole.

Not ijson: it would be a dependency for one loop, and the standard library's decoder is as fast.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal, NoReturn

from fleetctl.feeds.files import Document

__all__ = ["JsonStream"]

_CHUNK: Final = 1 << 18
_MOST = 64 << 20  # characters of one member: Debian's largest, its kernel, has 10 million
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_TAIL: Final = 16  # characters: a fault nearer to the end of what was read may be that more must be read


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class JsonStream:
    """One JSON text, an object or an array.

    Args:
        document: it is read from here on.

    Attributes:
        shape: whether it is an object or an array.

    Raises:
        FeedError: it is neither.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)
        self._text = ""
        self._at = 0
        self._ended = False
        self._line, self._column = 1, 0  # of the first character of _text
        opening = self._peek()
        if opening not in {"{", "["}:
            self.fail("it is no JSON object or array")
        self.shape: Literal["object", "array"] = "object" if opening == "{" else "array"
        self._at += 1

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield an object's names and values; of an array, empty names and its items.

        Raises:
            FeedError: it is no JSON.
        """
        closing = "}" if self.shape == "object" else "]"
        if self._peek() == closing:
            self._end()
            return
        while True:
            name = ""
            if self.shape == "object":
                if self._peek() != '"':
                    self.fail("a name in double quotes is missing")
                name = self._value()
                self._expect(":")
            yield name, self._value()
            if self._peek() == closing:
                self._end()
                return
            self._expect(",")

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Say what is wrong, with line and column; by default where the reader is."""
        before = self._text[: self._at if at is None else at]
        lines = before.count("\n")
        column = len(before) - before.rfind("\n") if lines else self._column + len(before) + 1
        self.document.fail(message, line=self._line + lines, column=column)

    def _end(self) -> None:
        self._at += 1
        if self._peek():
            self.fail("there is more text behind its end")

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            self.fail(f"'{char}' is missing" if self._peek() else "it is cut short: fetch it again")
        self._at += 1

    def _peek(self) -> str:
        """Return the next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more()

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as exc:
                if self._ended or self._certain(exc):
                    cut = self._ended and exc.pos >= len(self._text) - 1
                    cut = cut or exc.msg.startswith("Unterminated")
                    self.fail("it is cut short: fetch it again" if cut else exc.msg, exc.pos)
            except RecursionError:
                self.fail("it is nested too deeply")
            except ValueError as exc:
                self.fail(str(exc)[:120])
            else:
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            self._more()

    def _certain(self, exc: json.JSONDecodeError) -> bool:
        """Tell whether more text could not mend it."""
        return not exc.msg.startswith("Unterminated") and exc.pos < len(self._text) - _TAIL

    def _more(self) -> None:
        """Drop what was read, and read on: as much again as there is, so that a long member is tried a few times only."""
        dropped = self._text[: self._at]
        if lines := dropped.count("\n"):
            self._line += lines
            self._column = len(dropped) - dropped.rfind("\n") - 1
        else:
            self._column += len(dropped)
        rest = self._text[self._at :]
        if len(rest) > _MOST:
            self._at = 0
            self._text = ""
            self.fail(f"one member of it is larger than {_MOST >> 20} MB: that is no feed")
        parts, wanted = [rest], max(_CHUNK, len(rest))
        while wanted > 0 and (text := self.document.read(_CHUNK)):
            parts.append(text)
            wanted -= len(text)
        self._ended = wanted > 0
        self._text, self._at = "".join(parts), 0
