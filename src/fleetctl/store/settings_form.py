"""The form of `fleetctl.yaml`: what is checked, and what the schema is made of. Imported only where there is such a file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["RunForm", "SettingsForm", "SshForm"]

_QUOTA = r"^(100|[1-9]?[0-9])%$|^[0-9]+$"
_NUMBER_OR_TEXT: Any = {"type": ["string", "integer"], "minimum": 0}


class RunForm(BaseModel):
    """Defaults of everything that works on many hosts."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    max_concurrency: str = Field(
        default="200",
        pattern=_QUOTA,
        json_schema_extra=_NUMBER_OR_TEXT,
        description="hosts worked on at once, N or P%",
    )
    max_errors: str = Field(
        default="100%",
        pattern=_QUOTA,
        json_schema_extra=_NUMBER_OR_TEXT,
        description="failures after which no new host starts",
    )
    max_unreachable: str = Field(
        default="100%",
        pattern=_QUOTA,
        json_schema_extra=_NUMBER_OR_TEXT,
        description="the same for unreachable hosts",
    )
    connect_concurrency: int = Field(
        default=64, ge=1, le=4096, description="connections being opened at once"
    )
    timeout: float = Field(default=3600, ge=1, le=2_592_000, description="seconds for one host's work")
    connect_timeout: float = Field(default=10, ge=0.1, le=3600, description="seconds to connect and log in")
    confirm_above: int | None = Field(
        default=None, ge=0, description="ask before a run on more hosts than this"
    )


class SshForm(BaseModel):
    """How hosts are reached over SSH."""

    model_config = ConfigDict(extra="forbid")
    known_hosts: list[str] = Field(default=[], description="files to check host keys against")
    host_keys: Literal["strict", "accept-new"] = Field(
        default="strict", description="what to do with an unknown host"
    )
    config: str | None = Field(default=None, description="OpenSSH configuration file; default ~/.ssh/config")
    key_exchange: Literal["default", "curve25519"] = Field(
        default="default",
        description="curve25519 leaves post-quantum key exchanges aside: less CPU, less future-proof",
    )


class SettingsForm(BaseModel):
    """Settings of a fleetctl project."""

    model_config = ConfigDict(extra="forbid")
    inventory: list[str] = Field(default=[], description="inventory files and folders; default inventories/")
    run: RunForm = RunForm()
    ssh: SshForm = SshForm()
    password_command: list[str] = Field(default=[], description="argv that prints a password")
    vars: dict[str, Any] = Field(default={}, description="values for templates, weaker than those of hosts")
