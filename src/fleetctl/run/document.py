"""Carry out an SSM Command document on a host, step by step, as the SSM agent does.

The rules, from the agent (runpluginutil) and the user guide:

- steps run in order; a failed step does **not** stop the ones after it, unless it says `onFailure`;
- `onFailure: exit` and exit code 169 end the document as failed, `onSuccess: exit` and exit code 168 end it as it is,
  `onFailure: successAndExit` counts the failure as a success and ends it; the rest is `Skipped`;
- a `finallyStep` runs all the same;
- a step that does not fit the host is `Skipped` in schema 2.2 and `Failed` before;
- exit code 194 asks for a reboot; after it the same step runs again from its beginning. `MAX_REBOOTS` of one step are enough.

Where the agent is blind we look: a step that timed out counts as failed for `onFailure: exit` (the agent would go on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fleetctl.document.bind import BoundDocument, BoundStep, load_and_bind
from fleetctl.document.model import POWERSHELL
from fleetctl.engine.boot import RebootFailed, RebootRule
from fleetctl.engine.endings import STILL_RUNNING, STILL_RUNNING_HINT
from fleetctl.engine.reboots import Reboots
from fleetctl.engine.task import Session, StepTimedOut
from fleetctl.model import EMPTY, Command, Exit, Host, Outcome, Reason, Status
from fleetctl.run.command import ASKS_FOR_REBOOT, REBOOT_FAILED, BecomeRule
from fleetctl.run.platform import GUARDED, Platform, guard, platform_of
from fleetctl.run.steps import StepResult, outcome_of
from fleetctl.transport.protocol import ExecFailed

__all__ = ["MAX_REBOOTS", "DocumentTask", "document_task"]

# SSM agent, contracts: exit codes that steer the document.
_END_AS_SUCCESS = 168
_END_AS_FAILURE = 169
_REBOOT = {"Windows": 3010}
# A step that asks for more reboots than this will never be done.
MAX_REBOOTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTask:
    """Runs a document; one object serves all hosts.

    Attributes:
        bound: the document with its parameters (`fleetctl.document.bind.load_and_bind`).
        become: the order's word on becoming another user.
        env: more for the environment of every step (`--env`).
        cwd: entered where a step names no workingDirectory (`--cwd`).
        reboot: how to reboot a host when a step asks for it with exit code 194; None: the step has failed then.
    """

    bound: BoundDocument
    become: BecomeRule = field(default_factory=BecomeRule)
    env: Mapping[str, str] = field(default=EMPTY, repr=False)
    cwd: str | None = None
    reboot: RebootRule | None = None

    def on(self, host: Host) -> list[tuple[BoundStep, Command]]:
        """Return what would be sent to a host, step by step."""
        return [(step, self.command(step, host)) for step in self.bound.steps]

    def command(self, step: BoundStep, host: Host) -> Command:
        """Return what one step sends to a host."""
        return Command(
            script=step.script,
            interpreter=step.interpreter,
            env={"AWS_SSM_INSTANCE_ID": host.name, **self.env, **self.bound.env},
            cwd=step.working_directory or self.cwd,
            become=self.become.of(host),
        )

    @property
    def name(self) -> str:
        """SSM's DocumentName."""
        return self.bound.document.name

    @property
    def recorded(self) -> dict[str, Any]:
        """What `run.json` keeps of the order: the value of every parameter."""
        return dict(self.bound.values)

    def describe(self, host: Host) -> str:
        """Return in words and text what would be sent to a host, for `--dry-run`."""
        parts = []
        for step, command in self.on(host):
            notes = [
                f"# step {step.name}: {step.action}, with {' '.join(command.interpreter)}, {step.timeout} s at most"
            ]
            notes += [f"# as {command.become.user} by {command.become.method}"] if command.become else []
            notes += [f"# only on {step.platform}"] if step.platform else []
            notes += [f"# skipped: {step.unmet}"] if step.unmet else []
            notes += [f"# in {command.cwd}"] if command.cwd else []
            parts.append("\n".join([*notes, command.script]))
        return "\n".join(parts)

    async def __call__(self, session: Session) -> Outcome:
        """Run it."""
        return await _Walk(self, session).run()

    async def resume(self, session: Session) -> Outcome | None:
        """Go on where a controller was lost while the host rebooted; None where nobody knows how far a step has come."""
        if session.detached or self.reboot is None:
            return (
                None  # a detached step tells how it ended, and what the ledger knows of reboots is found then
            )
        walk = _Walk(self, session)
        return await walk.run() if walk.take_up() else None


def document_task(
    name: str,
    params: Sequence[str] = (),
    *,
    project: Path | None = None,
    become: BecomeRule | None = None,
    env: Mapping[str, str] = EMPTY,
    cwd: str | None = None,
    reboot: RebootRule | None = None,
) -> DocumentTask:
    """Find a document and make a task of it; everything that can be wrong is found here.

    Args:
        name: a file, a document of the project, or a built-in.
        params: each `name=value`, or `@file`.
        project: the project's root folder.
        become: the order's word on becoming another user.
        env: more for the environment of every step.
        cwd: entered where a step names no workingDirectory.
        reboot: how to reboot a host when a step asks for it; None: the step has failed then.

    Raises:
        NotFoundError: there is no such document.
        DocumentError: it is wrong, or asks for what fleetctl does not have.
        ParameterError: a value is missing, unknown or not allowed.
    """
    bound = load_and_bind(name, params, project)
    return DocumentTask(bound=bound, become=become or BecomeRule(), env=env, cwd=cwd, reboot=reboot)


class _Walk:
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
        lost = exc.started and exc.reason is Reason.CONNECTION_LOST
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
