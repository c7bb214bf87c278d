"""Let approval delays count on every package manager: where the vendor gives no date, the day on which fleetctl first saw the version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fleetctl.packages.model import AvailableVersion, PackageState
from fleetctl.patch.approval import FirstSeen
from fleetctl.patch.baseline import Baseline
from fleetctl.patch.candidate import Candidate
from fleetctl.store.first_seen import FirstSeenDates, Seen

__all__ = ["SeenBook", "counts_dates", "undated"]


@dataclass(frozen=True, slots=True)
class SeenBook:
    """Turns the dates of the store into what an approval asks for."""

    dates: FirstSeenDates

    def of(self, state: PackageState, now: datetime) -> FirstSeen:
        """Note what a host shows that was never seen before, and return what says when versions were first seen.

        An available version counts as seen when any repository that offers it was first seen with it. An installed one that was
        never seen while it was available has no date, and needs none: nothing waits for it.

        Args:
            state: what a host told.
            now: when it told so, aware UTC.
        """
        self.dates.note(state.manager, undated(state), now)
        known = self.dates.dates(state.manager)

        def first_seen(candidate: Candidate) -> datetime | None:
            seen = [
                known[key]
                for repository in candidate.repositories or ("",)
                if (key := (candidate.name, candidate.version, repository)) in known
            ]
            return min(seen) if seen else None if candidate.present else now

        return first_seen


def undated(state: PackageState) -> Iterator[Seen]:
    """Yield the available versions that have no date of their vendor's."""
    for update in state.updates:
        for version in update.versions:
            if not _dated(version):
                for repository in [origin.repository for origin in version.origins] or [""]:
                    yield update.name, version.version, repository


def counts_dates(baseline: Baseline) -> bool:
    """Tell whether any rule of a baseline counts days or looks at dates."""
    return any(rule.approve_after_days or rule.approve_until_date for rule in baseline.approval_rules)


def _dated(version: AvailableVersion) -> bool:
    return version.date is not None or any(advisory.issued for advisory in version.advisories)
