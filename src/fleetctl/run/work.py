"""Commands and documents as data in `run.json`, and back: what `runs resume` and `runs retry` make their tasks of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetctl.engine.work import Work, new_mark
from fleetctl.errors import StateFolderError, UsageError
from fleetctl.model import EMPTY, Command
from fleetctl.run.command import BecomeRule, CommandTask
from fleetctl.run.template import template

if TYPE_CHECKING:
    from fleetctl.run.document import DocumentTask

__all__ = ["command_work", "document_work", "restore_command", "restore_document"]


def command_work(
    task: CommandTask,
    *,
    variables: Mapping[str, Any] = EMPTY,
    named: Mapping[str, str] = EMPTY,
    borrowed: frozenset[str] = frozenset(),
    secrets: frozenset[str] = frozenset(),
) -> Work | None:
    """Return a command as data.

    Args:
        task: as it was prepared.
        variables: what its template sees beside the host's vars.
        named: secrets that are to be had from the environment again, by name.
        borrowed: names of variables that came from our own environment, and are to be had from there again.
        secrets: all secrets.

    Returns:
        None where it cannot be written down without a secret that has no name.
    """
    command = task.command
    env, marks = _lent(command.env, borrowed - named.keys())
    spec: dict[str, Any] = {
        "Script": command.script,
        "Interpreter": list(command.interpreter),
        "Args": list(command.args),
        "Env": env,
        "Cwd": command.cwd,
        "Stdin": _file(command.stdin) if isinstance(command.stdin, Path) else None,
        "Become": _become(task.become),
    }
    if task.render is not None:
        spec["Template"] = {"Vars": dict(variables)}
    if task.reboot is not None:
        spec["Reboot"] = task.reboot.record()
        spec["Seconds"] = task.seconds
    return Work.of("command", spec, named=named, marks=marks, secrets_=secrets)


def restore_command(spec: Mapping[str, Any]) -> CommandTask:
    """Make the task of a command again.

    Raises:
        UsageError: the file that it reads is not there, or not as it was.
        StateFolderError: what was kept is damaged.
    """
    from fleetctl.engine.boot import RebootRule  # noqa: PLC0415

    try:
        command = Command(
            script=spec["Script"],
            interpreter=tuple(spec["Interpreter"]),
            args=tuple(spec["Args"]),
            env=dict(spec["Env"]),
            cwd=spec["Cwd"],
            stdin=_same_file(spec["Stdin"]) if spec["Stdin"] else None,
        )
        render = None
        if "Template" in spec:
            render = template(command.script, name="command", variables=spec["Template"]["Vars"])
        reboot = RebootRule.from_record(spec["Reboot"]) if "Reboot" in spec else None
        return CommandTask(
            command=command,
            render=render,
            become=_rule(spec["Become"]),
            reboot=reboot,
            seconds=spec.get("Seconds"),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise _damaged(exc) from exc


def document_work(
    task: DocumentTask,
    text: str,
    *,
    named: Mapping[str, str] = EMPTY,
    borrowed: frozenset[str] = frozenset(),
    secrets: frozenset[str] = frozenset(),
) -> Work | None:
    """Return a document with its parameters as data; see `command_work`.

    Args:
        task: as it was prepared.
        text: the document, as it was read.
        named: as above.
        borrowed: as above.
        secrets: as above.
    """
    env, marks = _lent(task.env, borrowed - named.keys())
    spec: dict[str, Any] = {
        "Name": task.name,
        "Text": text,
        "Parameters": dict(task.bound.values),
        "Env": env,
        "Cwd": task.cwd,
        "Become": _become(task.become),
    }
    if task.reboot is not None:
        spec["Reboot"] = task.reboot.record()
    return Work.of("document", spec, named=named, marks=marks, secrets_=secrets)


def restore_document(spec: Mapping[str, Any]) -> DocumentTask:
    """Make the task of a document again.

    Raises:
        DocumentError, ParameterError: this fleetctl does not run it as the one did that began.
        StateFolderError: what was kept is damaged.
    """
    from fleetctl.document.bind import bind  # noqa: PLC0415
    from fleetctl.document.load import load_text  # noqa: PLC0415
    from fleetctl.engine.boot import RebootRule  # noqa: PLC0415
    from fleetctl.run.document import DocumentTask  # noqa: PLC0415

    try:
        document = load_text(spec["Text"].encode(), source="run.json", name=spec["Name"])
        return DocumentTask(
            bound=bind(document, spec["Parameters"]),
            become=_rule(spec["Become"]),
            env=dict(spec["Env"]),
            cwd=spec["Cwd"],
            reboot=RebootRule.from_record(spec["Reboot"]) if "Reboot" in spec else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise _damaged(exc) from exc


def _lent(env: Mapping[str, str], names: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Put marks in place of the values of some variables, there alone: `-e DEBUG` with the value 1 says nothing of other 1s."""
    marks = {name: new_mark() for name in names if name in env}
    return {name: marks.get(name, value) for name, value in env.items()}, marks


def _become(rule: BecomeRule) -> dict[str, Any]:
    return {"Wanted": rule.wanted, "User": rule.user}


def _rule(data: Mapping[str, Any]) -> BecomeRule:
    return BecomeRule(wanted=data["Wanted"], user=data["User"])


def _file(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"Path": str(path.absolute()), "Size": status.st_size, "Changed": status.st_mtime_ns}


def _same_file(data: Mapping[str, Any]) -> Path:
    path = Path(data["Path"])
    try:
        status = path.stat()
    except OSError as exc:
        raise UsageError(f"--stdin: {path} cannot be read: {exc.strerror}", hint="the run needs it") from exc
    if (status.st_size, status.st_mtime_ns) != (data["Size"], data["Changed"]):
        raise UsageError(
            f"--stdin: {path} was changed since the run began",
            hint="put the old file back, or start a new run for what is left: fleetctl run @pending:RUN\n"
            "what was begun is followed by: fleetctl runs attach",
        )
    return path


def _damaged(exc: Exception) -> StateFolderError:
    return StateFolderError(f"what run.json says of the work is damaged: {type(exc).__name__}: {exc}")
