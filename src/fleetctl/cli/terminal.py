"""What hosts print, made safe to show: a host must not be able to drive the operator's terminal."""

from __future__ import annotations

import re
import sys

__all__ = ["is_terminal", "safe"]

# Colours (SGR) pass; everything else that begins with ESC, and the other control characters, is shown instead of obeyed.
_DANGEROUS = re.compile("(\x1b\\[[0-9;:]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def safe(text: str) -> str:
    """Return text with control characters made visible (`^[`), but for newline, tab and colours."""
    return _DANGEROUS.sub(_show, text.replace("\r\n", "\n"))


def _show(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    code = ord(match[0])
    return f"^{chr(code ^ 0x40)}" if code < 0x80 else f"\\x{code:02x}"


def is_terminal() -> bool:
    """Tell whether results go to a person's terminal."""
    return sys.stdout.isatty()
