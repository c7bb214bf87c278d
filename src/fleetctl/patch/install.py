"""Install a patch plan on a host: exactly that, or nothing; then look again, and let that decide.

    look -> the same request, the same answer as planned? -> pre-hook -> install -> post-hook -> look -> reboot -> look

Every step is a `session.exec`. In a detached run each is a job of its own, so that a controller that is lost in the middle is followed by
one that goes on where it was: what ended is collected, what runs is followed, and only what never began begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from fleetctl.engine.boot import RebootFailed, RebootRule
from fleetctl.engine.reboots import Reboots
from fleetctl.engine.task import Session
from fleetctl.model import Command, Outcome, Reason, Status
from fleetctl.packages.change import Applied, Change, Trouble, TroubleKind, removals_of
from fleetctl.packages.protocol import PackageManager
from fleetctl.packages.sections import read_sections
from fleetctl.patch.baseline import Baseline
from fleetctl.patch.choose import patch_group_of
from fleetctl.patch.drift import drift
from fleetctl.patch.evaluate import Patch, PatchResult, PatchState
from fleetctl.patch.plan import HostPlan, Plan, PlannedPatch
from fleetctl.patch.planning import baseline_digest
from fleetctl.patch.rehearsal import CannotChange, cannot_change, changer_of, look_at, simulate
from fleetctl.patch.result import host_data
from fleetctl.patch.scan import Look, ScanTask

__all__ = ["InstallTask", "RebootOption"]

RebootOption: TypeAlias = Literal["if-needed", "never", "always"]

# A look at what a hook said, in the message of an outcome.
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class InstallTask:
    """Installs what a plan says; one object serves all hosts.

    Attributes:
        plan: what to install where.
        scan: how hosts are looked at, before and after.
        reboot: `if-needed`: when the host itself then says so (SSM: RebootIfNeeded); `never` (NoReboot); `always`.
        rule: how a reboot is proved and waited for.
        pre, post: shell lines on the host before and after the installation, as root; empty: none.
        lock_seconds: how long to wait for whoever holds the package manager's lock.
    """

    plan: Plan
    scan: ScanTask = field(default_factory=ScanTask)
    reboot: RebootOption = "if-needed"
    rule: RebootRule = field(default_factory=RebootRule)
    pre: str = ""
    post: str = ""
    lock_seconds: int = 600

    async def __call__(self, session: Session) -> Outcome:
        """Install one host's share."""
        share = self.plan.of(session.host.name)
        if share is None:
            return _skipped(session, "the plan has nothing about this host")
        try:
            return await _Installation(self, session, share).run()
        except CannotChange as exc:
            return cannot_change(_skipped(session, ""), exc)


