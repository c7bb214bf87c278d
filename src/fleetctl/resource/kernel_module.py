"""A kernel module: whether it is loaded, and whether it can be."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["KernelModule"]


class KernelModule(Resource):
    """A module of Linux; `-` and `_` in its name are the same."""

    type: ClassVar[str] = "kernel_module"
    module: str = Field(max_length=4096, alias="name", pattern=r"^[A-Za-z0-9_-]+$")
    loaded: bool | None = None
    blacklisted: bool | None = Field(
        default=None, description="modprobe.d(5) has `blacklist NAME`, or `install NAME /bin/false`"
    )

    @model_validator(mode="after")
    def _something(self) -> KernelModule:
        if self.loaded is None and self.blacklisted is None:
            raise ValueError("say what is wanted: loaded (true, false), blacklisted (true, false), or both")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return f"kernel module {self.module}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.module.replace("-", "_"),)

    def judge(self, facts: Facts) -> Verdict:
        """Compare; a module that is built into the kernel is loaded."""
        findings = Findings()
        loaded = True if facts.flag("builtin") else facts.flag("loaded")
        findings.equal("loaded", self.loaded, loaded, why="this host does not tell its modules")
        rules = [" ".join(rule.split()) for rule in facts.all("rule")]
        stops = any(re.match(r"blacklist |install \S+ (/usr)?/s?bin/(true|false)\b", rule) for rule in rules)
        sure = facts.flag("searched") and (stops or not facts.all("denied"))
        why = "not all files of modprobe.d can be read; look as root: --become"
        findings.equal("blacklisted", self.blacklisted, stops if sure else None, why=why)
        return findings.verdict()
