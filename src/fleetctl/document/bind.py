"""Give a document its parameters: what comes out is ready to run, and the same for every host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from fleetctl.document.find import find
from fleetctl.document.given import read_given
from fleetctl.document.model import (
    MAX_SIZE,
    MAX_TIMEOUT,
    MIN_TIMEOUT,
    POWERSHELL,
    Document,
    Precondition,
    Step,
)
from fleetctl.document.parameters import bind_values
from fleetctl.document.substitute import as_text, sole_reference, substitute
from fleetctl.errors import DocumentError, ParameterError, UsageError
from fleetctl.model import EMPTY
from fleetctl.transport.interpreter import SHELLS, interpreter_of, recognise

__all__ = ["BoundDocument", "BoundStep", "bind", "load_and_bind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundStep:
    """One step, with every parameter in its place.

    Attributes:
        script: program text, as it goes to the host.
        timeout: seconds.
        platform: `Linux`, `MacOS` or `Windows` where only such hosts run it.
        unmet: why no host runs it (a precondition on parameters that does not hold); empty where hosts may.
    """

    name: str
    action: str
    script: str = field(repr=False)
    interpreter: tuple[str, ...] = ("sh",)
    working_directory: str | None = None
    timeout: int
    platform: str | None = None
    unmet: str = ""
    on_failure: Literal["", "exit", "successAndExit"] = ""
    on_success: Literal["", "exit"] = ""
    finally_step: bool = False

    @property
    def is_shell(self) -> bool:
        """Whether a POSIX shell evaluates it, rather than another program."""
        return PurePosixPath(self.interpreter[0]).name in SHELLS


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundDocument:
    """A document and the values of its parameters: what `fleetctl.run.document.DocumentTask` carries out.

    Attributes:
        document: as checked.
        values: of every parameter, defaults included.
        env: what scripts find in their environment (`SSM_<name>` of parameters with `interpolationType: ENV_VAR`).
    """

    document: Document
    values: Mapping[str, Any] = field(default=EMPTY, repr=False)
    steps: tuple[BoundStep, ...]
    env: Mapping[str, str] = field(default=EMPTY, repr=False)

    @property
    def timeout(self) -> int:
        """Seconds that all steps together may take: the least that a run's own limit should allow."""
        return sum(step.timeout for step in self.steps)


def load_and_bind(name: str, params: Sequence[str] = (), project: Path | None = None) -> BoundDocument:
    """Find a document, check it whole, and give it its parameters; nothing has touched a host before this returns.

    Args:
        name: a file, a document of the project, or a built-in.
        params: each `name=value`, or `@file` for a JSON object of values.
        project: the project's root folder, whose `documents/` is searched.

    Raises:
        NotFoundError: there is no such document.
        DocumentError: it is wrong, or asks for what fleetctl does not have.
        ParameterError: a value is missing, unknown or not allowed.
    """
    document = find(name, project)
    return bind(document, read_given(params, document.parameters))


def bind(document: Document, given: Mapping[str, Any]) -> BoundDocument:
    """Give a document its parameters.

    Args:
        document: as checked.
        given: raw values by name, as JSON or the command line has them.

    Raises:
        ParameterError: a value is missing, unknown or not allowed.
    """
    values = bind_values(document.parameters, given, document=document.name)
    size = document.size + len(json.dumps(dict(given), ensure_ascii=False).encode("utf-8", "surrogateescape"))
    if given and size > MAX_SIZE:
        raise ParameterError(
            f"{document.name} and its parameters have {size} bytes; SSM allows {MAX_SIZE}",
            hint="copy a large script to the hosts first: fleetctl copy push",
        )
    return BoundDocument(
        document=document,
        values=values,
        steps=tuple(_bind_step(step, document, values) for step in document.steps),
        env={
            f"SSM_{name}": as_text(values[name]) for name, item in document.parameters.items() if item.env_var
        },
    )


def _bind_step(step: Step, document: Document, values: Mapping[str, Any]) -> BoundStep:
    condition = step.precondition
    script = "\n".join(_lines(step, document, values)) + "\n"
    return BoundStep(
        name=step.name,
        action=step.action,
        script=script,
        interpreter=_interpreter(step, script),
        working_directory=substitute(step.working_directory, values) or None,
        timeout=_timeout(step, values),
        platform=condition.platform if condition else None,
        unmet=_unmet(condition, values) if condition else "",
        on_failure=step.on_failure,
        on_success=step.on_success,
        finally_step=step.finally_step,
    )


def _lines(step: Step, document: Document, values: Mapping[str, Any]) -> list[str]:
    """Return the script's lines. A line that is exactly `{{ list }}` becomes as many lines as the list has items."""
    variable = "${{env:SSM_{}}}" if step.action == POWERSHELL else "${{SSM_{}}}"

    def instead(name: str) -> str | None:
        return variable.format(name) if document.parameters[name].env_var else None

    written = [step.run_command] if isinstance(step.run_command, str) else step.run_command
    lines: list[str] = []
    for line in written:
        name = sole_reference(line)
        value = values.get(name) if name else None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            lines += value
        else:
            lines.append(substitute(line, values, instead=instead))
    return lines


def _interpreter(step: Step, script: str) -> tuple[str, ...]:
    """Return what runs a script: PowerShell, or what its `#!` line names, or sh (the agent starts the file with sh)."""
    if step.action == POWERSHELL:
        return ("pwsh",)
    try:
        named = interpreter_of(script) or ("sh",)
        recognise(named)
    except UsageError as exc:
        raise DocumentError(f"step '{step.name}': {exc.message}", hint=exc.hint, where=step.where) from exc
    return named


def _timeout(step: Step, values: Mapping[str, Any]) -> int:
    if isinstance(step.timeout, int):
        return step.timeout
    text = substitute(step.timeout, values).strip()
    name = sole_reference(step.timeout)
    if text.isascii() and text.isdigit() and MIN_TIMEOUT <= int(text) <= MAX_TIMEOUT:
        return int(text)
    raise ParameterError(
        f"parameter '{name}' is the timeout of step '{step.name}': '{text[:60]}' is not {MIN_TIMEOUT} to {MAX_TIMEOUT} seconds",
        where=step.timeout_where,
    )


def _unmet(condition: Precondition, values: Mapping[str, Any]) -> str:
    if condition.platform is not None:
        return ""
    left, right = substitute(condition.left, values), substitute(condition.right, values)
    return (
        ""
        if left == right
        else f"precondition StringEquals [{condition.left}, {condition.right}] does not hold"
    )
