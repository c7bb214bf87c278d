"""Read YAML that people write: plain data in, with the place of everything that may turn out to be wrong.

YAML 1.2 core scalars, keys as they are written (always text), duplicate keys refused, aliases and merge keys (`<<`)
followed within bounds. Places are looked up in the tree of nodes only when somebody asks: ten thousand hosts are loaded
without computing a single one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from fleetctl.errors import ConfigError, NotFoundError, Problem, ProblemsError, Where
from fleetctl.spec.compose import MOST_LEVELS, compose, explain, without_collecting
from fleetctl.spec.scalars import resolve_plain

__all__ = ["DataPath", "Document", "decode_text", "load_document", "parse_document", "read_text"]

DataPath: TypeAlias = Sequence[str | int]
Tags: TypeAlias = Mapping[str, Callable[[str], Any]]

_STANDARD: Final = "tag:yaml.org,2002:"
# A document without aliases has fewer nodes than characters; what goes far beyond is a "billion laughs".
_MOST_REPEATED: Final = 1_000_000
_YES_NO: Final = {
    word: value
    for value, names in ((True, ("yes", "on")), (False, ("no", "off")))
    for name in names
    for word in (name, name.capitalize(), name.upper())
}


class Document:
    """One YAML document.

    Attributes:
        file: its name, for messages.
        data: dicts with text keys, lists, and scalars; None where the file is empty.
        problems: what is wrong with it as YAML, where that was left to `fleetctl.spec.check`.
    """

    __slots__ = ("_index", "_root", "data", "file", "problems")

    def __init__(
        self,
        *,
        file: str,
        data: Any,
        root: Any,
        index: dict[int, dict[str, Any]] | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        self.file = file
        self.data = data
        self.problems = problems
        self._root = root
        self._index: dict[int, dict[str, Any]] = {} if index is None else index

    def with_data(self, data: Any) -> Document:
        """Return the same document with other data, whose places are still found by path."""
        return Document(file=self.file, data=data, root=self._root, index=self._index, problems=self.problems)

    def where(self, path: DataPath = (), *, key: bool = False) -> Where:
        """Return the place of the value at `path`, or of the nearest part above it that exists.

        Args:
            path: keys and list indexes from the root, such as `("hosts", "web-1", "port")`.
            key: the place of the key instead of the value's.
        """
        node = name = self._root
        for part in path:
            found = self._step(node, part)
            if found is None:
                break
            name, node = found
        chosen = name if key else node
        if chosen is None:
            return Where(self.file, 1, 1)
        mark = chosen.start_mark
        return Where(self.file, mark.line + 1, mark.column + 1)

    def written(self, path: DataPath) -> str | None:
        """Return a scalar as it stands in the file (`0755`, `1.10`), or None where there is no scalar."""
        node = self._root
        for part in path:
            found = self._step(node, part)
            if found is None:
                return None
            node = found[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def problem(
        self, message: str, path: DataPath = (), *, hint: str | None = None, key: bool = False
    ) -> Problem:
        """Return a problem with what is at `path`."""
        return Problem(message, self.where(path, key=key), hint)

    def _step(self, node: Any, part: str | int) -> tuple[Any, Any] | None:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
            return node.value[part], node.value[part]
        if isinstance(node, yaml.MappingNode) and isinstance(part, str):
            if id(node) not in self._index:
                self._index[id(node)] = _members(node)
            found: tuple[Any, Any] | None = self._index[id(node)].get(part)
            return found
        return None


def _members(node: Any, level: int = 0) -> dict[str, Any]:
    """Return key -> (key node, value node), merged mappings included, the weakest first."""
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in node.value:
        if _is_merge(key) and level < MOST_LEVELS:
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in reversed(parts):
                if isinstance(part, yaml.MappingNode):
                    merged |= _members(part, level + 1)
        elif isinstance(key, yaml.ScalarNode):
            own.setdefault(key.value, (key, value))
    return merged | own


def _is_merge(key: Any) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value == "<<" and not key.style and key.tag is None


class _Constructor:
    """Makes data of nodes, and collects what is wrong with them."""

    def __init__(self, file: str, *, tags: Tags, yes_no: bool, budget: int) -> None:
        self._file = file
        self._tags = tags
        self._yes_no = yes_no
        self._budget = budget
        self.problems: list[Problem] = []

    def value(self, node: Any, level: int = 0) -> Any:
        kind = type(node)
        if kind is yaml.ScalarNode:
            if node.tag is None:
                return self._plain(node.value) if not node.style else node.value
            return self._tagged(node)
        self._spend(node, level)
        if kind is yaml.MappingNode:
            if node.tag not in {None, f"{_STANDARD}map"}:
                self._problem(node, f"the tag {_short(node.tag)} is not supported")
            return self._mapping(node, level)
        if node.tag not in {None, f"{_STANDARD}seq"}:
            self._problem(node, f"the tag {_short(node.tag)} is not supported")
        return [self.value(item, level + 1) for item in node.value]

    def _spend(self, node: Any, level: int) -> None:
        self._budget -= 1 + len(node.value)
        if level > MOST_LEVELS or self._budget < 0:
            what = (
                "an anchor that contains itself" if level > MOST_LEVELS else "aliases multiply beyond measure"
            )
            self._problem(node, what)
            raise ProblemsError(self.problems)

    def _plain(self, text: str) -> Any:
        if self._yes_no and text in _YES_NO:
            return _YES_NO[text]
        return resolve_plain(text)

    def _mapping(self, node: Any, level: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merges = []
        for key, value in node.value:
            if type(key) is not yaml.ScalarNode:
                self._problem(key, "a key must be plain text", "quote a value that begins with { or [")
                continue
            name = key.value
            if name == "<<" and _is_merge(key):
                merges.append(value)
            elif name in result:
                first = next(mark for mark, _ in node.value if mark.value == name).start_mark
                self._problem(key, f"duplicate key '{name}', first at line {first.line + 1}")
            else:
                result[name] = self.value(value, level + 1)
        return self._merge(merges, result, level) if merges else result

    def _merge(self, merges: list[Any], own: dict[str, Any], level: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for value in merges:
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in parts:
                if not isinstance(part, yaml.MappingNode):
                    self._problem(part, "'<<' takes a map, or a list of maps")
                    continue
                self._spend(part, level)
                merged = self._mapping(part, level + 1) | merged
        return merged | own

    def _tagged(self, node: Any) -> Any:
        tag, text = node.tag, node.value
        if tag in self._tags:
            return self._tags[tag](text)
        if tag == f"{_STANDARD}str":
            return text
        value = resolve_plain(text)
        kinds = {"null": type(None), "bool": bool, "int": int, "float": float}
        kind = kinds.get(tag.removeprefix(_STANDARD))
        if kind is float and type(value) is int:
            return float(value)
        if kind is None:
            self._problem(node, f"the tag {_short(tag)} is not supported")
        elif type(value) is not kind:
            self._problem(node, f"'{text}' is not {_short(tag)}")
        return value

    def _problem(self, node: Any, message: str, hint: str | None = None) -> None:
        mark = node.start_mark
        self.problems.append(Problem(message, Where(self._file, mark.line + 1, mark.column + 1), hint))


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_STANDARD)}" if tag.startswith(_STANDARD) else tag


def parse_document(
    text: str, *, file: str, tags: Tags | None = None, yes_no: bool = False, later: bool = False
) -> Document:
    """Read YAML, or JSON, from text.

    Args:
        text: at most one document.
        file: its name, for messages.
        tags: what scalars with tags of one's own (`!vault`) become.
        yes_no: read `yes`, `no`, `on`, `off` as booleans, as YAML 1.1 does: for files that other programs own.
        later: leave duplicate keys and unknown tags in `problems`, for `check` to tell with all else that is wrong.

    Raises:
        ProblemsError: it is not YAML, or has duplicate keys or unknown tags; all that could be found.
    """
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        # JSON may be indented with tabs, which YAML does not allow; in JSON they cannot be part of a string.
        text = re.sub(r"^\t+", lambda tabs: " " * len(tabs[0]), text, flags=re.MULTILINE)
    with without_collecting():
        try:
            root = compose(text)
        except yaml.YAMLError as exc:
            raise ProblemsError([explain(exc, text, file=file)]) from exc
        maker = _Constructor(file, tags=tags or {}, yes_no=yes_no, budget=len(text) + _MOST_REPEATED)
        data = None if root is None else maker.value(root)
    if maker.problems and not later:
        raise ProblemsError(maker.problems)
    return Document(file=file, data=data, root=root, problems=tuple(maker.problems))


def read_text(path: str | Path) -> str:
    """Read a file of UTF-8 text, with or without a byte order mark.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it cannot be read, or is not text.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as exc:
        raise NotFoundError(f"there is no file {path}") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    return decode_text(data, file=str(path))


def decode_text(data: bytes, *, file: str) -> str:
    """Decode a file's content.

    Raises:
        ConfigError: it is not UTF-8; names the line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError("not UTF-8 text", where=Where(file, line), hint="save it as UTF-8") from exc


def load_document(path: str | Path, *, tags: Tags | None = None, yes_no: bool = False) -> Document:
    """Read a YAML or JSON file; see `parse_document`.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it cannot be read.
        ProblemsError: it is not YAML, or has duplicate keys or unknown tags.
    """
    return parse_document(read_text(path), file=str(path), tags=tags, yes_no=yes_no)
