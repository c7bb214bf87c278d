"""Read OpenSSH client configuration files into directives, once a run (ssh_config(5))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleetctl.errors import ConfigError, Where

__all__ = ["Directive", "read_config", "split_words"]

_MOST_INCLUDES = 16  # OpenSSH: READCONF_MAX_DEPTH
_RAW = frozenset({"proxycommand", "remotecommand", "localcommand", "knownhostscommand"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One line, its keyword in lower case.

    Attributes:
        words: its arguments, unquoted; the one raw string for keywords that take a shell command.
        included: what an `Include` brings in.
    """

    keyword: str
    words: tuple[str, ...]
    where: Where
    included: tuple[Directive, ...] = ()


def split_words(text: str, *, where: Where) -> list[str]:
    """Split arguments as OpenSSH does: blanks separate, quotes of both kinds group, `#` at a word's start ends the line.

    Raises:
        ConfigError: a quote is not closed.
    """
    words: list[str] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        word, quote = "", ""
        while at < end and (quote or text[at] not in " \t"):
            char, following = text[at], text[at + 1 : at + 2]
            if char == "\\" and (following in {'"', "'", "\\"} or (not quote and following == " ")):
                word += following
                at += 1
            elif quote and char == quote:
                quote = ""
            elif not quote and char in "\"'":
                quote = char
            else:
                word += char
            at += 1
        if quote:
            raise ConfigError("a quotation is not closed", where=where)
        words.append(word)
    return words


def read_config(path: Path, *, includes_from: Path) -> tuple[Directive, ...]:
    """Read a file and all that it includes.

    Args:
        path: a file that does not exist is empty.
        includes_from: where relative `Include` patterns start: `~/.ssh` or `/etc/ssh`.

    Raises:
        ConfigError: it cannot be read, or a line cannot.
    """
    return _read(path, includes_from=includes_from, depth=0)


def _read(path: Path, *, includes_from: Path, depth: int) -> tuple[Directive, ...]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ()
    except OSError as exc:
        raise ConfigError(
            f"cannot read the SSH configuration: {exc.strerror}", where=Where(str(path))
        ) from exc
    directives: list[Directive] = []
    for number, line in enumerate(text.splitlines(), 1):
        where = Where(str(path), number)
        keyword, rest = _keyword(line)
        if not keyword:
            continue
        words = [rest] if keyword in _RAW else split_words(rest, where=where)
        if not any(words):
            raise ConfigError(f"'{keyword}' has no value", where=where)
        included: tuple[Directive, ...] = ()
        if keyword == "include":
            if depth >= _MOST_INCLUDES:
                raise ConfigError("Include is nested too deeply", where=where)
            for pattern in words:
                for found in _glob(pattern, includes_from):
                    included += _read(found, includes_from=includes_from, depth=depth + 1)
                    # What an included file leaves open (a `Host` block) ends with it.
                    included += (Directive(keyword="end-of-file", words=(), where=where),)
        directives.append(Directive(keyword=keyword, words=tuple(words), where=where, included=included))
    return tuple(directives)


def _keyword(line: str) -> tuple[str, str]:
    line = line.strip(" \t\r\n\f")
    if not line or line.startswith("#"):
        return "", ""
    end = next((at for at, char in enumerate(line) if char in " \t="), len(line))
    keyword, rest = line[:end], line[end:].lstrip(" \t")
    if rest.startswith("="):
        rest = rest[1:].lstrip(" \t")
    return keyword.strip('"').lower(), rest


def _glob(pattern: str, start: Path) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.is_absolute():
        start, path = Path(path.anchor), path.relative_to(path.anchor)
    return sorted(found for found in start.glob(str(path)) if found.is_file())
