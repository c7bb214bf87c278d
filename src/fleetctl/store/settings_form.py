"""The form of `fleetctl.yaml`: what is checked, and what the schema is made of. Imported only where there is such a file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from fleetctl.errors import UsageError
from fleetctl.spec.duration import parse_duration
from fleetctl.spec.size import parse_size

__all__ = ["RetentionForm", "RunForm", "SettingsForm", "SinkForm", "SshForm"]

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


class SinkForm(BaseModel):
    """A place that runs are copied to, each object once: nothing is ever overwritten there."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    url: str = Field(
        pattern=r"^[a-z][a-z0-9]*://[^@?#\s]+$", description="s3://BUCKET/PREFIX or file:///FOLDER"
    )
    endpoint: str | None = Field(
        default=None, pattern=r"^https?://[^@?#\s]+$", description="of a server that is not Amazon's"
    )
    region: str | None = Field(default=None, description="of the bucket")
    profile: str | None = Field(default=None, description="of ~/.aws/credentials; default: the environment")
    when: Literal["during", "end"] = Field(
        default="during", description="as the run goes on, or when it has ended"
    )
    every: str = Field(
        default="30s",
        json_schema_extra=_NUMBER_OR_TEXT,
        description="between two pieces of the ledger while the run goes on",
    )

    @field_validator("every")
    @classmethod
    def _long_enough(cls, text: str) -> str:
        if _seconds(text) < 1:
            raise ValueError("expected at least 1s")
        return text

    def settings(self) -> dict[str, Any]:
        """Return it as `SinkSettings` takes it."""
        given = {"endpoint": self.endpoint, "region": self.region, "profile": self.profile}
        options = {name: value for name, value in given.items() if value is not None}
        return {"url": self.url, "options": options, "when": self.when, "every": _seconds(self.every)}


class RetentionForm(BaseModel):
    """What `fleetctl runs prune` removes by default."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    keep: str | None = Field(default=None, description="runs that ended longer ago than this go: 90d, 12w")
    max_size: str | None = Field(default=None, description="the oldest go until all take no more: 5GB")

    @field_validator("keep")
    @classmethod
    def _duration(cls, text: str | None) -> str | None:
        if text is not None:
            _seconds(text)
        return text

    @field_validator("max_size")
    @classmethod
    def _size(cls, text: str | None) -> str | None:
        try:
            if text is not None:
                parse_size(text, name="max_size")
        except UsageError as exc:
            raise ValueError(f"'{text}' is no size: {exc.hint}") from exc
        return text

    def settings(self) -> dict[str, Any]:
        """Return it as `RetentionSettings` takes it."""
        return {
            "keep": None if self.keep is None else _seconds(self.keep),
            "max_size": None if self.max_size is None else parse_size(self.max_size, name="max_size"),
        }


def _seconds(text: str) -> float:
    try:
        return parse_duration(text, name="")
    except UsageError as exc:
        raise ValueError(f"'{text}' is no duration: {exc.hint}") from exc


class SettingsForm(BaseModel):
    """Settings of a fleetctl project."""

    model_config = ConfigDict(extra="forbid")
    inventory: list[str] = Field(default=[], description="inventory files and folders; default inventories/")
    run: RunForm = RunForm()
    ssh: SshForm = SshForm()
    password_command: list[str] = Field(default=[], description="argv that prints a password")
    vars: dict[str, Any] = Field(default={}, description="values for templates, weaker than those of hosts")
    sinks: list[SinkForm] = Field(default=[], description="where runs are copied to")
    retention: RetentionForm = RetentionForm()
