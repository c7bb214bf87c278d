"""Turn what was written on the command line into a task, with everything that can be wrong found before any host is touched."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetctl.errors import UsageError
from fleetctl.model import EMPTY, Command, Host
from fleetctl.redact import SHORTEST
from fleetctl.run.command import BecomeRule, CommandTask, shell_line
from fleetctl.run.template import template as compile_template
from fleetctl.run.work import command_work, document_work
from fleetctl.store.project import Project
from fleetctl.transport.shell import interpreter_of

if TYPE_CHECKING:
    from fleetctl.engine.boot import RebootRule
    from fleetctl.engine.budget import Limits
    from fleetctl.engine.work import Work
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
        after: how long a reboot may take beyond that.
        warnings: what is allowed but probably not meant.
        work: how to make the task again on another day; None where that cannot be written down without a secret.
    """

    task: CommandTask | DocumentTask
    name: str
    title: str
    parameters: Mapping[str, Any] = EMPTY
    secrets: frozenset[str] = frozenset()
    seconds: float | None = None
    after: float = 0.0
    warnings: tuple[str, ...] = ()
    work: Work | None = None

    def check(self, hosts: Sequence[Host]) -> None:
        """Render templates for every host, so that an undefined name stops the run before it begins.

        Raises:
            TemplateError: one of them does not render.
        """
        if isinstance(self.task, CommandTask) and self.task.render is not None:
            for host in hosts:
                self.task.render(host)

    def within(self, limits: Limits, *, given: bool) -> tuple[Prepared, Limits]:
        """Return the order with its own limit, and the limits of the run: what a reboot takes is not taken from the command.

        Args:
            limits: as flags and settings say.
            given: whether the operator wrote `--timeout`.
        """
        seconds = limits.timeout if given or self.seconds is None else max(limits.timeout, self.seconds)
        prepared = self
        if self.after and isinstance(self.task, CommandTask):
            # Who carries on with the run must keep to the same limit.
            work = self.work and replace(self.work, spec={**self.work.spec, "Seconds": seconds})
            prepared = replace(self, task=replace(self.task, seconds=seconds), work=work)
        return prepared, replace(limits, timeout=seconds + self.after)

    def describe(self, host: Host) -> str:
        """Return in words and text what would be sent to a host; secrets are hidden."""
        from fleetctl.redact import Redactor  # noqa: PLC0415

        if isinstance(self.task, CommandTask):
            command = self.task.on(host)
            text = _described(command) if command.script or not self.task.reboot else ""
        else:
            text = f"document {self.name}\n{self.task.describe(host)}"
        if rule := self.task.reboot:
            when = (
                "then reboot"
                if isinstance(self.task, CommandTask)
                else "reboot where a step asks for it (exit code 194)"
            )
            text = f"{text.rstrip()}\n{_rebooting(when, rule)}".lstrip()
        return Redactor(self.secrets).text(text)


def _rebooting(when: str, rule: RebootRule) -> str:
    line = f"# {when}: back with a new boot id within {rule.timeout:g} s"
    return f"{line}, and ready within {rule.ready_timeout:g} s: {rule.ready.script}" if rule.ready else line


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
    reboot: RebootRule | None = None,
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
        reboot: how hosts are rebooted after it, or where a document asks for it; None does not.

    Raises:
        UsageError: parts that contradict one another, or are missing.
        FleetError: a document or template is wrong.
    """
    rule = BecomeRule(wanted=become, user=become_user)
    if cwd == "":
        # As in `--cwd "$FOLDER"` with a variable that is not set: the command would run elsewhere than it is meant to.
        raise UsageError("--cwd is empty", hint="name a folder, or leave --cwd out")
    values = _environment(env)
    named = _secrets(secrets, values)
    hidden = frozenset(named.values())
    # What came from our own environment is had from there again, and is kept nowhere.
    borrowed = frozenset(name for name in env if "=" not in name and values[name])
    if document is not None:
        if words or script or stdin or shell or template:
            raise UsageError(
                "--document stands alone: no command, --script, --stdin, --shell or --template with it"
            )
        return _document(
            document, params, project,
            rule=rule, env=values, cwd=cwd, named=named, borrowed=borrowed, hidden=hidden, reboot=reboot,
        )  # fmt: skip
    if params:
        raise UsageError("-p/--param belongs to --document")
    text, name, arguments = _script(words, script, needed=reboot is None)
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
    task = CommandTask(command=command, render=render, become=rule, reboot=reboot)
    title = title if text or reboot is None else "reboot"
    return Prepared(
        task=task,
        work=command_work(
            task, variables=project.settings.vars, named=named, borrowed=borrowed, secrets=hidden
        ),
        after=reboot.longest if reboot else 0.0,
        name="AWS-RunShellScript",
        title=title,
        parameters=recorded,
        secrets=hidden,
    )


def _script(words: Sequence[str], script: Path | None, *, needed: bool) -> tuple[str, str, tuple[str, ...]]:
    if script is None:
        if not words and not needed:
            return "", "command", ()
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


def _secrets(names: Sequence[str], values: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        value = values.get(name) or os.environ.get(name)
        if not value:
            raise UsageError(
                f"--secret: {name} is not set",
                hint=f"give it a value: --env {name}=... or in the environment",
            )
        if len(value) < SHORTEST:
            raise UsageError(f"--secret: the value of {name} is too short to be kept out of sight")
        found[name] = value
    return found


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
    named: Mapping[str, str],
    borrowed: frozenset[str],
    hidden: frozenset[str],
    reboot: RebootRule | None,
) -> Prepared:
    from fleetctl.document.find import read_source  # noqa: PLC0415
    from fleetctl.run.document import document_task  # noqa: PLC0415

    task = document_task(document, list(params), project=project.root, become=rule, env=env, cwd=cwd)
    task = replace(task, reboot=reboot)
    text = read_source(document, project.root)
    return Prepared(
        task=task,
        work=document_work(task, text, named=named, borrowed=borrowed, secrets=hidden),
        name=task.name,
        title=f"document {task.name}",
        parameters=task.recorded,
        secrets=hidden,
        seconds=task.bound.timeout,
        after=reboot.longest if reboot else 0.0,
        warnings=tuple(str(problem) for problem in task.bound.document.warnings),
    )
