"""Carry out an SSM Command document on a host, step by step, as the SSM agent does.

The rules, from the agent (runpluginutil) and the user guide:

- steps run in order; a failed step does **not** stop the ones after it, unless it says `onFailure`;
- `onFailure: exit` and exit code 169 end the document as failed, `onSuccess: exit` and exit code 168 end it as it is,
  `onFailure: successAndExit` counts the failure as a success and ends it; the rest is `Skipped`;
- a `finallyStep` runs all the same;
- a step that does not fit the host is `Skipped` in schema 2.2 and `Failed` before;
- exit code 194 asks for a reboot; after it the same step runs again from its beginning. `MAX_REBOOTS` (`fleetctl.run.walk`) of one step are enough.

Where the agent is blind we look: a step that timed out counts as failed for `onFailure: exit` (the agent would go on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetctl.document.bind import BoundDocument, BoundStep, load_and_bind
from fleetctl.engine.boot import RebootRule
from fleetctl.engine.task import Session
from fleetctl.model import EMPTY, Command, Host, Outcome
from fleetctl.run.command import BecomeRule
from fleetctl.run.walk import Walk

__all__ = ["DocumentTask", "document_task"]


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
        return await Walk(self, session).run()

    async def resume(self, session: Session) -> Outcome | None:
        """Go on where a controller was lost while the host rebooted; None where nobody knows how far a step has come."""
        if session.detached or self.reboot is None:
            return (
                None  # a detached step tells how it ended, and what the ledger knows of reboots is found then
            )
        walk = Walk(self, session)
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
