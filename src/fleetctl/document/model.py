"""What an SSM Command document is, once it has been checked: steps in order, and the parameters they take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fleetctl.errors import Problem, Where
from fleetctl.model import EMPTY

__all__ = [
    "ACTIONS",
    "DEFAULT_TIMEOUT",
    "MAX_SIZE",
    "MAX_TIMEOUT",
    "MIN_TIMEOUT",
    "OTHER_ACTIONS",
    "POWERSHELL",
    "SCHEMA_VERSIONS",
    "SHELL",
    "Document",
    "Parameter",
    "ParameterType",
    "Precondition",
    "Step",
]

ParameterType = Literal["String", "StringList", "Integer", "Boolean", "MapList", "StringMap"]

SCHEMA_VERSIONS: Final = ("1.2", "2.0", "2.2")
SHELL: Final = "aws:runShellScript"
POWERSHELL: Final = "aws:runPowerShellScript"
ACTIONS: Final = (SHELL, POWERSHELL)

# Plugins that SSM has and fleetctl does not: they get a better message than a typing error does.
OTHER_ACTIONS: Final = (
    "aws:applications",
    "aws:cloudWatch",
    "aws:configureDocker",
    "aws:configurePackage",
    "aws:domainJoin",
    "aws:downloadContent",
    "aws:psModule",
    "aws:refreshAssociation",
    "aws:runDockerAction",
    "aws:runDocument",
    "aws:softwareInventory",
    "aws:updateAgent",
    "aws:updateSsmAgent",
)

# SSM: a document is at most 64 KB, the parameters given at run time included.
MAX_SIZE: Final = 64 * 1024

# SSM agent, pluginutil: default 3600 s, 5 to 172800. The agent silently runs with the default when a value is out of
# range; fleetctl refuses the value.
DEFAULT_TIMEOUT: Final = 3600
MIN_TIMEOUT: Final = 5
MAX_TIMEOUT: Final = 172_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter that a document takes.

    Attributes:
        default: None means that a value must be given.
        allowed_values: empty means any; for a list, each item must be one of them.
        allowed_pattern: must match the whole value; for a list, each item; for maps, their JSON.
        min_items, max_items: of a StringList or MapList, keys of a StringMap.
        min_chars, max_chars: of a String; of each item of a list; of the JSON of a map.
        env_var: `interpolationType: ENV_VAR`: the value reaches scripts as `$SSM_<name>`, never as script text.
        where: its place in the document.
    """

    name: str
    type: ParameterType = "String"
    description: str = ""
    default: Any = None
    allowed_values: tuple[Any, ...] = ()
    allowed_pattern: re.Pattern[str] | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_chars: int | None = None
    max_chars: int | None = None
    display_type: str = ""
    env_var: bool = False
    where: Where | None = field(default=None, compare=False)

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """`StringEquals: [left, right]`; the step is skipped where the two differ (schema 2.2).

    Attributes:
        left, right: text with `{{ parameter }}` references; where `platform` is set, not used.
        platform: `Linux`, `MacOS` or `Windows` where the precondition is about `platformType`.
    """

    left: str = ""
    right: str = ""
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step as written: texts still hold their `{{ parameter }}` references.

    Attributes:
        action: one of `ACTIONS`.
        run_command: lines of the script, or one text that is exactly a reference to a StringList.
        timeout: seconds, or a reference to a parameter that holds them.
        on_failure, on_success: what a step's end does to the steps after it; empty means that they run.
        finally_step: runs whatever became of the steps before it.
        where: place of the step in its file.
        timeout_where: place of its timeout.
    """

    name: str
    action: str
    run_command: tuple[str, ...] | str
    working_directory: str = ""
    timeout: int | str = DEFAULT_TIMEOUT
    precondition: Precondition | None = None
    on_failure: Literal["", "exit", "successAndExit"] = ""
    on_success: Literal["", "exit"] = ""
    finally_step: bool = False
    where: Where | None = field(default=None, compare=False)
    timeout_where: Where | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A checked Command document.

    Attributes:
        name: file name without its suffix, or the built-in's name.
        source: the file as the user named it, or `builtin:<name>`.
        digest: SHA-256 hex of its bytes (SSM: DocumentHash).
        size: bytes.
        warnings: what is allowed but probably not meant, with places.
    """

    name: str
    source: str
    schema_version: str
    description: str = ""
    parameters: Mapping[str, Parameter] = EMPTY
    steps: tuple[Step, ...] = ()
    digest: str = ""
    size: int = 0
    warnings: tuple[Problem, ...] = ()

    @property
    def cross_platform(self) -> bool:
        """Whether a step that does not fit the host is skipped (schema 2.2) rather than failed."""
        return self.schema_version == "2.2"
