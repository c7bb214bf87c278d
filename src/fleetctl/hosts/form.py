"""The form of an inventory file, as pydantic checks it and as its JSON Schema tells editors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

__all__ = ["BecomeForm", "GroupForm", "HostForm", "InventoryForm", "SettingsForm"]

_Text = Annotated[StrictStr, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Address = Annotated[StrictStr, Field(pattern=r"^[^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*$")]
_Word = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
_TagName = Annotated[StrictStr, Field(pattern=r"^[^\s=,&!@\x00-\x1f][^=,\x00-\x1f]*$")]
_TagValue = StrictStr | StrictInt | StrictFloat | StrictBool
_Method = Literal["sudo", "doas", "su"]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BecomeForm(_Form):
    """How commands become another user."""

    method: _Method = "sudo"
    user: _Text = Field(default="root", description="who to become")


class SettingsForm(_Form):
    """What defaults, groups and hosts may say alike."""

    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = Field(
        default=None, description="TCP port; default: ~/.ssh/config, else the transport's"
    )
    user: _Text | None = Field(
        default=None, description="login name; default: ~/.ssh/config, else the local user"
    )
    identity_file: _Text | list[_Text] | None = Field(
        default=None, description="private key, or several to try in order"
    )
    transport: _Word | None = Field(
        default=None, description="ssh (default), fabric, local, winrm, or a plugin's"
    )
    become: _Method | BecomeForm | Literal[False] | None = Field(
        default=None,
        description="how --become works: sudo, doas, su, or {method: sudo, user: root}; false: not at all",
    )
    jump: _Text | None = Field(
        default=None,
        description="jump host: a host of the inventory, user@host:port, a comma chain of them, or none",
    )
    tags: dict[_TagName, _TagValue] | None = Field(default=None, description="for selectors: role=web")
    zone: _Word | None = Field(default=None, description="network zone, for selectors and for workers")
    platform: _Word | None = Field(default=None, description="operating system, for selectors: os=debian")
    patch_group: _Text | None = Field(default=None, description="SSM's Patch Group: which baseline is meant")
    vars: dict[StrictStr, Any] | None = Field(default=None, description="values for templates")


class HostForm(SettingsForm):
    """One host, or a range of them."""

    address: _Address | None = Field(default=None, description="DNS name or IP; default: the host's name")


class GroupForm(SettingsForm):
    """A group: its hosts, the groups in it, and what all of them have."""

    children: list[StrictStr] | None = Field(default=None, description="groups that are in this one")
    hosts: dict[StrictStr, HostForm | None] | list[StrictStr] | None = Field(
        default=None,
        description="a list of names, or a map of names to what the hosts have; names may hold ranges",
    )


class InventoryForm(_Form):
    """Hosts of a fleet."""

    defaults: SettingsForm | None = Field(default=None, description="what all hosts of this file have")
    groups: dict[StrictStr, GroupForm | None] | None = Field(default=None, description="by name")
    hosts: dict[StrictStr, HostForm | None] | list[StrictStr] | None = Field(
        default=None, description="by name; a name may hold ranges: web-[01-20].example.net"
    )
    sources: list[dict[StrictStr, Any]] | None = Field(
        default=None,
        description="hosts that others know: ansible: FILE, ssh_config: FILE, command: [PROGRAM, ...]",
    )
