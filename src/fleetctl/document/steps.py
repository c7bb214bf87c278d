"""Read a document's steps, and check what their form alone cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetctl.document.model import DEFAULT_TIMEOUT, MAX_TIMEOUT, MIN_TIMEOUT, Parameter, Precondition, Step
from fleetctl.document.source import Path, Source
from fleetctl.document.substitute import references, sole_reference
from fleetctl.spec.suggest import did_you_mean

__all__ = ["read_steps"]

_PLATFORMS = {"linux": "Linux", "macos": "MacOS", "windows": "Windows"}


def read_steps(form: Any, parameters: Mapping[str, Parameter], source: Source) -> tuple[Step, ...]:
    """Turn a checked form into steps, in order; what is wrong with them goes to `source.problems`.

    Args:
        form: `fleetctl.document.schema` document, of either version.
        parameters: what the document declares.
        source: for places; its `version` decides what is allowed.
    """
    if source.version == "1.2":
        return tuple(_read_properties(form, parameters, source))
    steps = [_read_step(index, item, parameters, source) for index, item in enumerate(form.main_steps)]
    first: dict[str, int] = {}
    for index, step in enumerate(steps):
        if first.setdefault(step.name, index) != index:
            source.problem(("mainSteps", index, "name"), f"there is already a step '{step.name}'")
        if step.finally_step and index != len(steps) - 1:
            source.problem(
                ("mainSteps", index), f"step '{step.name}' has finallyStep, so it must be the last one"
            )
    return tuple(steps)


def _read_properties(form: Any, parameters: Mapping[str, Parameter], source: Source) -> list[Step]:
    """Read schema 1.2: every entry of every plugin's properties is a step, named by its id."""
    steps: list[Step] = []
    for action, plugin in form.runtime_config.items():
        for index, item in enumerate(plugin.properties):
            path = ("runtimeConfig", action, "properties", index)
            name = item.id or (action if len(plugin.properties) == 1 else f"{index}.{action}")
            if any(step.name == name for step in steps):
                source.problem((*path, "id"), f"there is already an id '{name}'")
            steps.append(_step(name, action, item, (path, path), parameters=parameters, source=source))
    return steps


def _read_step(index: int, item: Any, parameters: Mapping[str, Parameter], source: Source) -> Step:
    path: Path = ("mainSteps", index)
    if item.precondition is not None and source.version != "2.2":
        source.problem(
            (*path, "precondition"),
            f"step '{item.name}': preconditions need schemaVersion 2.2",
            hint="SSM fails such a step",
        )
    paths = (path, (*path, "inputs"))
    return _step(item.name, item.action, item, paths, parameters=parameters, source=source)


def _step(
    name: str,
    action: str,
    item: Any,
    paths: tuple[Path, Path],
    *,
    parameters: Mapping[str, Parameter],
    source: Source,
) -> Step:
    outer, inner = paths
    inputs = getattr(item, "inputs", item)
    both = _Both(item, inputs, paths=paths, source=source)
    timeout, timeout_path = both.take("timeout_seconds", "timeoutSeconds")
    flag, flag_path = both.take("finally_step", "finallyStep")
    return Step(
        name=name,
        action=action,
        run_command=_lines(inputs.run_command, (*inner, "runCommand"), parameters, source=source),
        working_directory=inputs.working_directory or "",
        timeout=_seconds(timeout, timeout_path, parameters, source=source),
        precondition=_precondition(item, outer, parameters, source=source),
        on_failure=both.take("on_failure", "onFailure")[0] or "",
        on_success=both.take("on_success", "onSuccess")[0] or "",
        finally_step=_flag(flag, flag_path, source),
        where=source.where(outer),
        timeout_where=source.where(timeout_path),
    )


class _Both:
    """Control of the flow stands in a step's inputs (SSM's place) or beside them; not in both with different values."""

    def __init__(self, item: Any, inputs: Any, *, paths: tuple[Path, Path], source: Source) -> None:
        self._item, self._inputs = item, inputs
        self._paths = paths
        self._source = source

    def take(self, attribute: str, key: str) -> tuple[Any, Path]:
        """Return the value, or None, and where it stands."""
        inner = getattr(self._inputs, attribute, None)
        outer = getattr(self._item, attribute, None)
        if inner is not None and outer is not None and inner != outer:
            self._source.problem((*self._paths[0], key), f"{key} is '{outer}' here and '{inner}' in inputs")
        if inner is not None:
            return inner, (*self._paths[1], key)
        return outer, (*self._paths[0], key)


