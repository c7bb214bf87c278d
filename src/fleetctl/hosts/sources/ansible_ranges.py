"""Ansible's host patterns: `web[01:20].example.net:2222`, `db-[a:f]`.

Source of the rules: https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html, "Adding ranges of hosts".
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from itertools import product
from math import prod

from fleetctl.hosts.names import MOST_NAMES

__all__ = ["expand_ansible", "split_port"]

_RANGE = re.compile(r"\[([0-9A-Za-z]*):([0-9A-Za-z]+)(?::([0-9]{1,9}))?\]")
_LETTERS = string.ascii_letters


def split_port(pattern: str) -> tuple[str, int | None]:
    """Split `host:2222` and `[2001:db8::1]:22`; a bare IPv6 address has no port.

    Raises:
        ValueError: the port is out of range.
    """
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\](?::(\d+))?", pattern)
    if bracketed and not _RANGE.fullmatch(pattern):
        return bracketed[1], _port(bracketed[2], pattern)
    name, colon, port = pattern.rpartition(":")
    if colon and port.isdecimal() and ":" not in _RANGE.sub("", name):
        return name, _port(port, pattern)
    return pattern, None


def _port(text: str | None, pattern: str) -> int | None:
    if text is None:
        return None
    if not 0 < int(text[:9]) < 65536:
        raise ValueError(f"'{pattern}': the port is not between 1 and 65535")
    return int(text)


def expand_ansible(pattern: str) -> list[str]:
    """Return the names that a pattern stands for.

    Raises:
        ValueError: a range that cannot be read, or too many names.
    """
    if "[" not in pattern:
        return [pattern]
    texts = _RANGE.split(pattern)[:: _RANGE.groups + 1]
    if any("[" in text or "]" in text for text in texts):
        raise ValueError(f"'{pattern}' is no range: Ansible writes [01:20] or [a:f]")
    ranges = [_range(*found.groups(), pattern=pattern) for found in _RANGE.finditer(pattern)]
    if prod(len(numbers) for numbers, _ in ranges) > MOST_NAMES:
        raise ValueError(f"'{pattern}' names more than {MOST_NAMES} hosts")
    choices = [[show(number) for number in numbers] for numbers, show in ranges]
    return [
        "".join(text + value for text, value in zip(texts, (*values, ""), strict=True))
        for values in product(*choices)
    ]


def _range(first: str, last: str, step: str | None, *, pattern: str) -> tuple[range, Callable[[int], str]]:
    """Return the numbers of a range, and how each is written."""
    by = int(step or 1)
    show: Callable[[int], str] = str
    if (not first or first.isdecimal()) and last.isdecimal() and len(last) < 10 and by:
        if first.startswith("0") and len(first) > 1:
            if len(first) != len(last):
                raise ValueError(f"'{pattern}': both ends of a range with leading zeros must be equally long")
            show = f"{{:0{len(first)}}}".format
        numbers = range(int(first or 0), int(last) + 1, by)
    elif len(first) == len(last) == 1 and first in _LETTERS and last in _LETTERS and by:
        numbers, show = range(_LETTERS.index(first), _LETTERS.index(last) + 1, by), _LETTERS.__getitem__
    else:
        raise ValueError(f"'{pattern}' is no range: Ansible writes [01:20] or [a:f]")
    if not numbers:
        raise ValueError(f"'{pattern}' is an empty range")
    return numbers, show
