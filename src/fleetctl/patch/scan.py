"""`AWS-RunPatchBaseline` with Operation=Scan: one look at one host, which changes nothing there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.packages.collect import collect_script, managers, read_state
from fleetctl.packages.model import PackageState
from fleetctl.packages.protocol import PackageManager
from fleetctl.patch.approval import Approval, FirstSeen, no_record
from fleetctl.patch.baseline import Baseline
from fleetctl.patch.defaults import BaselineChoice, default_baseline
from fleetctl.patch.evaluate import evaluate
from fleetctl.patch.result import host_data

__all__ = ["DOCUMENT", "ScanTask"]

DOCUMENT = "AWS-RunPatchBaseline"
_STALE = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class ScanTask:
    """Scans hosts: one task for all hosts of a run.

    A host whose state cannot be known is Failed, with the reason; it is never judged by half an answer. A host that lacks
    patches has been scanned all right: it is Success, and its data say NON_COMPLIANT.

    Attributes:
        choose: which baseline a host gets.
        become: True, False, or None: as the inventory says. Everything but needrestart works for an unprivileged user.
        detail: whether the data list every package, also those that are as they should be.
        max_metadata_age: a host with package lists older than this has failed; None judges it, with a warning.
        first_seen: stands in for release dates.
    """

    managers: tuple[PackageManager, ...] = field(default_factory=managers)
    choose: BaselineChoice = default_baseline
    become: bool | None = None
    detail: bool = False
    max_metadata_age: timedelta | None = None
    first_seen: FirstSeen = no_record

    @cached_property
    def script(self) -> str:
        """What is sent to each host."""
        return collect_script(self.managers)

    def on(self, host: Host) -> Command:
        """Return what would be sent to a host."""
        become = None if self.become is False else host.become
        return Command(script=self.script, become=become or (Become() if self.become else None))

    async def __call__(self, session: Session) -> Outcome:
        """Scan one host."""
        end = await session.exec(self.on(session.host))
        outcome = session.outcome(end)
        if outcome.status is not Status.SUCCESS:
            return outcome
        # Some 30 ms of CPU: other hosts' connections go on meanwhile.
        return await asyncio.to_thread(self.judge, session.host, session.stdout(), session.stderr(), outcome)

    def judge(self, host: Host, stdout: bytes, stderr: bytes, outcome: Outcome) -> Outcome:
        """Read and evaluate what a host has printed; also what it printed long ago, from a run's folder.

        Args:
            host: whose answer it is.
            stdout: as stored.
            stderr: as stored.
            outcome: of the command; it is completed.
        """
        state = read_state(stdout, stderr, self.managers)
        if state.errors:
            return _failed(outcome, state, self.managers)
        if (too_old := self._too_old(state)) is not None:
            return _failed(outcome, replace(state, errors=(too_old,)), self.managers)
        baseline = self.choose(host, state.facts)
        if baseline is None:
            system = state.facts.pretty_name or "this host"
            return _failed(
                outcome, replace(state, errors=(f"there is no patch baseline for {system}",)), self.managers
            )
        if state.blind:
            if not Approval(baseline, now=datetime.now(UTC)).asks_for_all:
                return _failed(outcome, replace(state, errors=(state.blind,)), self.managers)
            state = replace(state, warnings=(*state.warnings, state.blind))
        return replace(outcome, data=self._judged(state, baseline, outcome, host))

    def _judged(
        self, state: PackageState, baseline: Baseline, outcome: Outcome, host: Host
    ) -> dict[str, object]:
        now = outcome.ended or datetime.now(UTC)
        result = evaluate(state, baseline, now, first_seen=self.first_seen)
        mends = tuple(f"{fault.what}; mend it with: {fault.mend}" for fault in state.faults if fault.mend)
        state = replace(state, warnings=(*state.warnings, *mends))
        age = state.metadata_age_seconds
        if age is not None and age > _STALE.total_seconds():
            state = replace(
                state, warnings=(*state.warnings, f"the package lists are {age // 86400} days old")
            )
        return host_data(
            state,
            result,
            patch_group=host.patch_group,
            started=outcome.started or now,
            ended=now,
            detail=self.detail,
        )

    def _too_old(self, state: PackageState) -> str | None:
        age = state.metadata_age_seconds
        if self.max_metadata_age is None:
            return None
        if age is None:
            return "the age of its package lists cannot be told"
        if age > self.max_metadata_age.total_seconds():
            limit = self.max_metadata_age.total_seconds() / 86400
            return f"its package lists are {age / 86400:.2g} days old, more than the {limit:g} allowed"
        return None


def _failed(outcome: Outcome, state: PackageState, managers: tuple[PackageManager, ...]) -> Outcome:
    known = bool(state.manager)
    return replace(
        outcome,
        status=Status.FAILED,
        reason=Reason.REMOTE if known else Reason.PRECONDITION,
        message="cannot be judged: " + "; ".join(state.errors),
        hint=_hint(state, managers),
    )


# Words of an error that a manager names, and what a person should do about it.
_HINTS: Final = (
    (
        "security pocket",
        "add the vendor's security suite to the host's apt sources, or find out why its lists could not be fetched",
    ),
    ("mend it there with", "mend it, and scan again"),
    (
        "cannot be told from",
        "choose a baseline that asks for every update (enable_non_security), or use the vendor's own repositories",
    ),
    ("no repository", "enable the vendor's repositories there, or register the host with its subscription"),
)


def _hint(state: PackageState, managers: tuple[PackageManager, ...]) -> str:
    text = " ".join(state.errors)
    if "package lists" in text:
        refresh = next((m.refresh for m in managers if m.name == state.manager), "apt-get update")
        return f"run {refresh} there: fleetctl run HOST --become -- {refresh}"
    if not state.manager:
        return "leave it out with --exclude, or wait for support of its package manager"
    return next(
        (hint for words, hint in _HINTS if words in text), "look at what it printed: fleetctl runs output RUN"
    )
