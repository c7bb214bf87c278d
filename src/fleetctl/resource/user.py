"""A user account."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Line, Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["User"]


class User(Resource):
    """An account, from wherever the host has it."""

    type: ClassVar[str] = "user"
    user: str = Field(max_length=4096, alias="name", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@$\\-]*$")
    state: Literal["exists", "absent"] = "exists"
    uid: int | None = Field(default=None, ge=0)
    groups: tuple[Line, ...] = Field(default=(), description="it is in each of these")
    not_groups: tuple[Line, ...] = Field(default=(), description="it is in none of these")
    shell: Line | None = None
    home: Line | None = None
    locked: bool | None = Field(default=None, description="whether its password cannot be used; wants root")

    @model_validator(mode="after")
    def _together(self) -> User:
        told = self.model_fields_set - {"user", "state"}
        if self.state == "absent" and told:
            raise ValueError(f"a user that is to be absent has no {min(told)}")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return f"user {self.user}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.user,)

    def judge(self, facts: Facts) -> Verdict:
        """Compare."""
        if not facts.flag("asked"):
            return Verdict.unknown(facts.noise or "the host did not tell its users")
        fields = (facts.one("passwd") or "").split(":")
        exists = len(fields) >= 7
        findings = Findings()
        told = {True: "it exists", False: "no such user"}
        wanted = self.state == "exists"
        findings.hold(self.name, expected=told[wanted], found=told[exists], ok=exists == wanted)
        if exists and wanted:
            self._judge_account(facts, fields, findings)
        return findings.verdict()

    def _judge_account(self, facts: Facts, fields: list[str], findings: Findings) -> None:
        findings.equal(
            "uid", self.uid, int(fields[2]) if fields[2].isdecimal() and len(fields[2]) < 12 else None
        )
        findings.equal("shell", self.shell, fields[6])
        findings.equal("home", self.home, fields[5])
        groups = (facts.one("groups") or "").split()
        if (self.groups or self.not_groups) and not groups:
            findings.equal("groups", "", None)
        elif groups:
            missing = [group for group in self.groups if group not in groups]
            if missing:
                findings.hold(
                    "groups", expected=f"also {', '.join(missing)}", found=", ".join(groups), ok=False
                )
            for group in self.not_groups:
                findings.hold(
                    "groups", expected=f"not {group}", found=", ".join(groups), ok=group not in groups
                )
        why = "whether it is locked cannot be told; look as root: --become"
        findings.equal("locked", self.locked, facts.flag("locked"), why=why)
