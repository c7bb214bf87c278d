"""What hosts print, made safe to show: a host must not be able to drive the operator's terminal."""

from __future__ import annotations

import re
import sys

__all__ = ["is_terminal", "safe"]

# Colours (SGR) pass; everything else that begins with ESC, and the other control characters, is shown instead of obeyed. So
# are the characters that turn the direction of text (Unicode TR 9): what is shown must be what was printed.
_DANGEROUS = re.compile("(\x1b\\[[0-9;:]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_RESET = "\x1b[0m"


def safe(text: str, *, colour: bool = True) -> str:
    """Return text with control characters made visible (`^[`), but for newline, tab and colours.

    Args:
        text: what a host printed. Colours that it leaves on are turned off at its end.
        colour: whether colours pass.
    """
    shown = _DANGEROUS.sub(_show if colour else _show_all, text.replace("\r\n", "\n"))
    return shown + _RESET if "\x1b" in shown and not shown.endswith(_RESET) else shown


def _show(match: re.Match[str]) -> str:
    return match[1] or _visible(match[0])


def _show_all(match: re.Match[str]) -> str:
    return "" if match[1] else _visible(match[0])


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"^{chr(code ^ 0x40)}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def is_terminal() -> bool:
    """Tell whether results go to a person's terminal."""
    return sys.stdout.isatty()
