"""What `fleetctl.yaml` may say. Everything is optional; flags beat environment beat file beat default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fleetctl.model import EMPTY

__all__ = ["RunSettings", "Settings", "SshSettings", "load_settings", "settings_schema"]


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
    )
