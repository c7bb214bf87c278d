"""Turn what was written on the command line into a task, with everything that can be wrong found before any host is touched."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetctl.errors import UsageError
from fleetctl.model import EMPTY, Command, Host
from fleetctl.redact import SHORTEST
from fleetctl.run.command import BecomeRule, CommandTask, shell_line
from fleetctl.run.template import template as compile_template
from fleetctl.store.project import Project
from fleetctl.transport.shell import interpreter_of

if TYPE_CHECKING:
    from fleetctl.run.document import DocumentTask

__all__ = ["Prepared", "prepare"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An order that is ready to go.

    Attributes:
        task: what each host's share is.
        name: SSM's DocumentName.
        title: a line for the live view.
        parameters: for the record.
        secrets: values to keep out of sight.
        seconds: how long its own steps may take in all, where they say so: the run's limit must not be below.
        warnings: what is allowed but probably not meant.
    """

    task: CommandTask | DocumentTask
    name: str
    title: str
    parameters: Mapping[str, Any] = EMPTY
    secrets: frozenset[str] = frozenset()
    seconds: float | None = None
    warnings: tuple[str, ...] = ()

    def check(self, hosts: Sequence[Host]) -> None:
        """Render templates for every host, so that an undefined name stops the run before it begins.

        Raises:
            TemplateError: one of them does not render.
        """
        if isinstance(self.task, CommandTask) and self.task.render is not None:
            for host in hosts:
                self.task.render(host)

    def describe(self, host: Host) -> str:
        """Return in words and text what would be sent to a host; secrets are hidden."""
        from fleetctl.redact import Redactor  # noqa: PLC0415

        if isinstance(self.task, CommandTask):
            text = _described(self.task.on(host))
        else:
            text = f"document {self.name}\n{self.task.describe(host)}"
        return Redactor(self.secrets).text(text)


def _described(command: Command) -> str:
    lines = [f"# with {' '.join(command.interpreter)}"]
    if command.become:
        lines[0] += f", as {command.become.user} by {command.become.method}"
    lines += [f"# export {name}=..." for name in command.env]
    lines += [f"# in {command.cwd}"] if command.cwd else []
    lines += [f"# stdin from {command.stdin}"] if isinstance(command.stdin, Path) else []
    arguments = [f"# arguments: {shell_line(('set', *command.args))[4:]}"] if command.args else []
    return "\n".join([*lines, *arguments, command.script])


def prepare(
    *,
    project: Project,
    words: Sequence[str],
    script: Path | None = None,
    document: str | None = None,
    params: Sequence[str] = (),
    stdin: Path | None = None,
    env: Sequence[str] = (),
    cwd: str | None = None,
    shell: str | None = None,
    become: bool | None = None,
    become_user: str | None = None,
    template: bool = False,
    secrets: Sequence[str] = (),
) -> Prepared:
    """Make a task of the parts of a `fleetctl run`.

    Args:
        project: where documents and template variables come from.
        words: behind `--`: the command; with `script`, the script's arguments.
        script: a file, or `-` for stdin.
        document: name or file of an SSM Command document.
        params: its parameters, `key=value`.
        stdin: a file to feed to the command.
        env: `NAME=VALUE`; `NAME` alone takes the value from our own environment.
        cwd: folder on the host.
        shell: interpreter; by default the script's `#!` line, else `sh`.
        become: True, False, or None for what the inventory says.
        become_user: whom to become.
        template: the command is a Jinja2 template.
        secrets: names of environment variables (of `env`, or our own) whose values are secret.

    Raises:
        UsageError: parts that contradict one another, or are missing.
        FleetError: a document or template is wrong.
    """
    rule = BecomeRule(wanted=become, user=become_user)
    if cwd == "":
        # As in `--cwd "$FOLDER"` with a variable that is not set: the command would run elsewhere than it is meant to.
        raise UsageError("--cwd is empty", hint="name a folder, or leave --cwd out")
    values = _environment(env)
    hidden = _secrets(secrets, values)
    if document is not None:
        if words or script or stdin or shell or template:
            raise UsageError(
                "--document stands alone: no command, --script, --stdin, --shell or --template with it"
            )
        return _document(document, params, project, rule=rule, env=values, cwd=cwd, hidden=hidden)
    if params:
        raise UsageError("-p/--param belongs to --document")
    text, name, arguments = _script(words, script)
    if stdin is not None and not stdin.is_file():
        hint = (
            "a pipe can be read once, and many hosts want it: write it to a file"
            if str(stdin) == "-"
            else None
        )
        raise UsageError(f"--stdin: there is no file {stdin}", hint=hint)
    command = Command(
        script=text,
        interpreter=(shell,) if shell else interpreter_of(text) or ("sh",),
        args=arguments,
        env=values,
        cwd=cwd,
        stdin=stdin,
    )
    render = compile_template(text, name=name, variables=project.settings.vars) if template else None
    recorded: dict[str, Any] = {"commands": [text] if script is None else [str(script), *arguments]}
    recorded |= {"workingDirectory": cwd} if cwd else {}
    title = " ".join(words) if script is None else " ".join([str(script), *arguments])
    return Prepared(
        task=CommandTask(command=command, render=render, become=rule),
        name="AWS-RunShellScript",
        title=title,
        parameters=recorded,
        secrets=hidden,
    )


