"""What `fleetctl.yaml` may say. Everything is optional; flags beat environment beat file beat default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fleetctl.model import EMPTY

__all__ = [
    "RetentionSettings",
    "RunSettings",
    "Settings",
    "SinkSettings",
    "SshSettings",
    "load_settings",
    "settings_schema",
]


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
class SinkSettings:
    """A place that runs are copied to.

    Attributes:
        url: `s3://BUCKET/PREFIX`, `file:///FOLDER`.
        options: what that kind of sink takes: `endpoint`, `region`, `profile`.
        when: as the run goes on, or when it has ended.
        every: seconds between two pieces of the ledger while the run goes on.
    """

    url: str
    options: Mapping[str, str] = EMPTY
    when: Literal["during", "end"] = "during"
    every: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long runs are kept; None sets no limit. Nothing is removed but by `fleetctl runs prune`.

    Attributes:
        keep: seconds after their end.
        max_size: bytes of all runs together.
    """

    keep: float | None = None
    max_size: int | None = None


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
    sinks: tuple[SinkSettings, ...] = ()
    retention: RetentionSettings = field(default_factory=RetentionSettings)


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of `fleetctl.yaml`."""
    from fleetctl.spec.check import json_schema  # noqa: PLC0415
    from fleetctl.store.settings_form import SettingsForm  # noqa: PLC0415

    return json_schema(SettingsForm, title="fleetctl project settings")


def load_settings(path: Path) -> Settings:
    """Read `fleetctl.yaml`.

    Raises:
        ProblemsError: everything that is wrong with it.
    """
    from fleetctl.spec.check import check  # noqa: PLC0415
    from fleetctl.spec.yaml import load_document  # noqa: PLC0415
    from fleetctl.store.settings_form import SettingsForm  # noqa: PLC0415 - brings pydantic

    document = load_document(path)
    if document.data is None:
        return Settings()
    model: Any = check(document, SettingsForm)
    run = RunSettings(**model.run.model_dump())
    ssh = SshSettings(**{**model.ssh.model_dump(), "known_hosts": tuple(model.ssh.known_hosts)})
    return Settings(
        inventory=tuple(model.inventory),
        run=run,
        ssh=ssh,
        password_command=tuple(model.password_command),
        vars=model.vars,
        sinks=tuple(SinkSettings(**sink.settings()) for sink in model.sinks),
        retention=RetentionSettings(**model.retention.settings()),
    )
