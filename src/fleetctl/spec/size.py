"""How much: `500MB`, `5GB`, `1.5GiB`, as people write it and as it is told to them."""

from __future__ import annotations

import re
from typing import Final

from fleetctl.errors import UsageError

__all__ = ["parse_size", "tell_size"]

_PREFIXES: Final = "KMGTP"
_FORM: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([KMGTP]?)(I?)B?)?", re.ASCII | re.IGNORECASE)
_LARGEST: Final = 1 << 60


def parse_size(text: str, *, name: str) -> int:
    """Read an amount of data.

    A number alone is bytes. `kB`, `MB`, `GB`, `TB` are powers of 1000, `KiB`, `MiB`, `GiB`, `TiB` powers of 1024; the `B` and the case of
    letters do not matter.

    Args:
        text: what was written.
        name: of the flag or setting, for the error.

    Returns:
        Bytes.

    Raises:
        UsageError: it is no size, or beyond an exbibyte.
    """
    match = _FORM.fullmatch(text.strip())
    if not match or (match[3] and not match[2]):
        raise UsageError(f"{name}: '{text}' is no size", hint="write 500MB, 5GB or 1.5GiB")
    power = _PREFIXES.index(match[2].upper()) + 1 if match[2] else 0
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** power)
    if size > _LARGEST:
        raise UsageError(f"{name}: '{text}' is more than an exbibyte", hint="write 500MB, 5GB or 1.5GiB")
    return size


def tell_size(size: int) -> str:
    """Return bytes as people read them, in powers of 1000: `812 B`, `1.5 MB`, `34 GB`."""
    number, unit = float(size), "B"
    for prefix in ("k", "M", "G", "T", "P"):
        if number < 999.5:
            break
        number, unit = number / 1000, f"{prefix}B"
    return f"{number:.0f} {unit}" if unit == "B" or number >= 9.95 else f"{number:.1f} {unit}"