def _script(words: Sequence[str], script: Path | None) -> tuple[str, str, tuple[str, ...]]:
    if script is None:
        if not words or not any(word.strip() for word in words):
            raise UsageError(
                "there is nothing to run",
                hint="write the command behind --, as in: fleetctl run web -- uptime",
            )
        return shell_line(words), "command", ()
    try:
        data = sys.stdin.buffer.read() if str(script) == "-" else script.read_bytes()
    except OSError as exc:
        raise UsageError(f"--script: {script} cannot be read: {exc.strerror}") from exc
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise UsageError(
            f"--script: {script} is not UTF-8 text (byte {exc.start})",
            hint="push a program with: fleetctl copy push",
        ) from exc
    if not text.strip():
        raise UsageError(f"--script: {script} is empty")
    if "\0" in text:
        raise UsageError(f"--script: {script} holds a NUL byte: it is no script")
    return text, str(script), tuple(words)


def _secrets(names: Sequence[str], values: Mapping[str, str]) -> frozenset[str]:
    found = set()
    for name in names:
        value = values.get(name) or os.environ.get(name)
        if not value:
            raise UsageError(
                f"--secret: {name} is not set",
                hint=f"give it a value: --env {name}=... or in the environment",
            )
        if len(value) < SHORTEST:
            raise UsageError(f"--secret: the value of {name} is too short to be kept out of sight")
        found.add(value)
    return frozenset(found)


def _environment(given: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not _NAME.fullmatch(name):
            raise UsageError(f"--env: '{name}' is not a name of a variable", hint="write --env NAME=VALUE")
        if not equals:
            if name not in os.environ:
                raise UsageError(f"--env: {name} is not set here", hint=f"write --env {name}=VALUE")
            value = os.environ[name]
        if "\0" in value:
            raise UsageError(f"--env: the value of {name} holds a NUL byte")
        values[name] = value
    return values


def _document(
    document: str,
    params: Sequence[str],
    project: Project,
    *,
    rule: BecomeRule,
    env: Mapping[str, str],
    cwd: str | None,
    hidden: frozenset[str],
) -> Prepared:
    from fleetctl.run.document import document_task  # noqa: PLC0415

    task = document_task(document, list(params), project=project.root, become=rule, env=env, cwd=cwd)
    return Prepared(
        task=task,
        name=task.name,
        title=f"document {task.name}",
        parameters=task.recorded,
        secrets=hidden,
        seconds=task.bound.timeout,
        warnings=tuple(str(problem) for problem in task.bound.document.warnings),
    )
