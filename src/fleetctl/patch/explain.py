"""Explain the verdict about one package of one host: which part of the baseline decided, why not the others, since when, until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fleetctl.errors import NotFoundError
from fleetctl.model import Host
from fleetctl.packages.model import PackageState
from fleetctl.patch.approval import Approval, Decision, FirstSeen, Trace
from fleetctl.patch.baseline import Baseline
from fleetctl.patch.candidate import Candidate
from fleetctl.patch.choose import Baselines
from fleetctl.patch.defaults import NoBaseline
from fleetctl.patch.evaluate import Patch, PatchState, evaluate
from fleetctl.patch.first_seen import SeenBook
from fleetctl.patch.looks import LastLook
from fleetctl.spec.suggest import did_you_mean
from fleetctl.store.first_seen import FirstSeenDates

__all__ = ["Considered", "Explanation", "explain"]

_FINE = (PatchState.INSTALLED, PatchState.INSTALLED_OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One version, and what the baseline says about it.

    Attributes:
        repositories: where it can be had.
        decision: what the baseline says; None where it says nothing.
        traces: what each part of it says, in the order in which they count.
        since: what delays are counted from.
        dated_by: who gives that date: `vendor`, `first-seen`, or empty where nobody does.
        installed: whether it is the one on the host.
    """

    version: str
    repositories: tuple[str, ...]
    security: bool
    decision: Decision | None
    traces: tuple[Trace, ...]
    since: datetime | None
    dated_by: str
    installed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a package has the state that it has, by today's baselines.

    Attributes:
        chosen: why it is that baseline: `for the patch group 'web'`.
        versions: all newer ones, the newest first; then the installed one.
    """

    host: str
    patch: Patch
    baseline: Baseline
    chosen: str
    versions: tuple[Considered, ...]
    look: LastLook
    now: datetime


def explain(
    host: Host, name: str, *, look: LastLook, baselines: Baselines, now: datetime, state_folder: Path
) -> list[Explanation]:
    """Explain what the baselines of today say of a package, one explanation for each architecture of it.

    Args:
        host: whose package it is.
        name: of the package, or `name.arch`.
        look: what the host told.
        baselines: how hosts get theirs.
        now: aware UTC.
        state_folder: where first-seen dates are kept; nothing is written there.

    Raises:
        NotFoundError: the host cannot be judged, or has no such package.
    """
    state = look.state
    try:
        baseline, chosen = (None, "") if state.errors else baselines.chosen(host, state.facts)
    except NoBaseline as exc:
        raise NotFoundError(f"{host.name}: {exc}") from exc
    if state.errors or baseline is None:
        why = "; ".join(state.errors) or f"there is no patch baseline for {state.facts.pretty_name}"
        raise NotFoundError(
            f"run {look.run_id} could not judge {host.name}: {why}",
            hint=f"mend that, then: fleetctl patch baseline explain {host.name} {name} --scan",
        )
    book = SeenBook(FirstSeenDates(state_folder, record=False))
    first_seen = book.of(state, now)
    approval = Approval(baseline, now=now, first_seen=first_seen)
    result = evaluate(state, baseline, now, first_seen=first_seen)
    found = _about(result.patches, name, host=host.name)

    weigh = _Weigher(state, approval, first_seen)
    return [
        Explanation(
            host=host.name,
            patch=patch,
            baseline=baseline,
            chosen=chosen,
            versions=weigh.versions(patch),
            look=look,
            now=now,
        )
        for patch in found
    ]


class _Weigher:
    """Holds what is needed to say what a baseline says about each version of a package."""

    def __init__(self, state: PackageState, approval: Approval, first_seen: FirstSeen) -> None:
        self._state = state
        self._approval = approval
        self._first_seen = first_seen
        self._installed = {p.key: p for p in state.installed if not p.superseded}

    def versions(self, patch: Patch) -> tuple[Considered, ...]:
        facts, key = self._state.facts, (patch.name, patch.arch)
        told = [
            self._considered(Candidate.newer(update, version, facts))
            for update in self._state.updates
            if (update.name, update.arch) == key
            for version in update.versions
        ]
        if (package := patch.package or self._installed.get(key)) is not None:
            told.append(self._considered(Candidate.installed(package, facts)))
        return tuple(told)

    def _considered(self, candidate: Candidate) -> Considered:
        released = candidate.released()
        since = released or self._first_seen(candidate)
        return Considered(
            version=candidate.version,
            repositories=tuple(dict.fromkeys(candidate.repositories)),
            security=candidate.security,
            decision=self._approval.decide(candidate),
            traces=tuple(self._approval.trace(candidate)),
            since=since,
            dated_by="vendor" if released else "first-seen" if since else "",
            installed=candidate.present,
        )


def _about(patches: Sequence[Patch], package: str, *, host: str) -> list[Patch]:
    """Return the patches that a name is about; of a package with a state of its own, not its mere availability."""
    named = [patch for patch in patches if package in {patch.name, f"{patch.name}.{patch.arch}"}]
    if not named:
        raise NotFoundError(
            f"{package} is not installed on {host}: a baseline is about what is installed",
            hint=did_you_mean(package, sorted({patch.name for patch in patches})),
        )
    available = {(p.name, p.arch): p for p in named if p.package is None}
    own = [p for p in named if p.package is not None and not p.package.superseded]
    # An update that is there and not asked for is what people ask about, where nothing worse is the matter with the package.
    kept = [available.pop((p.name, p.arch), p) if p.state in _FINE else p for p in own]
    return kept or list(available.values()) or named[:1]