@dataclass(slots=True, kw_only=True)
class _Done:
    """What was done on a host so far.

    Attributes:
        applied: what the package manager says; None where nothing was asked of it.
        attempted: patches that it was asked for.
        warnings: what a reader should know besides.
        problem: why the host is Failed; empty where it is not.
    """

    applied: Applied | None = None
    attempted: tuple[PlannedPatch, ...] = ()
    already: tuple[PlannedPatch, ...] = ()
    reboot: Mapping[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    reason: Reason | None = None
    problem: str = ""
    hint: str = ""

    def fail(self, reason: Reason, problem: str, hint: str = "") -> None:
        """Note what went wrong first: what follows from it says less."""
        if not self.problem:
            self.reason, self.problem, self.hint = reason, problem, hint


class _Installation:
    """One host's way through an installation."""

    def __init__(self, task: InstallTask, session: Session, share: HostPlan) -> None:
        self._task = task
        self._session = session
        self._share = share
        self._become = task.scan.root_on(session.host)
        self._done = _Done()

    async def run(self) -> Outcome:
        """Install, and tell by looking again what became of it."""
        look = await look_at(self._session, self._task.scan, step="before")
        if look.result is None:
            return look.outcome
        manager = self._manager(look)
        self._note_baseline(look.result.baseline)
        if unlisted := [t for t in self._share.troubles if t.kind is TroubleKind.UNLISTED]:
            self._fail_by(unlisted)
            return self._told(look)
        self._done.already, todo = _split(self._share.patches, look, manager)
        if todo and not await self._as_planned(look, todo):
            return self._told(look)
        if todo:
            del look  # a megabyte and more for each host at work, for as long as it takes
            await self._install(manager.name, todo)
            look = await look_at(self._session, self._task.scan, step="after")
            self._miss(look, manager)
        if look.result is not None and self._wants_reboot(look):
            look = await self._reboot(look)
        return self._told(look)

    def _miss(self, look: Look, manager: PackageManager) -> None:
        """Look whether all that was asked for is there, whatever the package manager said and the baseline asks for."""
        if look.result is None:
            return
        _, missed = _split(self._done.attempted, look, manager)
        if missed:
            names = ", ".join(patch.name for patch in missed[:5])
            self._done.fail(Reason.PACKAGES, f"not installed: {names}", hint=_OUTPUT)

    def _note_baseline(self, baseline: Baseline) -> None:
        """Say where the baseline says something else than when the plan was made: a frozen plan wins over it."""
        planned, digest = self._share.baseline, self._share.baseline_digest
        if baseline.name != planned:
            told = f"its patch baseline was '{planned}' when the plan was made, and is '{baseline.name}' now"
        elif digest and digest != baseline_digest(baseline):
            told = f"its patch baseline '{planned}' has changed since the plan was made"
        else:
            return
        self._done.warnings.append(
            f"{told}: what was planned is installed, and the host is judged by the baseline of now"
        )

    def _manager(self, look: Look) -> PackageManager:
        return next(m for m in self._task.scan.managers if m.name == look.state.manager)

    async def _as_planned(self, look: Look, todo: Sequence[PlannedPatch]) -> bool:
        """Ask the package manager what it would do now, and compare."""
        wanted = tuple(patch.wanted for patch in todo)
        now = await simulate(
            self._session, self._task.scan, look, wanted, become=self._become, step="simulate"
        )
        if now.troubles:
            # Who holds the lock changes packages now. The installation waits for it, and rehearses again when it is its turn.
            if {trouble.kind for trouble in now.troubles} == {TroubleKind.LOCKED}:
                return True
            self._fail_by(now.troubles)
            return False
        lines = drift(self._share, now.changes, already=self._done.already)
        if lines:
            self._done.fail(
                Reason.PLAN_MOVED,
                f"its state moved since the plan: {'; '.join(lines[:5])}"
                + ("; ..." if len(lines) > 5 else ""),
                hint="make a new plan: fleetctl patch plan",
            )
        return not lines

    async def _install(self, manager: str, todo: tuple[PlannedPatch, ...]) -> None:
        if not await self._hook(self._task.pre, "pre-install"):
            return
        changer = changer_of(self._task.scan.managers, manager)
        script = changer.apply_script(
            tuple(patch.wanted for patch in todo),
            lock_seconds=self._task.lock_seconds,
            removals=removals_of(self._share.changes),
        )
        self._done.attempted = todo
        end = await self._session.exec(Command(script=script, become=self._become), step="install")
        printed = read_sections(self._session.stdout("install"), self._session.stderr("install"))
        applied = changer.parse_application(printed)
        self._done.applied = applied
        planned = {change.name for change in self._share.changes}
        if more := [change for change in applied.changes if change.name not in planned]:
            told = ", ".join(f"{change.name} {change.after or 'removed'}" for change in more[:5])
            self._done.warnings.append(
                f"more was changed than planned, while somebody else was at work: {told}"
            )
        if applied.troubles:
            self._fail_by(applied.troubles)
        elif not applied.ok or not end.ok:
            how = f"exit code {end.code}" if end.code is not None else f"signal {end.signal}"
            self._done.fail(Reason.PACKAGES, f"the package manager failed ({how})", hint=_OUTPUT)
        else:
            await self._hook(self._task.post, "post-install")

    async def _hook(self, script: str, name: str) -> bool:
        if not script:
            return True
        end = await self._session.exec(Command(script=script, become=self._become), step=name)
        if end.ok:
            return True
        printed = (self._session.stderr(name) or self._session.stdout(name)).decode(errors="replace")
        said = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")[:_LONGEST]
        how = f"exit code {end.code}" if end.code is not None else f"signal {end.signal}"
        why = f"the {name} hook failed ({how})" + (f": {said}" if said else "")
        self._done.fail(Reason.HOOK, why, hint=_OUTPUT)
        return False

    def _fail_by(self, troubles: Sequence[Trouble]) -> None:
        first = troubles[0]
        more = f"; {len(troubles) - 1} more" if len(troubles) > 1 else ""
        hint = f"mend it there with: {first.mend}" if first.mend else _OUTPUT
        reason = Reason.PACKAGES
        if first.kind is TroubleKind.LOCKED:
            reason, hint = Reason.PACKAGES_LOCKED, _LATER
        self._done.fail(reason, f"{first.message}{more}", hint=hint)

    def _wants_reboot(self, look: Look) -> bool:
        """Never after something went wrong: a host whose packages are half done may not come up again."""
        wanted = bool(look.state.reboot.needed)
        if self._task.reboot == "always":
            wanted = wanted or bool(self._done.attempted)
        if self._done.problem or self._task.reboot == "never" or not wanted:
            return False
        if look.state.broken:
            names = ", ".join(package.name for package in look.state.broken[:5])
            self._done.warnings.append(f"not rebooted: packages on it are half done ({names})")
            return False
        return True

    async def _reboot(self, look: Look) -> Look:
        reboots = Reboots(self._session, self._task.rule, become=self._become)
        try:
            done = await reboots.reboot(done={"installed": len(self._done.attempted)})
        except RebootFailed as exc:
            self._done.reboot = exc.facts
            self._done.fail(exc.reason, str(exc), hint=exc.hint)
            if exc.reason in _GONE:
                return look
        else:
            self._done.reboot = done.to_json()
        return await look_at(self._session, self._task.scan, step="verify")

    def _told(self, look: Look) -> Outcome:
        """Make the outcome: the verdict of the last look, and what was done."""
        done = self._done
        if look.result is None:
            return replace(look.outcome, data={"Install": self._facts()})
        result = _with_failures(look.result, done)
        state = replace(look.state, warnings=(*look.state.warnings, *done.warnings))
        now = datetime.now(UTC)
        data = host_data(
            state,
            result,
            patch_group=patch_group_of(self._session.host),
            started=self._session.started,
            ended=now,
            detail=self._task.scan.detail,
            operation="Install",
        )
        outcome = replace(look.outcome, data={**data, "Install": self._facts()}, ended=now)
        broken = [patch.name for patch in result.patches if patch.state is PatchState.FAILED]
        if not done.problem and broken and done.attempted:
            done.fail(Reason.PACKAGES, f"not properly installed: {', '.join(broken[:5])}", hint=_OUTPUT)
        if not done.problem:
            return outcome
        return replace(
            outcome, status=Status.FAILED, reason=done.reason, message=done.problem, hint=done.hint
        )

    def _facts(self) -> dict[str, Any]:
        done, applied = self._done, self._done.applied
        return {
            "PlanId": self._task.plan.plan_id,
            "RebootOption": self._task.reboot,
            "AttemptedCount": len(done.attempted),
            "AlreadyInstalledCount": len(done.already),
            "Changes": [_change(change) for change in applied.changes] if applied else [],
            "KeptFiles": list(applied.kept_files) if applied else [],
            "Troubles": [_trouble(trouble) for trouble in applied.troubles] if applied else [],
            "LockWaitSeconds": applied.waited if applied else 0.0,
            **({"Reboot": dict(done.reboot)} if done.reboot else {}),
        }


_OUTPUT = "look at what it printed: fleetctl runs output RUN HOST --step install"
_LATER = "nothing was changed; when that has ended: fleetctl runs retry RUN, or wait longer with --lock-timeout SECONDS"
_GONE = frozenset({Reason.REBOOT_NOT_BACK, Reason.REBOOT_LOOP})


def _split(
    patches: Sequence[PlannedPatch], look: Look, manager: PackageManager
) -> tuple[tuple[PlannedPatch, ...], tuple[PlannedPatch, ...]]:
    """Return what is installed already, in the planned version or a newer one, and what is still to do."""
    installed: dict[tuple[str, str], list[str]] = {}
    for package in look.state.installed:
        if not package.broken:
            installed.setdefault(package.key, []).append(package.version)
    already = []
    for patch in patches:
        wanted = manager.version_key(patch.after)
        versions = installed.get((patch.name, patch.arch), ())
        if any(manager.version_key(version) >= wanted for version in versions):
            already.append(patch)
    done = set(already)
    return tuple(already), tuple(patch for patch in patches if patch not in done)


def _with_failures(result: PatchResult, done: _Done) -> PatchResult:
    """Call what was asked for and is still missing `FAILED`, as SSM does."""
    asked = {(patch.name, patch.arch) for patch in done.attempted}

    def seen(patch: Patch) -> Patch:
        if (patch.name, patch.arch) not in asked or patch.state is not PatchState.MISSING:
            return patch
        return replace(patch, state=PatchState.FAILED, note=done.problem or "it was not installed")

    return replace(result, patches=tuple(seen(patch) for patch in result.patches))


def _change(change: Change) -> dict[str, str]:
    told = {
        "Kind": change.kind,
        "Name": change.name,
        "Arch": change.arch,
        "Before": change.before,
        "After": change.after,
    }
    return {name: value for name, value in told.items() if value}


def _trouble(trouble: Trouble) -> dict[str, Any]:
    told = {
        "Kind": trouble.kind.value,
        "Message": trouble.message,
        "Mend": trouble.mend,
        "Packages": list(trouble.packages),
    }
    return {name: value for name, value in told.items() if value}


def _skipped(session: Session, why: str) -> Outcome:
    return Outcome(
        host=session.host.name,
        status=Status.SKIPPED,
        reason=Reason.PRECONDITION,
        message=why,
        response_code=-1,
    )
