"""Whether an update that mends a CVE can be had now, and whether the host's baseline asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from fleetctl.model import Host
from fleetctl.packages.model import AvailableUpdate, AvailableVersion
from fleetctl.patch.approval import Approval, Decision
from fleetctl.patch.candidate import Candidate
from fleetctl.patch.choose import Baselines
from fleetctl.patch.cve_host import HostView, Installed
from fleetctl.patch.defaults import NoBaseline
from fleetctl.patch.first_seen import SeenBook
from fleetctl.store.first_seen import FirstSeenDates

__all__ = ["Offer", "Offers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An update that the host's repositories had when it was scanned last.

    Attributes:
        version: of the first of the packages.
        fixes: whether it is new enough; None where its version cannot be compared with the one that mends.
        approved: whether the baseline asks for it now; None where there is no baseline.
        decision: the baseline's; empty where it says nothing.
        due: when a pending one will be approved.
        held: what keeps the package back on the host; empty if nothing.
    """

    version: str
    fixes: bool | None
    approved: bool | None
    decision: str = ""
    due: datetime | None = None
    held: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it, JSON-ready."""
        optional = {
            "Decision": self.decision,
            "DueDate": self.due.isoformat() if self.due else "",
            "Held": self.held,
        }
        return {
            "Version": self.version,
            "Fixes": self.fixes,
            "Approved": self.approved,
            **{name: text for name, text in optional.items() if text},
        }


class Offers:
    """The updates of one host, by its last scan and today's baselines.

    Args:
        host: for its baseline.
        view: what is known of it.
        baselines: how hosts get theirs.
        state_folder: where first-seen dates are kept; nothing is written there.
        now: aware UTC.
    """

    def __init__(
        self, host: Host, view: HostView, *, baselines: Baselines, state_folder: Path, now: datetime
    ) -> None:
        self._host = host
        self._view = view
        self._baselines = baselines
        self._folder = state_folder
        self._now = now
        updates = view.look.state.updates if view.look is not None else ()
        self._updates = {(update.name, update.arch): update for update in updates}

    def mending(self, packages: Sequence[Installed], fixed: str) -> Offer | None:
        """Return the update that mends packages; None where there is none for any of them.

        Args:
            packages: of one source package.
            fixed: the version that mends; empty where none does yet: then every newer version might.
        """
        found = [
            offer
            for package in packages
            if (update := self._updates.get((package.name, package.arch))) is not None
            and (offer := self._offer(package, update, fixed)) is not None
        ]
        if not found:
            return None
        # The weakest of them: a library that stays behind leaves the host affected.
        return min(found, key=lambda offer: (bool(offer.fixes), bool(offer.approved), not offer.held))

    def _offer(self, package: Installed, update: AvailableUpdate, fixed: str) -> Offer | None:
        key = self._view.key
        newer = [one for one in update.versions if key(one.version) > key(package.version)]
        if not newer:
            return None
        comparable = bool(fixed) and (not self._view.by_source or package.built_as_is)
        enough = [one for one in newer if comparable and key(one.version) >= key(fixed)]
        chosen = self._best(update, enough) if enough else newer[0]
        decision = self._decision(update, chosen)
        return Offer(
            version=chosen.version,
            fixes=bool(enough) if comparable else None,
            approved=None if self._approval is None else bool(decision and decision.status.asked_for),
            decision=decision.status.value if decision else "",
            due=decision.due if decision and not decision.status.asked_for else None,
            held=update.held,
        )

    def _best(self, update: AvailableUpdate, enough: Sequence[AvailableVersion]) -> AvailableVersion:
        """Return the newest version that the baseline asks for, else the newest."""
        for version in enough:
            decision = self._decision(update, version)
            if decision is not None and decision.status.asked_for:
                return version
        return enough[0]

    def _decision(self, update: AvailableUpdate, version: AvailableVersion) -> Decision | None:
        if self._approval is None or self._view.look is None:
            return None
        facts = self._view.look.state.facts
        return self._approval.decide(Candidate.newer(update, version, facts))

    @cached_property
    def _approval(self) -> Approval | None:
        if self._view.look is None:
            return None
        state = self._view.look.state
        try:
            baseline = self._baselines(self._host, state.facts)
        except NoBaseline:
            return None
        if baseline is None:
            return None
        book = SeenBook(FirstSeenDates(self._folder, record=False))
        return Approval(baseline, now=self._now, first_seen=book.of(state, self._now))
