"""Hosts that an OpenSSH client configuration names (ssh_config(5)).

The names are what counts: how a host of the user's own `~/.ssh/config` is reached is left to the transport, which reads
that file itself, `Match` and all. Other files the transport does not know; of these the address, port, user, key and jump
host are taken from their `Host` blocks, the first value found as ssh does. `Match` blocks other than `Match all` are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import InventoryError, NotFoundError, Problem, ProblemsError, Where
from fleetctl.hosts.declared import Declared, HostEntry, Origin, Settings
from fleetctl.hosts.names import check_host_name

__all__ = ["SshConfig"]

_MOST_INCLUDES: Final = 16  # OpenSSH: READCONF_MAX_DEPTH
_WORD: Final = re.compile(r'"((?:\\.|[^"\\])*)"|((?:\\.|[^\s"\\])+)')
_COMMENT: Final = re.compile(r"(^|\s)#.*")
_KEYWORDS: Final = frozenset({"hostname", "port", "user", "identityfile", "proxyjump"})


class SshConfig:
    """`ssh_config: FILE`: every `Host` without wildcards, `Include` followed."""

    def read(self, argument: Any, origin: Origin) -> Declared:
        """Return the hosts that it names.

        Raises:
            NotFoundError: there is no such file.
            InventoryError: it is no path, or cannot be read.
            ProblemsError: a host's values cannot be used.
        """
        if not isinstance(argument, str) or not argument:
            raise InventoryError("'ssh_config' takes the path of a file", where=origin.where)
        path = origin.folder / Path(argument).expanduser()
        if not path.is_file():
            raise NotFoundError(f"there is no SSH configuration {path}", where=origin.where)
        blocks = list(_blocks(_lines(path, depth=0)))
        own = _is_users(path)
        declared, problems = Declared(file=str(path)), list[Problem]()
        for name, where in _names(blocks).items():
            try:
                settings = Settings() if own else Settings(values=_values(name, blocks))
            except ValueError as exc:
                problems.append(Problem(f"{name}: {exc}", where))
                continue
            declared.hosts.append(HostEntry(name=name, where=where, settings=settings))
        if problems:
            raise ProblemsError(problems)
        return declared


def _is_users(path: Path) -> bool:
    try:
        return path.samefile(Path.home() / ".ssh" / "config")
    except (OSError, RuntimeError):
        return False


def _lines(path: Path, *, depth: int) -> Iterator[tuple[str, list[str], Where]]:
    """Yield (keyword in lower case, words, place), files that are included in their place."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise InventoryError(f"{path} cannot be read: {exc.strerror}") from exc
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        keyword, _, rest = re.sub(r"\s*=\s*|\s+", " ", line, count=1).partition(" ")
        words = [quoted or bare for quoted, bare in _WORD.findall(_COMMENT.sub("", rest))]
        where = Where(str(path), number)
        if keyword.lower() != "include":
            yield keyword.lower(), words, where
            continue
        if depth >= _MOST_INCLUDES:
            raise InventoryError("Include is nested too deeply", where=where)
        for pattern in words:
            for included in _included(pattern):
                yield "begin-of-file", [], where
                yield from _lines(included, depth=depth + 1)
                yield "end-of-file", [], where


def _included(pattern: str) -> list[Path]:
    """Return the files of an `Include`; relative ones are below `~/.ssh`, wherever the file itself is."""
    path = Path(pattern).expanduser()
    start = Path.home() / ".ssh"
    if path.is_absolute():
        start, path = Path(path.anchor), path.relative_to(path.anchor)
    return sorted(found for found in start.glob(str(path)) if found.is_file())


_Block = tuple[list[str], dict[str, list[str]], Where]


def _blocks(lines: Iterator[tuple[str, list[str], Where]]) -> Iterator[_Block]:
    """Yield (patterns, first values, place); no patterns means that nothing here is known to apply."""
    patterns: list[str] = ["*"]
    outside: list[list[str]] = []
    values: dict[str, list[str]] = {}
    where = Where("")
    for keyword, words, place in lines:
        if keyword in _KEYWORDS and words:
            values.setdefault(keyword, []).append(words[0])
        elif keyword in {"host", "match", "begin-of-file", "end-of-file"}:
            yield patterns, values, where
            values, where = {}, place
            if keyword == "host":
                patterns = words
            elif keyword == "match":
                patterns = ["*"] if [word.lower() for word in words] == ["all"] else []
            elif keyword == "begin-of-file":
                outside.append(patterns)
            else:
                # A `Host` block that an included file leaves open ends with it.
                patterns = outside.pop()
    yield patterns, values, where


def _names(blocks: list[_Block]) -> dict[str, Where]:
    names: dict[str, Where] = {}
    for patterns, _, where in blocks:
        for pattern in patterns:
            if not set(pattern) & set("*?!") and check_host_name(pattern) is None:
                names.setdefault(pattern, where)
    return names


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(translate(text.replace("[", "[[]")))


def _applies(patterns: list[str], name: str) -> bool:
    if any(_pattern(item[1:]).match(name) for item in patterns if item.startswith("!")):
        return False
    return any(_pattern(item).match(name) for item in patterns if not item.startswith("!"))


def _values(name: str, blocks: list[_Block]) -> dict[str, Any]:
    first: dict[str, str] = {}
    keys: list[str] = []
    for patterns, values, _ in blocks:
        if _applies(patterns, name):
            for keyword, words in values.items():
                first.setdefault(keyword, words[0])
            keys += values.get("identityfile", [])
    found = {"user": first.get("user"), "jump": first.get("proxyjump")}
    found["address"] = first.get("hostname", "").replace("%h", name).replace("%%", "%") or None
    said: dict[str, Any] = {key: value for key, value in found.items() if value}
    if "port" in first:
        if not first["port"].isdecimal() or not 0 < int(first["port"][:9]) < 65536:
            raise ValueError(f"'{first['port']}' is no port")
        said["port"] = int(first["port"])
    plain = tuple(key for key in keys if "%" not in key and key.lower() != "none")
    return said | ({"identity_file": plain} if plain else {})
