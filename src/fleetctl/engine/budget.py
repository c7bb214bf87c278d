"""Numbers and percentages of hosts: how many at once, and how many may go wrong.

The rule is SSM's, where the AWS documents agree with one another: a concurrency percentage is max(1, floor), an error
budget is N or floor(percent of targets); new hosts stop starting when errors **exceed** the budget, hosts in flight finish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleetctl.errors import BudgetError

__all__ = ["Limits", "Quota"]

_FORM = re.compile(r"(?P<number>\d{1,9})(?P<percent>%?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quota:
    """`N` hosts, or `P%` of them. Out of range is refused, never clamped."""

    number: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str, *, name: str, least: int = 0) -> Quota:
        """Read `12` or `25%`.

        Args:
            text: what was written.
            name: of the flag or setting, for the error.
            least: the smallest number allowed; a percentage is 0-100 (1-100 where `least` is above 0).

        Raises:
            BudgetError: it is neither, or out of range.
        """
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise BudgetError(
                f"{name}: '{text}' is neither a number nor a percentage", hint="write 10 or 10%"
            )
        number, percent = int(match["number"]), bool(match["percent"])
        if percent and number > 100:
            raise BudgetError(
                f"{name}: '{text}' is more than 100%", hint="write a percentage from 0% to 100%"
            )
        if number < least:
            raise BudgetError(
                f"{name}: '{text}' is too small", hint=f"write at least {least}{'%' if percent else ''}"
            )
        return cls(number, percent)

    def of(self, total: int, *, least: int = 0) -> int:
        """Return how many of `total` hosts that is, rounded down, and at least `least`."""
        return max(least, self.number * total // 100 if self.percent else self.number)

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast, how long, and how much may go wrong.

    Attributes:
        max_concurrency: hosts worked on at once.
        max_errors: failed, timed out and unknown hosts after which no new host starts, when exceeded.
        max_unreachable: the same for unreachable hosts, counted apart.
        connect_concurrency: connections being opened at once (a handshake costs both sides far more CPU than a session).
        connect_attempts: how often connecting is tried where the failure may pass; never repeated once work started.
        timeout: seconds for one host's work, connecting not counted.
        connect_timeout: seconds for one host to connect and log in.
    """

    max_concurrency: Quota = Quota(200)
    max_errors: Quota = Quota(100, percent=True)
    max_unreachable: Quota = Quota(100, percent=True)
    connect_concurrency: int = 64
    connect_attempts: int = 3
    timeout: float = 3600.0
    connect_timeout: float = 10.0
