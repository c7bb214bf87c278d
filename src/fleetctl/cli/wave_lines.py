"""What is said of waves and gates as a run goes on: one line an event, for pipes, and above the live view."""

from __future__ import annotations

from collections import Counter

from fleetctl.engine.events import Baking, Event, GateChecked, WaveEnded, WaveStarted
from fleetctl.hosts import fold
from fleetctl.spec.duration import tell_duration

__all__ = ["clock", "wave_line"]

_LONGEST = 120


def wave_line(event: Event) -> str | None:
    """Return what to say of an event, or None where it is not about waves."""
    match event:
        case WaveStarted(number, of, hosts):
            names = fold(host.name for host in hosts)
            names = names if len(names) <= _LONGEST else names[: _LONGEST - 1] + "…"
            return f"wave {number}/{of}: {len(hosts)} host{'s' if len(hosts) != 1 else ''}: {names}"
        case WaveEnded(number, of, outcomes):
            counts = Counter(outcome.status.value for outcome in outcomes)
            told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
            return f"wave {number}/{of} ended: {told}"
        case Baking(number, seconds):
            return f"wave {number}: waiting {tell_duration(seconds)} before the next"
        case GateChecked(number, name, green, message):
            return f"wave {number}: gate {'green' if green else 'RED'}: {name}: {message}"
        case _:
            return None


def clock(seconds: float) -> str:
    """Return time that is left, as `4:32` or `1:04:32`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
