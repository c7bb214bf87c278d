"""Names of hosts and groups: which are allowed, ranges unfolded, lists folded.

ClusterShell knows ranges (`web-[01-20].example.net`, `rack[1-4]n[1,3-5]`, `[0-10/2]`); it is imported when one is met.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["MOST_NAMES", "check_group_name", "check_host_name", "expand", "fold"]

MOST_NAMES: Final = 1_000_000
# A host's name becomes a folder of its run (`out/<name>/`), and must not mean anything in a selector.
_HOST: Final = re.compile(r"[\w:][\w.:%+~-]*")
_GROUP: Final = re.compile(r"\w[\w.:+~-]*")
_LONGEST: Final = 200  # characters; leaves room in a file name of 255 bytes for what is put behind it
_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")
_PIECE: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?:/(\d{1,9}))?)?")


def check_host_name(name: str) -> str | None:
    """Return what is wrong with a host's name, or None."""
    if not _HOST.fullmatch(name):
        return f"'{name}' is no name for a host: letters, digits and . - _ : % + ~, a letter or digit first"
    return f"a host's name has at most {_LONGEST} characters" if len(name) > _LONGEST else None


def check_group_name(name: str) -> str | None:
    """Return what is wrong with a group's name, or None."""
    if name == "all":
        return "'all' is every host; give settings to all hosts under 'defaults'"
    return (
        None
        if _GROUP.fullmatch(name)
        else f"'{name}' is no name for a group: letters, digits and . - _ : + ~"
    )


def expand(pattern: str) -> list[str]:
    """Return the names that a pattern such as `web-[01-20]` stands for; a name without a range is itself.

    Raises:
        ValueError: the range cannot be read, or names more than a million hosts.
    """
    if "[" not in pattern and "]" not in pattern:
        return [pattern]
    size = 1
    for brackets in _BRACKETS.findall(pattern):
        size *= _size(brackets, pattern)
    rest = _BRACKETS.sub("0", pattern)
    if not _HOST.fullmatch(rest):
        raise ValueError(f"'{pattern}' is no name and no range")
    if size > MOST_NAMES:
        raise ValueError(f"'{pattern}' names {size} hosts, more than {MOST_NAMES}")
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException  # noqa: PLC0415

    try:
        return [str(name) for name in NodeSet(pattern, resolver=RESOLVER_NOGROUP)]
    except NodeSetException as exc:
        raise ValueError(f"'{pattern}' is no range: {exc}") from exc


def _size(brackets: str, pattern: str) -> int:
    size = 0
    for text in brackets.split(","):
        piece = _PIECE.fullmatch(text)
        if piece is None:
            raise ValueError(f"'[{brackets}]' in '{pattern}' is no range: write [01-20], [1-9/2] or [1,3,5]")
        first, last, step = int(piece[1]), int(piece[2] or piece[1]), int(piece[3] or 1)
        if last < first or step == 0:
            raise ValueError(f"'[{brackets}]' in '{pattern}' is an empty range")
        size += (last - first) // step + 1
    return size


def fold(names: Iterable[str]) -> str:
    """Return names in the fewest words: `db,web-[01-20]`.

    Args:
        names: of hosts, in any order; the result is sorted.
    """
    listed = list(names)
    if len(listed) < 2:
        return "".join(listed)
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException  # noqa: PLC0415

    try:
        return str(NodeSet.fromlist(listed, resolver=RESOLVER_NOGROUP))
    except NodeSetException:
        return ",".join(sorted(set(listed)))
