"""What `fleetctl.yaml` may say. Everything is optional; flags beat environment beat file beat default."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fleetctl.model import EMPTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

from dataclasses import dataclass, field

__all__ = ["RunSettings", "Settings", "SshSettings", "load_settings", "settings_model", "settings_schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Defaults of everything that works on many hosts."""

    max_concurrency: str = "200"
    max_errors: str = "100%"
    max_unreachable: str = "100%"
    connect_concurrency: int = 64
    timeout: float = 3600.0
    connect_timeout: float = 10.0
    confirm_above: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """How hosts are reached over SSH."""

    known_hosts: tuple[str, ...] = ()
    host_keys: Literal["strict", "accept-new"] = "strict"
    config: str | None = None
    key_exchange: Literal["default", "curve25519"] = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A project's settings.

    Attributes:
        inventory: files and folders, relative to the project; empty means `inventories/`.
        password_command: argv that prints a password; asked with the purpose and the host in its environment.
    """

    inventory: tuple[str, ...] = ()
    run: RunSettings = field(default_factory=RunSettings)
    ssh: SshSettings = field(default_factory=SshSettings)
    password_command: tuple[str, ...] = ()
    vars: Mapping[str, Any] = EMPTY


@cache
def settings_model() -> type[BaseModel]:
    """Return the pydantic model of `fleetctl.yaml`: what is checked, and what the schema is made of."""
    from pydantic import BaseModel, ConfigDict, Field  # noqa: PLC0415 - not on the way of a run without a project

    quota = r"^(100|[1-9]?[0-9])%$|^[0-9]+$"
    number_or_text: Any = {"type": ["string", "integer"], "minimum": 0}

    class Run(BaseModel):
        """Defaults of everything that works on many hosts."""

        model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
        max_concurrency: str = Field(
            default="200",
            pattern=quota,
            json_schema_extra=number_or_text,
            description="hosts worked on at once, N or P%",
        )
        max_errors: str = Field(
            default="100%",
            pattern=quota,
            json_schema_extra=number_or_text,
            description="failures after which no new host starts",
        )
        max_unreachable: str = Field(
            default="100%",
            pattern=quota,
            json_schema_extra=number_or_text,
            description="the same for unreachable hosts",
        )
        connect_concurrency: int = Field(
            default=64, ge=1, le=4096, description="connections being opened at once"
        )
        timeout: float = Field(default=3600, ge=1, le=2_592_000, description="seconds for one host's work")
        connect_timeout: float = Field(
            default=10, ge=0.1, le=3600, description="seconds to connect and log in"
        )
        confirm_above: int | None = Field(
            default=None, ge=0, description="ask before a run on more hosts than this"
        )

    class Ssh(BaseModel):
        """How hosts are reached over SSH."""

        model_config = ConfigDict(extra="forbid")
        known_hosts: list[str] = Field(default=[], description="files to check host keys against")
        host_keys: Literal["strict", "accept-new"] = Field(
            default="strict", description="what to do with an unknown host"
        )
        config: str | None = Field(
            default=None, description="OpenSSH configuration file; default ~/.ssh/config"
        )
        key_exchange: Literal["default", "curve25519"] = Field(
            default="default",
            description="curve25519 leaves post-quantum key exchanges aside: less CPU, less future-proof",
        )

    class Project(BaseModel):
        """Settings of a fleetctl project."""

        model_config = ConfigDict(extra="forbid")
        inventory: list[str] = Field(
            default=[], description="inventory files and folders; default inventories/"
        )
        run: Run = Run()
        ssh: Ssh = Ssh()
        password_command: list[str] = Field(default=[], description="argv that prints a password")
        vars: dict[str, Any] = Field(
            default={}, description="values for templates, weaker than those of hosts"
        )

    return Project


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of `fleetctl.yaml`."""
    from fleetctl.spec.check import json_schema  # noqa: PLC0415

    return json_schema(settings_model(), title="fleetctl project settings")


def load_settings(path: Path) -> Settings:
    """Read `fleetctl.yaml`.

    Raises:
        ProblemsError: everything that is wrong with it.
    """
    from fleetctl.spec.check import check  # noqa: PLC0415
    from fleetctl.spec.yaml import load_document  # noqa: PLC0415

    document = load_document(path)
    if document.data is None:
        return Settings()
    model: Any = check(document, settings_model())
    run = RunSettings(**model.run.model_dump())
    ssh = SshSettings(**{**model.ssh.model_dump(), "known_hosts": tuple(model.ssh.known_hosts)})
    return Settings(
        inventory=tuple(model.inventory),
        run=run,
        ssh=ssh,
        password_command=tuple(model.password_command),
        vars=model.vars,
    )
