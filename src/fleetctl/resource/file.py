"""A file or folder: whether it is there, whose it is, and what it holds."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Line, Resource, Text
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["File"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Lines = Annotated[tuple[Line, ...], BeforeValidator(_listed)]
_NUMBER = r"^[0-9]+$"
_PERMISSIONS = {"r": 4, "w": 2, "x": 1, "s": 1, "t": 1}


class File(Resource):
    """A path on the host. Links are followed, but where `kind: link` is wanted."""

    type: ClassVar[str] = "file"
    path: str = Field(max_length=4096, pattern=r"^/[^\x00\n\r]*$")
    state: Literal["exists", "absent"] = "exists"
    kind: Literal["file", "directory", "link"] | None = None
    mode: str | None = Field(default=None, description="exactly these permissions, in octal: '0640'")
    mode_at_most: str | None = Field(default=None, description="no permission beyond these: '0640'")
    owner: Line | None = Field(default=None, description="name or number")
    group: Line | None = Field(default=None, description="name or number")
    target: Line | None = Field(default=None, description="what a link says")
    content: Text | None = Field(default=None, description="the whole of it")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    contains: Lines = Field(default=(), description="each of these texts is in some line")
    matches: Lines = Field(default=(), description="some line fits each POSIX extended regular expression")
    lacks: Lines = Field(default=(), description="no line fits any POSIX extended regular expression")

    @field_validator("mode", "mode_at_most", mode="before")
    @classmethod
    def _octal(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # 0640 without quotes is the number 640 in YAML 1.2; what was meant is plain
        if isinstance(value, str) and not re.fullmatch(r"0?[0-7]{3,4}", value):
            raise ValueError(f"'{value}' is no mode: write it in octal, such as '0640'")
        return value

    @model_validator(mode="after")
    def _together(self) -> File:
        told = self.model_fields_set - {"path", "state"}
        if self.state == "absent" and told:
            raise ValueError(f"a file that is to be absent has no {min(told)}")
        if self.content is not None and self.sha256:
            raise ValueError("content and sha256 say the same thing: write one of them")
        if self.kind != "link" and self.target:
            raise ValueError("target is for kind: link")
        if self.kind in {"link", "directory"} and (self._sum or self._patterns):
            raise ValueError(f"a {self.kind} has no content to check")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path

    @property
    def _sum(self) -> str | None:
        return sha256(self.content.encode()).hexdigest() if self.content is not None else self.sha256

    @property
    def _patterns(self) -> tuple[tuple[str, str], ...]:
        return tuple((how, text) for how in ("contains", "matches", "lacks") for text in getattr(self, how))

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        follow = "no" if self.kind == "link" else "yes"
        patterns = [word for pair in self._patterns for word in pair]
        return (self.path, follow, "yes" if self._sum else "no", *patterns)

    def judge(self, facts: Facts) -> Verdict:
        """Compare."""
        if facts.flag("denied"):
            return Verdict.unknown(f"{self.path}: this user may not look there; look as root: --become")
        exists = facts.flag("exists")
        if exists is None:
            return Verdict.unknown(facts.noise or "the host did not say whether it is there")
        findings = Findings()
        wanted = self.state == "exists"
        if exists != wanted or not wanted:
            told = {True: "it exists", False: "no such file"}
            findings.hold(self.path, expected=told[wanted], found=told[exists], ok=exists == wanted)
            return findings.verdict()
        kind = facts.one("kind")
        if kind == "dangling":
            findings.hold(self.path, expected="it exists", found="a link that leads nowhere", ok=False)
            return findings.verdict()
        findings.equal("kind", self.kind, kind)
        findings.equal("target", self.target, facts.one("target"))
        if kind != "link":
            self._judge_rights(facts, findings)
        if kind == "file":
            self._judge_content(facts, findings)
        elif self._sum or self._patterns:
            findings.hold("kind", expected="file", found=kind, ok=False)
        return findings.verdict()

    def _judge_rights(self, facts: Facts, findings: Findings) -> None:
        told = _rights(facts)
        if told is None:
            for name in ("mode", "mode_at_most", "owner", "group"):
                findings.equal(name, getattr(self, name), None)
            return
        mode, owner, group, uid, gid = told
        if self.mode is not None:
            wanted = int(self.mode, 8)
            findings.hold("mode", expected=f"{wanted:04o}", found=f"{mode:04o}", ok=mode == wanted)
        if self.mode_at_most is not None:
            most = int(self.mode_at_most, 8)
            findings.hold("mode", expected=f"at most {most:04o}", found=f"{mode:04o}", ok=not mode & ~most)
        for name, wished, found, number in (
            ("owner", self.owner, owner, uid),
            ("group", self.group, group, gid),
        ):
            if wished is not None:
                findings.equal(name, wished, number if re.fullmatch(_NUMBER, wished) else found)

    def _judge_content(self, facts: Facts, findings: Findings) -> None:
        if not self._sum and not self._patterns:
            return
        if not facts.flag("readable"):
            findings.equal("content", "", None, why="this user may not read it; look as root: --become")
            return
        if self._sum:
            digest = facts.one("sha256") or None
            found = (
                digest if self.content is None else ("as written" if digest == self._sum else "other text")
            )
            wanted = self._sum if self.content is None else "as written"
            why = "the host has no sha256sum, shasum, openssl or sha256"
            findings.equal("content", wanted, found if digest else None, why=why)
        seen = {how: iter(facts.all(how)) for how in ("contains", "matches", "lacks")}
        for how, text in self._patterns:
            code = next(seen[how], None)
            if code not in {"0", "1"}:
                findings.equal("content", text, None, why=f"grep cannot look for '{text}': {facts.noise}")
                continue
            wanted = f"no line like '{text}'" if how == "lacks" else f"a line like '{text}'"
            found = "there is one" if code == "0" else "there is none"
            findings.hold("content", expected=wanted, found=found, ok=(code == "0") == (how != "lacks"))


def _rights(facts: Facts) -> tuple[int, str, str, str, str] | None:
    """Return mode, owner, group, and the numbers of both; None where they were not told."""
    stat = (facts.one("stat") or "").split()
    if len(stat) >= 6 and re.fullmatch(r"[0-7]{1,5}", stat[0]):
        return int(stat[0], 8) & 0o7777, stat[1], stat[2], stat[3], stat[4]
    named, numbered = (facts.one("ls") or "").split(), (facts.one("lsn") or "").split()
    if len(named) < 4 or len(numbered) < 4 or len(named[0]) < 10:
        return None
    letters = named[0][1:10]
    mode = 0
    for place in range(3):
        mode = mode * 8 + sum(_PERMISSIONS.get(c, 0) for c in letters[place * 3 : place * 3 + 3])
    special = ((2, "sS", 0o4000), (5, "sS", 0o2000), (8, "tT", 0o1000))
    mode |= sum(bit for at, marks, bit in special if letters[at] in marks)
    return mode, named[2], named[3], numbered[2], numbered[3]
