"""Say what a document is allowed to hold, but probably does not mean."""

from __future__ import annotations

from fleetctl.document.model import Parameter, Step
from fleetctl.document.source import Path, Source
from fleetctl.document.substitute import near_misses, references

__all__ = ["lint"]


def lint(parameters: dict[str, Parameter], steps: tuple[Step, ...], source: Source) -> None:
    """Note in `source.warnings`: names that look like a parameter's, parameters unused, values that become shell code."""
    used: set[str] = set()
    in_scripts: set[str] = set()
    for index, step in enumerate(steps):
        path: Path = ("mainSteps", index) if source.version != "1.2" else ("runtimeConfig", step.action)
        lines = [step.run_command] if isinstance(step.run_command, str) else list(step.run_command)
        others = [step.working_directory, step.timeout if isinstance(step.timeout, str) else ""]
        if step.precondition is not None:
            others += [step.precondition.left, step.precondition.right]
        for text in lines + others:
            used.update(references(text))
            for written, meant in near_misses(text, parameters):
                source.warning(
                    path,
                    f"step '{step.name}': '{{{{ {written} }}}}' is not a parameter and stays as it is",
                    hint=f"did you mean '{{{{ {meant} }}}}'?",
                )
        in_scripts.update(name for line in lines for name in references(line))
    for name, parameter in parameters.items():
        if name not in used and not parameter.env_var:
            source.warning(("parameters", name), f"parameter '{name}' is not used")
        free = parameter.allowed_pattern is None and not parameter.allowed_values and not parameter.env_var
        if parameter.type == "String" and free and name in in_scripts:
            source.warning(
                ("parameters", name),
                f"parameter '{name}' becomes part of a script as it is: a value such as '; reboot' would be run",
                hint="restrict it with allowedPattern or allowedValues, or set interpolationType: ENV_VAR",
            )
