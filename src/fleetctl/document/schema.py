"""The form of Command documents: pydantic models for what a person writes, and the JSON Schema made from them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fleetctl.document.model import ACTIONS, DEFAULT_TIMEOUT, MAX_TIMEOUT, MIN_TIMEOUT

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["models", "schema"]

_REFERENCE: Final = r"^\{\{\s*[a-zA-Z0-9]+\s*\}\}$"
_SECONDS: Final = {
    "description": f"seconds until the step is killed, {MIN_TIMEOUT} to {MAX_TIMEOUT}, default {DEFAULT_TIMEOUT};"
    " or '{{ parameter }}'",
    "anyOf": [
        {"type": "integer", "minimum": MIN_TIMEOUT, "maximum": MAX_TIMEOUT},
        {"type": "string", "pattern": r"^[0-9]+$|" + _REFERENCE},
    ],
}
_LINES: Final = {
    "description": "lines of the script, or '{{ parameter }}' of a StringList",
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "string", "pattern": _REFERENCE},
    ],
}
_FLAG: Final = {
    "description": "run whatever became of the steps before it; must be the last step",
    "enum": [True, False, "true", "false"],
}


@cache
def models() -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the models of a schema 1.2 and of a schema 2.x document.

    What has two forms (`runCommand`, `timeoutSeconds`, `finallyStep`) is left to `fleetctl.document.load`, which says it
    better than a failed union can.
    """
    from pydantic import BaseModel, ConfigDict, Field, StrictStr, WithJsonSchema  # noqa: PLC0415
    from pydantic.alias_generators import to_camel  # noqa: PLC0415

    seconds = Annotated[Any, WithJsonSchema(_SECONDS)]
    flag = Annotated[Any, WithJsonSchema(_FLAG)]
    count = Annotated[int, Field(ge=0)]
    name = Annotated[StrictStr, Field(pattern=r"^[a-zA-Z0-9]+$")]

    class Form(BaseModel):
        model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    class Parameter(Form):
        """One parameter that the document takes."""

        type: Literal["String", "StringList", "Integer", "Boolean", "MapList", "StringMap"]
        description: str = Field("", description="what it is for")
        default: Any = Field(None, description="used when no value is given; without it a value is required")
        allowed_values: list[Any] = Field([], description="the only values allowed")
        allowed_pattern: str | None = Field(None, description="regular expression for the whole value")
        display_type: Literal["textfield", "textarea"] | None = Field(None, description="how a form shows it")
        min_items: count | None = None
        max_items: count | None = None
        min_chars: count | None = None
        max_chars: count | None = None
        interpolation_type: Literal["ENV_VAR"] | None = Field(
            None, description="scripts get the value as $SSM_<name>, never as script text (schema 2.2)"
        )

    class Script(Form):
        run_command: Annotated[Any, WithJsonSchema(_LINES)]
        working_directory: StrictStr | None = Field(None, description="entered before the script starts")
        timeout_seconds: seconds = None

    class Flow(Form):
        on_failure: Literal["exit", "successAndExit"] | None = Field(
            None, description="end the document when the step fails; successAndExit counts it as a success"
        )
        on_success: Literal["exit"] | None = Field(
            None, description="end the document when the step succeeds"
        )
        finally_step: flag = None

    class Inputs(Script, Flow):
        """Inputs of a step."""

    class Property(Script):
        """One entry of `properties`."""

        id: StrictStr | None = None

    class Precondition(Form):
        """When the step runs."""

        string_equals: list[StrictStr] = Field(
            alias="StringEquals",
            min_length=2,
            max_length=2,
            description="platformType and Linux, MacOS or Windows; or two texts, one with a '{{ parameter }}'",
        )

    class Step(Flow):
        """One step; steps run in order."""

        action: Literal[ACTIONS] = Field(description="the SSM plugin that does it")  # type: ignore[valid-type]
        name: StrictStr = Field(min_length=1, max_length=128, description="unique in the document")
        inputs: Inputs
        precondition: Precondition | None = Field(
            None, description="skip the step where it does not hold (2.2)"
        )
        timeout_seconds: seconds = None

    class Plugin(Form):
        """What a plugin is told."""

        properties: list[Property] = Field(min_length=1)

    class Head(Form):
        description: str = Field("", description="what the document does")
        parameters: dict[name, Parameter] = Field({}, description="by name: letters and digits")

    class Document12(Head):
        """An SSM Command document of schema 1.2."""

        schema_version: Literal["1.2"]
        runtime_config: dict[Literal[ACTIONS], Plugin] = Field(min_length=1)  # type: ignore[valid-type]

    class Document2(Head):
        """An SSM Command document of schema 2.0 or 2.2."""

        schema_version: Literal["2.0", "2.2"]
        main_steps: list[Step] = Field(min_length=1)

    return Document12, Document2


def schema() -> dict[str, Any]:
    """Return the JSON Schema of Command documents that fleetctl runs, for editors and `fleetctl schema document`."""
    parts = [model.model_json_schema() for model in models()]
    definitions: dict[str, Any] = {}
    for part in parts:
        definitions |= part.pop("$defs", {})
        version = part["properties"]["schemaVersion"]
        known = version.get("enum", [version.get("const")])
        # An unquoted 2.2 is a number in YAML; SSM and fleetctl take it.
        part["properties"]["schemaVersion"] = {"enum": [*known, *(float(item) for item in known)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "SSM Command document",
        "description": "AWS Systems Manager Command documents of schema 1.2, 2.0 and 2.2, as far as fleetctl runs them",
        "oneOf": parts,
        "$defs": definitions,
    }
