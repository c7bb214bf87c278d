"""What some servers get wrong, by the version that they tell."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["one_command_at_a_time"]

_DROPBEAR: Final = re.compile(r"dropbear(?:_(\d{4})\.(\d+))?")
_BROKEN, _MENDED = (2022, 82), (2024, 86)


def one_command_at_a_time(version: str) -> bool:
    """Tell whether commands must follow one another on a connection.

    dropbear closes a session that was opened and not yet asked to run anything when the process of another session ends at that
    moment; if it is asked all the same, the whole connection dies of a failed assertion (mkj/dropbear issue 321).
    """
    found = _DROPBEAR.search(version)
    if not found:
        return False
    return not found[1] or _BROKEN <= (int(found[1]), int(found[2])) < _MENDED
