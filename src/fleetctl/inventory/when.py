"""Read a moment as people write it: `2026-11-20`, `2026-11-20T14:00`, `tuesday`, `yesterday`, `3d`."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final

from fleetctl.errors import UsageError
from fleetctl.spec.duration import parse_duration

__all__ = ["parse_moment"]

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_LENGTH: Final = 10  # of 2026-11-20


def parse_moment(text: str, *, name: str, now: datetime, end_of_day: bool = False) -> datetime:
    """Read a moment; without a zone it is that of this machine.

    Args:
        text: what was written. A weekday is the last one before today; a duration is so long ago.
        name: of the flag, for the error.
        now: aware.
        end_of_day: a day without a time is meant to its end.

    Raises:
        UsageError: it is no moment.
    """
    word = text.strip().lower()
    today = now.astimezone().date()
    day = None
    if word == "now":
        return now
    if word in {"today", "yesterday"}:
        day = today - timedelta(days=word == "yesterday")
    elif word in _DAYS or (len(word) == 3 and word in {name[:3] for name in _DAYS}):
        number = next(index for index, each in enumerate(_DAYS) if each.startswith(word))
        day = today - timedelta(days=(today.weekday() - number - 1) % 7 + 1)
    try:
        if day is None and len(word) == _DAY_LENGTH:
            day = datetime.fromisoformat(word).date()
        if day is not None:
            return datetime.combine(day, time.max if end_of_day else time.min).astimezone()
        if "-" in word:
            return datetime.fromisoformat(text.strip()).astimezone()
        return now - timedelta(seconds=parse_duration(word, name=name))
    except (ValueError, OverflowError, UsageError):
        raise UsageError(
            f"{name}: '{text}' is no date",
            hint="write 2026-11-20, 2026-11-20T14:00, a weekday, yesterday, or how long ago: 3d, 12h",
        ) from None
