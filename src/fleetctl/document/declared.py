"""Read the parameters that a document declares, and check that they make sense."""

from __future__ import annotations

import re
import warnings
from typing import Any

from fleetctl.document.model import Parameter
from fleetctl.document.parameters import complaints
from fleetctl.document.source import Source

__all__ = ["read_parameters"]


def read_parameters(forms: dict[str, Any], source: Source) -> dict[str, Parameter]:
    """Turn checked forms into parameters; what is wrong with them goes to `source.problems`.

    Args:
        forms: `fleetctl.document.schema` parameters by name.
        source: the document's text, for places.
    """
    return {name: _read(name, form, source) for name, form in forms.items()}


def _read(name: str, form: Any, source: Source) -> Parameter:
    here = ("parameters", name)
    parameter = Parameter(
        name=name,
        type=form.type,
        description=form.description,
        default=form.default,
        allowed_values=tuple(form.allowed_values),
        allowed_pattern=_pattern(form.allowed_pattern, (*here, "allowedPattern"), source),
        min_items=form.min_items,
        max_items=form.max_items,
        min_chars=form.min_chars,
        max_chars=form.max_chars,
        display_type=form.display_type or "",
        env_var=form.interpolation_type == "ENV_VAR",
        where=source.where(here),
    )
    _check_limits(parameter, source)
    if parameter.env_var and (parameter.type != "String" or source.version != "2.2"):
        source.problem(
            (*here, "interpolationType"), "ENV_VAR is for parameters of type String in schema 2.2 documents"
        )
    if parameter.default is not None:
        for text in complaints(parameter, parameter.default):
            hint = "quote it: SSM has no numbers in String parameters" if "must be a string" in text else None
            source.problem((*here, "default"), f"default of '{name}': {text}", hint=hint)
    return parameter


def _pattern(text: str | None, here: tuple[str, ...], source: Source) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", FutureWarning
            )  # `[[:alpha:]]` means something else here than in SSM
            return re.compile(text)
    except (re.error, FutureWarning, RecursionError, OverflowError) as exc:
        source.problem(here, f"allowedPattern is not a regular expression that can be read: {exc}")
        return None


def _check_limits(parameter: Parameter, source: Source) -> None:
    for low, high, least, most in (
        ("minItems", "maxItems", parameter.min_items, parameter.max_items),
        ("minChars", "maxChars", parameter.min_chars, parameter.max_chars),
    ):
        if least is not None and most is not None and least > most:
            source.problem(
                ("parameters", parameter.name, low),
                f"{low} {least} is more than {high} {most}: no value is allowed",
            )
