"""What feeds tell: which versions of which packages a CVE is about, which CVEs are exploited, and how likely that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

__all__ = [
    "CVE",
    "EVERY",
    "STALE",
    "Claim",
    "Entry",
    "Event",
    "Exploited",
    "Feed",
    "Mark",
    "Ranges",
    "Score",
    "before",
    "cve_id",
    "day",
]

STALE: Final = timedelta(days=7)
"""Age at which a feed is told to be old."""

CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.ASCII)

Event: TypeAlias = tuple[str, str]
"""`introduced`, `fixed` or `last_affected`, and the version at which that happens (OSV: `events`). Version `0` is before all others."""

Ranges: TypeAlias = tuple[tuple[Event, ...], ...]

EVERY: Final[Ranges] = ((("introduced", "0"),),)
"""Every version is affected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an entry of a feed says about one package of one release of a distribution; which CVEs that is about, the entry says.

    Attributes:
        ecosystem: the distribution and its release, as OSV writes it: `Debian:12`, `Rocky Linux:9`, `Alpine:v3.20`.
        package: name of the source package where the ecosystem's feeds use these (Debian, Ubuntu, Alpine), else of either.
        ranges: of affected versions; none at all (and no versions): the package is not affected in any version.
        versions: that are affected beside those.
        undetermined: nobody knows yet.
        severity: `critical`, `high`, `medium`, `low`, `unimportant`, or empty.
        advisory: id of the vendor's notice; empty where there is none.
        note: what a reader should know, in a few words.
    """

    ecosystem: str
    package: str
    ranges: Ranges = ()
    versions: tuple[str, ...] = ()
    undetermined: bool = False
    severity: str = ""
    advisory: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploited:
    """A CVE of which it is known that somebody uses it.

    Attributes:
        added: when it was listed, `2024-11-20`.
        due: until when United States agencies must have mended it; empty if unknown.
        ransomware: it is known to be used for that.
        name: of the vulnerability.
    """

    cve: str
    added: str
    due: str = ""
    ransomware: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How likely a CVE is exploited in the next 30 days.

    Attributes:
        probability: from 0 to 1.
        percentile: share of all CVEs that are no likelier, from 0 to 1.
    """

    cve: str
    probability: float
    percentile: float


Mark: TypeAlias = Exploited | Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of a feed's file: what is added or replaced as a whole.

    Attributes:
        id: tells it from all others of the feed.
        cves: that its claims are about.
        claims: about packages; none: it says nothing of them that fleetctl can use.
        marks: what it says of CVEs wherever they are.
        dated: when it was last changed, aware UTC; None where the feed does not say.
        scope: which part of the feed it belongs to, where that is not the distribution of its claims (`v3.20/main`).
    """

    id: str
    cves: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    marks: tuple[Mark, ...] = ()
    dated: datetime | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed as it is kept.

    Attributes:
        id: of its rows.
        kind: entry point name of who read it.
        scope: which part of that kind: a distribution (`Debian`), a release's repository, or empty.
        source: name of the file it came from.
        dated: of what date its content is, aware UTC.
        dated_by: who says so: `feed`, `file` (its time of change), `user`.
        imported: when, aware UTC.
        entries: how many.
    """

    id: int
    kind: str
    scope: str
    source: str
    dated: datetime
    dated_by: str
    imported: datetime
    entries: int

    @property
    def title(self) -> str:
        """Kind and scope in one word: `osv:Debian`."""
        return f"{self.kind}:{self.scope}" if self.scope else self.kind

    def age(self, now: datetime) -> timedelta:
        """Return how old its content is; never below 0."""
        return max(timedelta(0), now - self.dated)

    def stale(self, now: datetime) -> bool:
        """Tell whether it is old enough to be warned of."""
        return self.age(now) > STALE


def before(version: str) -> Ranges:
    """Return the ranges of what is affected in all versions before one."""
    return ((("introduced", "0"), ("fixed", version)),)


def cve_id(text: str) -> str | None:
    """Return a CVE's id in capital letters; None if it is none."""
    upper = text.strip().upper()
    return upper if CVE.fullmatch(upper) else None


def day(text: str) -> datetime | None:
    """Return a date or a moment of ISO 8601 as aware UTC; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return None
