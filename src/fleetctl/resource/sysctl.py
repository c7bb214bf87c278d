"""A kernel setting as it is now (sysctl)."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Line, Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["Sysctl"]


class Sysctl(Resource):
    """A setting below /proc/sys."""

    type: ClassVar[str] = "sysctl"
    setting: str = Field(max_length=4096, alias="name", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./:*@-]*$")
    value: Line | None = None
    at_least: int | None = None
    at_most: int | None = None

    @field_validator("value", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("setting")
    @classmethod
    def _below(cls, value: str) -> str:
        if ".." in value or "//" in value:
            raise ValueError(f"'{value}' is no setting: a part of it is empty")
        return value

    @model_validator(mode="after")
    def _something(self) -> Sysctl:
        if self.value is None and self.at_least is None and self.at_most is None:
            raise ValueError("say what is wanted: value, at_least or at_most")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return self.setting

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked. sysctl(8): where the first separator is a slash, dots are part of names."""
        first = re.search(r"[./]", self.setting)
        slashes = first is not None and first[0] == "/"
        path = self.setting if slashes else self.setting.translate(str.maketrans("./", "/."))
        return (path, self.setting)

    def judge(self, facts: Facts) -> Verdict:
        """Compare; runs of white space count as one blank."""
        if facts.flag("denied"):
            return Verdict.unknown(f"{self.setting}: this user may not read it; look as root: --become")
        exists, value = facts.flag("exists"), facts.one("value")
        findings = Findings()
        if exists is False:
            wanted = self.value or f"{self.at_least or ''}..{self.at_most or ''}"
            findings.hold(self.setting, expected=wanted, found="no such setting", ok=False)
            return findings.verdict()
        if exists is None or value is None:
            return Verdict.unknown(facts.noise or "this host has no sysctl")
        plain = " ".join(value.split())
        findings.equal(self.setting, " ".join(self.value.split()) if self.value is not None else None, plain)
        number = int(plain) if re.fullmatch(r"-?[0-9]{1,19}", plain) else None
        for least, words in ((self.at_least, "at least"), (self.at_most, "at most")):
            if least is not None:
                ok = number is not None and (number >= least if words == "at least" else number <= least)
                findings.hold(self.setting, expected=f"{words} {least}", found=plain, ok=ok)
        return findings.verdict()
