"""The form of `policies/*.yaml`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fleetctl.compliance.model import Severity
from fleetctl.resource.command import CommandCheck
from fleetctl.resource.file import File
from fleetctl.resource.kernel_module import KernelModule
from fleetctl.resource.mount import Mount
from fleetctl.resource.package import Package
from fleetctl.resource.port import Port
from fleetctl.resource.protocol import Line, Resource
from fleetctl.resource.service import Service
from fleetctl.resource.sshd import Sshd
from fleetctl.resource.sysctl import Sysctl
from fleetctl.resource.types import TYPES
from fleetctl.resource.user import User
from fleetctl.spec.check import json_schema

__all__ = ["AppliesForm", "CheckForm", "PolicyForm", "WaiverForm", "schema"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _severity(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _references(value: Any) -> Any:
    """Take numbers for text: `pci: 2.2` is a section, not a number."""
    if not isinstance(value, dict):
        return value
    return {
        k: str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v for k, v in value.items()
    }


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AppliesForm(_Form):
    """Which hosts a policy is for; both conditions must hold."""

    hosts: Line | None = Field(default=None, description="a selector: 'web,&env=prod'")
    os: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")], ...], BeforeValidator(_texts)
    ] = Field(
        default=(), description="ID or ID_LIKE of os-release, also with the version: debian, rhel-9, linux"
    )


class CheckForm(_Form):
    """One check: exactly one resource, and what to say about it."""

    id: Annotated[str, Field(pattern=_NAME, max_length=100)]
    title: Annotated[str, Field(min_length=1, max_length=500)]
    severity: Annotated[Severity, BeforeValidator(_severity)] = Severity.UNSPECIFIED
    why: str = ""
    remedy: str = ""
    refs: Annotated[dict[str, str], BeforeValidator(_references)] = Field(default_factory=dict)
    package: Package | None = None
    file: File | None = None
    service: Service | None = None
    port: Port | None = None
    sysctl: Sysctl | None = None
    user: User | None = None
    sshd: Sshd | None = None
    kernel_module: KernelModule | None = None
    mount: Mount | None = None
    command: CommandCheck | None = None

    @model_validator(mode="after")
    def _one_resource(self) -> CheckForm:
        if len(told := self._resources()) != 1:
            names = [resource.type for resource in told]
            what = f"has {' and '.join(names)}; write a check for each" if names else "says nothing to check"
            raise ValueError(f"the check '{self.id}' {what}: one of {', '.join(TYPES)}")
        return self

    def _resources(self) -> list[Resource]:
        return [found for name in TYPES if (found := getattr(self, name)) is not None]

    @property
    def resource(self) -> Resource:
        """What is checked."""
        return self._resources()[0]


class WaiverForm(_Form):
    """Somebody's word that some hosts may be otherwise, for a while."""

    check: Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]
    hosts: Line = Field(description="a selector; every host is 'all'")
    owner: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: date = Field(description="the last day on which it counts, in UTC: 2027-03-31")


class PolicyForm(_Form):
    """A compliance policy."""

    name: Annotated[str, Field(pattern=_NAME, max_length=100)]
    description: str = ""
    applies_to: AppliesForm = Field(default_factory=AppliesForm)
    checks: tuple[CheckForm, ...] = Field(min_length=1)
    waivers: tuple[WaiverForm, ...] = ()


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `policies/*.yaml`."""
    found = json_schema(PolicyForm, title="fleetctl compliance policy")
    _shorthands(found)
    words = [severity.value for severity in Severity]
    found["$defs"]["Severity"]["enum"] = [*(word.lower() for word in words), *words]
    return found


def _shorthands(node: Any) -> None:
    """Let the schema allow one text, or number, where the forms take it for a list of one."""
    if isinstance(node, list):
        for item in node:
            _shorthands(item)
    if not isinstance(node, dict):
        return
    for name, value in node.get("properties", {}).items():
        if value.get("type") == "array" and name in _SINGLE:
            node["properties"][name] = {
                "anyOf": [value, value.get("items", {}), *_ALSO.get(name, ())],
                **({"description": value["description"]} if "description" in value else {}),
            }
        elif name in _ALSO and "anyOf" in value:
            value["anyOf"] = [*value["anyOf"], *_ALSO[name]]
        elif name == "refs":
            value["additionalProperties"] = {"type": ["string", "number"]}
    for value in list(node.values()):
        _shorthands(value)


_SINGLE = frozenset({"os", "check", "contains", "matches", "lacks", "version", "value", "exit_code"})
_ALSO: dict[str, tuple[dict[str, Any], ...]] = {
    "value": ({"type": "integer"}, {"type": "array", "items": {"type": ["string", "integer"]}}),
    "mode": ({"type": "integer"},),
    "mode_at_most": ({"type": "integer"},),
}
