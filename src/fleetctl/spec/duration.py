"""How long: `90`, `90s`, `5m`, `1h30m`, `90d`, as people write it and as it is told to them."""

from __future__ import annotations

import re
from typing import Final

from fleetctl.errors import UsageError

__all__ = ["parse_duration", "tell_duration"]

_UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_NUMBER: Final = r"\d{1,9}(?:\.\d{1,6})?"
_FORM: Final = re.compile(
    " ?".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _UNITS), re.ASCII
)  # the largest unit first, each once at the most
_BARE: Final = re.compile(_NUMBER, re.ASCII)
_LONGEST: Final = 3650 * 86_400


def parse_duration(text: str, *, name: str) -> float:
    """Read a duration.

    A number alone is seconds. Units are `s`, `m` (minutes), `h`, `d` and `w`, the largest first: `1h30m`, `1d 12h`, `1.5h`.

    Args:
        text: what was written.
        name: of the flag or setting, for the error.

    Returns:
        Seconds, from 0 to ten years.

    Raises:
        UsageError: it is no duration, or longer than ten years.
    """
    bare = text.strip()
    if _BARE.fullmatch(bare):
        seconds = float(bare)
    elif bare and (match := _FORM.fullmatch(bare)):
        seconds = sum(float(match[unit] or 0) * size for unit, size in _UNITS.items())
    else:
        raise UsageError(
            f"{name}: '{text}' is no duration", hint="write 90 or 90s (seconds), 5m, 1h30m, 2d or 4w"
        )
    if seconds > _LONGEST:
        raise UsageError(f"{name}: '{text}' is longer than ten years", hint="write at most 3650d")
    return seconds


def tell_duration(seconds: float) -> str:
    """Return a duration as `parse_duration` reads it, in the two largest units that say something: `1h30m`, `5m`, `0.5s`."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    rest, parts = round(seconds), []
    for unit, size in _UNITS.items():
        if unit == "w":
            continue  # nobody counts a bake in weeks
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
        elif parts:
            break
    return "".join(parts[:2])
