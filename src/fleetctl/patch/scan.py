"""`AWS-RunPatchBaseline` with Operation=Scan: one look at one host, which changes nothing there."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.packages.collect import collect_script, managers, read_state
from fleetctl.packages.model import PackageState
from fleetctl.packages.protocol import PackageManager
from fleetctl.patch.approval import Approval, FirstSeen, no_record
from fleetctl.patch.baseline import Baseline
from fleetctl.patch.choose import Baselines, patch_group_of
from fleetctl.patch.defaults import BaselineChoice, NoBaseline, default_baseline
from fleetctl.patch.evaluate import PatchResult, evaluate
from fleetctl.patch.first_seen import SeenBook, counts_dates
from fleetctl.patch.result import host_data
from fleetctl.store.first_seen import FirstSeenDates

__all__ = ["DOCUMENT", "Look", "ScanTask"]

DOCUMENT = "AWS-RunPatchBaseline"
_STALE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a host's packages told.

    Attributes:
        state: what was found.
        result: what the baseline says of it; None where it must not be judged.
        outcome: the invocation's, with the verdict in its data, or with why there is none.
    """

    state: PackageState
    result: PatchResult | None = None
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class ScanTask:
    """Scans hosts: one task for all hosts of a run.

    A host whose state cannot be known is Failed, with the reason; it is never judged by half an answer. A host that lacks
    patches has been scanned all right: it is Success, and its data say NON_COMPLIANT.

    Attributes:
        choose: which baseline a host gets.
        become: True, False, or None: as the inventory says. Everything but needrestart works for an unprivileged user.
        detail: whether the data list every package, also those that are as they should be.
        refresh: bring the package lists up to date first: the one thing that a scan can write; it wants root.
        max_metadata_age: a host with package lists older than this has failed; None judges it, with a warning.
        first_seen: stands in for release dates.
        seen: does the same from what other scans saw, and notes what this one sees; it comes before `first_seen`.
    """

    managers: tuple[PackageManager, ...] = field(default_factory=managers)
    choose: BaselineChoice = default_baseline
    become: bool | None = None
    detail: bool = False
    refresh: bool = False
    max_metadata_age: timedelta | None = None
    first_seen: FirstSeen = no_record
    seen: SeenBook | None = None

    @cached_property
    def script(self) -> str:
        """What is sent to each host."""
        return collect_script(self.managers, refresh=self.refresh)

    def record(self) -> dict[str, Any]:
        """Return how hosts are judged as data for `run.json`, so that a run that is resumed judges as it began."""
        choice = {"Baselines": self.choose.record()} if isinstance(self.choose, Baselines) else {}
        seen = {"FirstSeen": str(self.seen.dates.path.parent)} if self.seen else {}
        age = self.max_metadata_age
        return {
            "Become": self.become,
            "Detail": self.detail,
            "Refresh": self.refresh,
            "MaxMetadataAgeSeconds": age.total_seconds() if age is not None else None,
            **choice,
            **seen,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ScanTask:
        """Make it again.

        Raises:
            KeyError, TypeError, ValueError: it is no such record.
        """
        folder = Path(record["FirstSeen"]) if "FirstSeen" in record else None
        age = record.get("MaxMetadataAgeSeconds")
        return cls(
            become=record["Become"],
            detail=bool(record.get("Detail")),
            refresh=bool(record.get("Refresh")),
            max_metadata_age=timedelta(seconds=age) if age is not None else None,
            choose=Baselines.from_record(record["Baselines"]) if "Baselines" in record else default_baseline,
            seen=SeenBook(FirstSeenDates(folder)) if folder is not None and folder.is_dir() else None,
        )

    def on(self, host: Host) -> Command:
        """Return what would be sent to a host. Package lists are root's."""
        if self.refresh:
            return Command(script=self.script, become=self.root_on(host))
        become = None if self.become is False else host.become
        return Command(script=self.script, become=become or (Become() if self.become else None))

    @staticmethod
    def root_on(host: Host) -> Become:
        """Return how to become root on a host: packages are root's. It is dropped where root is logged in."""
        return replace(host.become, user="root") if host.become else Become()

    async def __call__(self, session: Session) -> Outcome:
        """Scan one host."""
        end = await session.exec(self.on(session.host))
        outcome = session.outcome(end)
        if outcome.status is not Status.SUCCESS:
            return outcome
        return await asyncio.get_running_loop().run_in_executor(
            self._aside,
            lambda: self.judge(session.host, session.stdout(), session.stderr(), outcome),
        )

    @cached_property
    def _aside(self) -> Executor:
        """Where answers are judged, some 30 ms of CPU each, while connections go on.

        One thread, which is made to give way ten times as often as Python would: with more, or for longer at a time, the connections of
        hundreds of hosts wait for their turn to be served until they time out.
        """
        sys.setswitchinterval(min(sys.getswitchinterval(), 0.0005))
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge")

    def judge(self, host: Host, stdout: bytes, stderr: bytes, outcome: Outcome) -> Outcome:
        """Read and evaluate what a host has printed; also what it printed long ago, from a run's folder.

        Args:
            host: whose answer it is.
            stdout: as stored.
            stderr: as stored.
            outcome: of the command; it is completed.
        """
        with _uncollected():
            return self.look(host, stdout, stderr, outcome).outcome

    def look(self, host: Host, stdout: bytes, stderr: bytes, outcome: Outcome) -> Look:
        """Read and evaluate what a host has printed, and return all of it; see `judge`."""
        state = read_state(stdout, stderr, self.managers)
        errors = state.errors or ((too_old,) if (too_old := self._too_old(state)) is not None else ())
        baseline = None
        if not errors:
            try:
                baseline = self.choose(host, state.facts)
            except NoBaseline as exc:
                errors = (str(exc),)
        if not errors and baseline is None:
            system = state.facts.pretty_name or "this host"
            errors = (f"there is no patch baseline for {system}",)
        if baseline is not None and state.blind:
            if not Approval(baseline, now=datetime.now(UTC)).asks_for_all:
                errors = (state.blind,)
            state = replace(state, warnings=(*state.warnings, state.blind))
        if errors or baseline is None:
            state = replace(state, errors=errors)
            return Look(state=state, outcome=_failed(outcome, state, self.managers))
        return self._judged(state, baseline, outcome, host)

    def _judged(self, state: PackageState, baseline: Baseline, outcome: Outcome, host: Host) -> Look:
        now = outcome.ended or datetime.now(UTC)
        first_seen = self.seen.of(state, now) if self.seen else self.first_seen
        result = evaluate(state, baseline, now, first_seen=first_seen)
        if self.seen and self.seen.dates.trouble and counts_dates(baseline):
            state = replace(state, warnings=(*state.warnings, self.seen.dates.trouble))
        mends = tuple(f"{fault.what}; mend it with: {fault.mend}" for fault in state.faults if fault.mend)
        state = replace(state, warnings=(*state.warnings, *mends))
        age = state.metadata_age_seconds
        if age is not None and age > _STALE.total_seconds():
            state = replace(
                state, warnings=(*state.warnings, f"the package lists are {age // 86400} days old")
            )
        data = host_data(
            state,
            result,
            patch_group=patch_group_of(host),
            started=outcome.started or now,
            ended=now,
            detail=self.detail,
        )
        return Look(state=state, result=result, outcome=replace(outcome, data=data))

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


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave garbage alone meanwhile: tens of thousands of small things are made that hold no cycles, and looking for some takes a quarter of it all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
    (
        "none of --baseline",
        "name a baseline for that system too (--baseline may be repeated), or leave the host out with --exclude",
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
