"""The form of a list of patches. Imported only where there is one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from fleetctl.spec.check import json_schema

__all__ = ["EntryForm", "PatchListForm", "schema"]


def _word(text: str) -> str:
    if not text or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} is no patch: they look like dhclient.x86_64, with * and ? where you like")
    return text


def _title(text: str) -> str:
    if text and ":" not in text and "*" not in text:
        raise ValueError(
            f"{text!r} has no version: titles look like bash.x86_64:0:4.2.46-28.el7, on apt like bash.amd64:5.2.15-2"
        )
    return _word(text) if text else text


class EntryForm(BaseModel):
    """A patch. SSM: further fields are for people, and are not looked at."""

    model_config = ConfigDict(extra="allow")

    id: Annotated[StrictStr, AfterValidator(_word)] = Field(
        description="name.arch, or a name; * and ? in any place"
    )
    title: Annotated[StrictStr, AfterValidator(_title)] = Field(
        default="",
        description="name.arch:epoch:version-release, on apt name.arch:version; * and ? in any place",
    )


class PatchListForm(BaseModel):
    """SSM: InstallOverrideList."""

    model_config = ConfigDict(extra="forbid")

    patches: Annotated[list[EntryForm], Field(min_length=1)]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of such a file."""
    return json_schema(PatchListForm, title="fleetctl patch list")
