"""Compose YAML text into PyYAML's nodes, in C where it can be, and say in people's words why it cannot be done."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import yaml

from fleetctl.errors import Problem, Where

__all__ = ["MOST_LEVELS", "compose", "explain", "without_collecting"]

# libyaml's composer recurses in C without a limit: a kilobyte of `[` would be a segmentation fault.
MOST_LEVELS: Final = 100


@contextmanager
def without_collecting() -> Iterator[None]:
    """Leave the cyclic garbage collector alone meanwhile.

    Nodes are many, all alive and without cycles: walking them again and again made loading four times slower.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _OwnResolver:
    """Leaves plain scalars without a tag (they are resolved when they are needed), and counts levels."""

    def __init__(self) -> None:
        self._level = 0

    def resolve(self, _kind: Any, _value: Any, _implicit: Any) -> None:
        return None

    def descend_resolver(self, current_node: Any, _index: Any) -> None:
        self._level += 1
        if self._level > MOST_LEVELS:
            raise yaml.composer.ComposerError(
                None, None, f"nested more than {MOST_LEVELS} levels deep", current_node.start_mark
            )

    def ascend_resolver(self) -> None:
        self._level -= 1


def _composer(text: str) -> Any:
    return _in_c(text) if yaml.__with_libyaml__ else _in_python(text)


def _in_c(text: str) -> Any:
    from yaml.cyaml import CParser  # type: ignore[attr-defined] # noqa: PLC0415 - absent without libyaml

    class InC(_OwnResolver, CParser):
        def __init__(self, text: str) -> None:
            _OwnResolver.__init__(self)
            CParser.__init__(self, text)

    return InC(text)


def _in_python(text: str) -> Any:
    from yaml.composer import Composer  # noqa: PLC0415 - only where PyYAML was built without libyaml
    from yaml.parser import Parser  # noqa: PLC0415
    from yaml.reader import Reader  # noqa: PLC0415
    from yaml.scanner import Scanner  # noqa: PLC0415

    class InPython(Reader, Scanner, Parser, _OwnResolver, Composer):
        def __init__(self, text: str) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)
            _OwnResolver.__init__(self)
            Composer.__init__(self)

    return InPython(text)


def compose(text: str) -> Any:
    """Return the root node of the one document in `text`, or None where there is none.

    Raises:
        yaml.YAMLError: it is not YAML; `explain` says why.
    """
    composer = _composer(text)
    try:
        return composer.get_single_node()
    finally:
        composer.dispose()


def explain(error: yaml.YAMLError, text: str, *, file: str) -> Problem:
    """Turn PyYAML's error into a problem with its place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        shown = f"#x{error.character:04x}" if isinstance(error.character, int) else repr(error.character)
        return Problem(f"not YAML: character {shown} is not allowed", Where(file, line, column))
    if mark is None or not isinstance(error, yaml.MarkedYAMLError):
        return Problem(f"not YAML: {error}", Where(file))
    where = Where(file, mark.line + 1, mark.column + 1)
    if (error.problem or "") == "but found another document":
        return Problem("more than one YAML document", where, "keep one, and take the line '---' out")
    what, hint = _say(error, _character(text, mark))
    return Problem(f"not YAML: {what}", where, hint)


_IN_OTHER_WORDS: Final[dict[str, tuple[str, str | None]]] = {
    "mapping values are not allowed": (
        "a second ': ' on the line, or wrong indentation",
        "put quotes round a value that holds ': '",
    ),
    "found duplicate anchor": ("the same anchor twice", None),
    "second occurrence": ("the same anchor twice", None),
}


def _say(error: yaml.MarkedYAMLError, char: str) -> tuple[str, str | None]:
    problem = error.problem or "cannot be read"
    for begin, words in _IN_OTHER_WORDS.items():
        if problem.startswith(begin):
            return words
    if "cannot start any token" in problem:
        if char == "\t":
            return "a tab indents the line", "indent with spaces"
        return f"{char!r} cannot begin a value", f"put quotes round the value that begins with {char!r}"
    if problem == "did not find expected node content" and not char:
        return "the file ends inside brackets that are not closed", None
    context, begun = (error.context or "").strip(), error.context_mark
    since = f" that begins at line {begun.line + 1}" if begun is not None and context else ""
    return f"{problem} {context}{since}".strip(), None


def _character(text: str, mark: Any) -> str:
    lines = text.split("\n", mark.line + 1)
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[mark.column : mark.column + 1]
