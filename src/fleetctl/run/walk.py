"""One host's way through an SSM Command document: its steps in order, and what each end makes of the rest.

The rules stand in `fleetctl.run.document`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fleetctl.document.bind import BoundStep
from fleetctl.document.model import POWERSHELL
from fleetctl.engine.boot import RebootFailed
from fleetctl.engine.endings import STILL_RUNNING, STILL_RUNNING_HINT
from fleetctl.engine.reboots import Reboots
from fleetctl.engine.task import Session, StepTimedOut
from fleetctl.model import Command, Exit, Outcome, Reason, Status
from fleetctl.run.command import ASKS_FOR_REBOOT, REBOOT_FAILED
from fleetctl.run.platform import GUARDED, Platform, guard, platform_of
from fleetctl.run.steps import StepResult, outcome_of
from fleetctl.transport.protocol import ExecFailed

if TYPE_CHECKING:
    from fleetctl.run.document import DocumentTask

__all__ = ["MAX_REBOOTS", "Walk"]

# SSM agent, contracts: exit codes that steer the document.
_END_AS_SUCCESS = 168
_END_AS_FAILURE = 169
_REBOOT = {"Windows": 3010}
# A step that asks for more reboots than this will never be done.
MAX_REBOOTS: Final = 10


class Walk:
    """One host's way through a document."""

    def __init__(self, task: DocumentTask, session: Session) -> None:
        self._task = task
        self._session = session
        self._platform = Platform(name=platform_of(session.host.platform))
        self._results: list[StepResult] = []
        self._interrupted: StepResult | None = None
        become = task.become.root_of(session.host)
        self._reboots = Reboots(session, task.reboot, become=become) if task.reboot else None

    def take_up(self) -> bool:
        """Take in how far a lost controller had come when it began a reboot; False where it was lost at another time."""
        done = self._reboots.unfinished() if self._reboots else None
        if done is None:
            return False
        try:
            steps = self._task.bound.steps
            results = [StepResult.from_note(*pair) for pair in zip(done["steps"], steps, strict=False)]
        except (KeyError, TypeError, ValueError):
            return False
        if not results or not all(isinstance(note, dict) for note in done["steps"]):
            return False
        *self._results, self._interrupted = results
        return True

    async def run(self) -> Outcome:
        """Take the steps in order until one ends the document or the host is lost."""
        leaving = next(filter(None, map(_leaves, self._results)), "")
        stopped = ""
        for step in self._task.bound.steps[len(self._results) :]:
            if stopped:
                self._results.append(StepResult(step=step, status=Status.PENDING, message=stopped))
            elif leaving and not step.finally_step:
                self._results.append(StepResult(step=step, status=Status.SKIPPED, message=leaving))
            else:
                result = await self._with_reboots(step)
                self._results.append(result)
                leaving = leaving or _leaves(result)
                stopped = f"not started: {result.message}" if result.ends_all else ""
        told = [reboot.to_json() for reboot in self._reboots.done] if self._reboots else []
        return outcome_of(self._results, self._session, document=self._task.bound.document, reboots=told)

    async def _with_reboots(self, step: BoundStep) -> StepResult:
        """Run a step, and run it again after each reboot that it asks for."""
        result = self._interrupted or await self._step(step)
        self._interrupted = None
        begun = result.started
        while result.reason is Reason.REBOOT_REQUESTED and self._reboots and self._platform.name != "Windows":
            times = result.reboots
            if times >= MAX_REBOOTS:
                return replace(
                    result,
                    details=REBOOT_FAILED,
                    reason=Reason.REBOOT_LOOP,
                    started=begun,
                    message=f"asked for a reboot again after {times} of them (exit code {result.code}): it would never end",
                    hint="the script has to see what it did before the reboot, and to end with another exit code then",
                )
            try:
                await self._reboots.reboot(done={"steps": [r.to_note() for r in (*self._results, result)]})
            except RebootFailed as exc:
                return replace(
                    result,
                    details=REBOOT_FAILED,
                    reason=exc.reason,
                    message=exc.message,
                    hint=exc.hint,
                    started=begun,
                    ended=datetime.now(UTC),
                )
            except ExecFailed as exc:
                return self._not_ended(step, begun or datetime.now(UTC), exc)
            result = replace(await self._step(step), reboots=times + 1)
        return replace(result, started=begun) if result.started else result

    async def _step(self, step: BoundStep) -> StepResult:
        started = datetime.now(UTC)
        try:
            why = step.unmet or await self._misfit(step)
            if why:
                return self._not_fitting(step, why)
            end = await self._exec(step)
            if end is None:
                return self._not_fitting(step, self._other_platform(step))
        except (ExecFailed, StepTimedOut) as exc:
            return self._not_ended(step, started, exc)
        return self._ended(step, started, end)

    def _not_ended(self, step: BoundStep, started: datetime, exc: ExecFailed | StepTimedOut) -> StepResult:
        if isinstance(exc, StepTimedOut):
            return StepResult.of(
                step,
                started,
                status=Status.TIMED_OUT if exc.ended else Status.UNKNOWN,
                details="Execution Timed Out" if exc.ended else STILL_RUNNING,
                reason=Reason.EXECUTION_TIMEOUT,
                message=str(exc),
                hint="" if exc.ended else STILL_RUNNING_HINT,
                ends_all=not exc.ended,
            )
        lost = exc.started and exc.reason in (Reason.CONNECTION_LOST, Reason.JOB_LOST)
        return StepResult.of(
            step,
            started,
            status=Status.UNKNOWN if lost else Status.FAILED,
            reason=exc.reason,
            message=exc.message,
            hint=exc.hint,
            ends_all=True,
        )

    async def _exec(self, step: BoundStep) -> Exit | None:
        """Run a step's script; None where the host turned out to be of another platform, so that nothing of it ran."""
        command = self._task.command(step, self._session.host)
        guarded = step.platform is not None and self._platform.name is None
        if guarded:
            command = guard(command, step.platform or "")
        end = await self._session.exec(command, timeout=step.timeout, step=step.name)
        if guarded and end.code == GUARDED:
            await self._look(step)
            if self._platform.name != step.platform:
                return None
        return end

    async def _misfit(self, step: BoundStep) -> str:
        """Return why the host cannot run a step, or nothing. Asks the host only where the script cannot find out itself."""
        powershell = step.action == POWERSHELL
        if self._platform.name == "Windows":
            return self._other_platform(step) or (
                "" if powershell else f"{step.action} does not run on Windows"
            )
        unknown = step.platform is not None and self._platform.name is None and not step.is_shell
        if (powershell and self._platform.pwsh is None) or unknown:
            await self._look(step)
        if self._platform.name is not None and (other := self._other_platform(step)):
            return other
        return "PowerShell (pwsh) is not installed there" if powershell and not self._platform.pwsh else ""

    def _other_platform(self, step: BoundStep) -> str:
        if step.platform in (None, self._platform.name):
            return ""
        return f"precondition: the step is for {step.platform}, the host runs {self._platform.name}"

    async def _look(self, step: BoundStep) -> None:
        """Ask the host what it is; it answers by exit code alone, so that no output is made up."""
        become = self._task.become.of(self._session.host)
        command = Command(script=Platform.QUESTION, become=become)
        end = await self._session.exec(command, timeout=60, step=step.name)
        self._platform = Platform.answered(end.code, known=self._platform.name)

    def _not_fitting(self, step: BoundStep, why: str) -> StepResult:
        skipped = self._task.bound.document.cross_platform
        return StepResult(
            step=step,
            status=Status.SKIPPED if skipped else Status.FAILED,
            reason=Reason.PRECONDITION,
            message=why if skipped else f"{why} (before schema 2.2 that is a failure)",
        )

    @property
    def _why_not(self) -> str:
        """Why what asks for a reboot does not get it."""
        if self._platform.name == "Windows":
            return "fleetctl does not reboot Windows hosts"
        return "this run does not reboot"

    def _ended(self, step: BoundStep, started: datetime, end: Exit) -> StepResult:
        code = -1 if end.code is None else end.code
        what = f"ended by signal {end.signal}" if end.signal else f"exit code {code}"
        if code == _REBOOT.get(self._platform.name or "", ASKS_FOR_REBOOT):
            return StepResult.of(
                step,
                started,
                status=Status.FAILED,
                details="Reboot Requested",
                reason=Reason.REBOOT_REQUESTED,
                message=f"asks for a reboot, and to be run again after it (exit code {code}): {self._why_not}",
                hint="reboot the host, then run the document on it again",
                code=code,
                ends_all=True,
            )
        if code in (0, _END_AS_SUCCESS):
            return StepResult.of(step, started, status=Status.SUCCESS, code=code)
        if step.on_failure == "successAndExit" and code != _END_AS_FAILURE:
            message = f"{what} counts as success: onFailure is successAndExit"
            return StepResult.of(step, started, status=Status.SUCCESS, code=code, message=message)
        reason = Reason.SIGNAL if end.signal else Reason.EXIT_CODE
        return StepResult.of(
            step, started, status=Status.FAILED, reason=reason, message=what, code=code, signal=end.signal
        )


def _leaves(result: StepResult) -> str:
    """Return why the steps after this one are skipped, or nothing."""
    step, name = result.step, result.step.name
    if not result.ran:
        return ""
    if result.code in (_END_AS_SUCCESS, _END_AS_FAILURE):
        return f"step '{name}' ended the document with exit code {result.code}"
    if result.status is Status.SUCCESS and result.code != 0:
        return f"step '{name}' failed, and onFailure is successAndExit"
    if result.status is Status.SUCCESS and step.on_success:
        return f"step '{name}' succeeded, and onSuccess is exit"
    if result.status in (Status.FAILED, Status.TIMED_OUT) and step.on_failure:
        return f"step '{name}' failed, and onFailure is {step.on_failure}"
    return ""