def _flag(value: Any, path: Path, source: Source) -> bool:
    if value in (None, True, False, "true", "false"):
        return value in (True, "true")
    source.problem(path, f"finallyStep must be true or false, not '{value}'")
    return False


def _lines(
    value: Any, path: Path, parameters: Mapping[str, Parameter], *, source: Source
) -> tuple[str, ...] | str:
    if isinstance(value, str):
        name = sole_reference(value)
        parameter = parameters.get(name) if name else None
        if parameter is not None and parameter.type == "StringList":
            return value
        if name and parameter is None:
            source.problem(path, f"there is no parameter '{name}'", hint=did_you_mean(name, parameters))
        elif parameter is not None:
            source.problem(
                path, f"'{name}' must be a StringList here, it is a {parameter.type}", hint=_list_hint(value)
            )
        else:
            source.problem(
                path, "runCommand must be a list of strings", hint="put '- ' before it: a list of one"
            )
        return ()
    if not isinstance(value, list) or not value:
        source.problem(path, "runCommand must be a list of strings, with one line of the script each")
        return ()
    for index, line in enumerate(value):
        if not isinstance(line, str):
            source.problem((*path, index), f"must be a string, not '{line}'", hint="quote it")
        elif "\0" in line:
            source.problem((*path, index), "a script cannot hold a NUL byte")
    return tuple(str(line) for line in value)


def _list_hint(value: str) -> str:
    return f'write it as a list of one: - "{value}"'


def _seconds(value: Any, path: Path, parameters: Mapping[str, Parameter], *, source: Source) -> int | str:
    if value is None:
        return DEFAULT_TIMEOUT
    if isinstance(value, str):
        name = sole_reference(value)
        if name is not None:
            if name not in parameters:
                source.problem(path, f"there is no parameter '{name}'", hint=did_you_mean(name, parameters))
            elif parameters[name].type not in ("String", "Integer"):
                source.problem(
                    path, f"'{name}' is a {parameters[name].type}; a timeout needs a String or Integer"
                )
            return value
        value = int(value) if value.isascii() and value.isdigit() else value
    if isinstance(value, bool) or not isinstance(value, int):
        source.problem(path, f"timeoutSeconds must be a number of seconds, not '{value}'")
    elif not MIN_TIMEOUT <= value <= MAX_TIMEOUT:
        source.problem(
            path,
            f"timeoutSeconds must be {MIN_TIMEOUT} to {MAX_TIMEOUT}, not {value}",
            hint="SSM would silently run it with 3600",
        )
    else:
        return value
    return DEFAULT_TIMEOUT


def _precondition(
    item: Any, path: Path, parameters: Mapping[str, Parameter], *, source: Source
) -> Precondition | None:
    """Check a precondition by the SSM agent's rules (runpluginutil, evaluatePreconditions), before it runs."""
    form = getattr(item, "precondition", None)
    if form is None:
        return None
    here = (*path, "precondition", "StringEquals")
    left, right = form.string_equals
    if left == right:
        source.problem(here, "the two operands of StringEquals are the same")
        return None
    if "platformType" in (left, right):
        other = right if left == "platformType" else left
        if references(other):
            source.problem(
                here, "platformType cannot be compared with a parameter", hint="SSM does not allow it"
            )
        elif other.lower() not in _PLATFORMS:
            hint = did_you_mean(other, _PLATFORMS.values())
            source.problem(here, f"there is no platformType '{other}'", hint=hint)
        return Precondition(platform=_PLATFORMS.get(other.lower(), "Linux"))
    if not any(name in parameters for text in (left, right) for name in references(text)):
        hint = did_you_mean(left, ["platformType"]) or ""
        source.problem(
            here,
            "one operand of StringEquals must be platformType, or hold a '{{ parameter }}' of the document",
            hint=hint if hint.startswith("did") else None,
        )
    return Precondition(left=left, right=right)
