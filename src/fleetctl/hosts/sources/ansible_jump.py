"""Find the jump host in options for `ssh`, as Ansible inventories write them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

__all__ = ["find_jump"]

# Options of ssh(1) that take a value, and so hide what follows them.
_WITH_VALUE: Final = frozenset("BbcDEeFIiJLlmOopQRSWw")


def find_jump(options: str) -> tuple[str | None, bool]:
    """Return the jump host that options name, and whether they say anything else.

    `-J host`, `-o ProxyJump=host`, and the old form `-o ProxyCommand="ssh -W %h:%p user@host"` are understood.

    Raises:
        ValueError: a quotation is not closed.
    """
    try:
        words = shlex.split(options)
    except ValueError as exc:
        raise ValueError(f"'{options}' cannot be read: {exc}") from exc
    jump, rest = None, False
    for option, value in _options(words):
        found = value if option == "J" else _of_setting(value) if option == "o" else None
        jump = jump or found
        rest = rest or found is None
    return jump, rest


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (letter, value); what is no option has the letter ''."""
    left = iter(words)
    for word in left:
        if not word.startswith("-") or len(word) < 2:
            yield "", word
        elif word[1] in _WITH_VALUE:
            yield word[1], word[2:] or next(left, "")
        else:
            yield word[1], ""


def _of_setting(text: str) -> str | None:
    name, _, value = re.sub(r"\s*=\s*|\s+", "=", text.strip(), count=1).partition("=")
    value = value.strip("\"' ")
    if name.lower() == "proxyjump":
        return value
    return _of_proxy_command(value) if name.lower() == "proxycommand" else None


def _of_proxy_command(command: str) -> str | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or words[0].rpartition("/")[2] != "ssh":
        return None
    user, port, places, forwards = "", "", [], False
    for option, value in _options(words[1:]):
        if option == "W":
            forwards = value == "%h:%p"
        elif option == "l":
            user = f"{value}@"
        elif option == "p":
            port = f":{value}"
        elif option == "":
            places.append(value)
        elif option not in "qAaTxo":
            return None  # a key or another configuration, which a jump host's name cannot say
    return f"{user}{places[0]}{port}" if forwards and len(places) == 1 else None
