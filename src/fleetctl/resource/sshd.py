"""What the SSH server does, by its own word (`sshd -T`): includes, defaults and Match blocks counted in."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Line, Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["Sshd"]

_ALL: Final = 20  # fewer settings than this are an error message
_FAULT: Final = "sshd does not tell its settings"


def _texts(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    return [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in values]


class Sshd(Resource):
    """One setting of sshd_config(5). Values are compared without regard to upper and lower case."""

    type: ClassVar[str] = "sshd"
    setting: str = Field(max_length=4096, pattern=r"^[A-Za-z][A-Za-z0-9]*$")
    value: Annotated[tuple[Line, ...], BeforeValidator(_texts)] = Field(
        default=(), description="text, or a list of which any is right"
    )
    at_least: int | None = None
    at_most: int | None = None
    lacks: Annotated[tuple[Line, ...], BeforeValidator(_texts)] = Field(
        default=(), description="not in the list of its values: weak ciphers"
    )
    match: str | None = Field(
        max_length=4096,
        default=None,
        pattern=r"^[A-Za-z0-9_.,:=/\[\]-]+$",
        description="for such a connection: user=git,addr=::1",
    )

    @model_validator(mode="after")
    def _something(self) -> Sshd:
        if not self.value and self.at_least is None and self.at_most is None and not self.lacks:
            raise ValueError("say what is wanted: value, at_least, at_most or lacks")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return f"sshd {self.setting}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.setting.lower(), *([self.match] if self.match else []))

    def judge(self, facts: Facts) -> Verdict:
        """Compare."""
        if facts.one("sshd") in {None, "none"}:
            return Verdict.unknown("there is no sshd of OpenSSH here")
        if (facts.number("settings") or 0) < _ALL:
            return Verdict.unknown(f"{_FAULT} ({facts.noise or 'no answer'}); it wants root: --become")
        told = [" ".join(value.split()).lower() for value in facts.all("value")]
        findings = Findings()
        shown = ", ".join(told) or "not set"
        if self.value:
            wanted = {" ".join(value.split()).lower() for value in self.value}
            findings.hold(
                self.setting, expected=" or ".join(self.value), found=shown, ok=bool(wanted & set(told))
            )
        for bound, words in ((self.at_least, "at least"), (self.at_most, "at most")):
            if bound is not None:
                numbers = [int(value) for value in told if re.fullmatch(r"[0-9]{1,9}", value)]
                ok = bool(numbers) and all(n >= bound if words == "at least" else n <= bound for n in numbers)
                findings.hold(self.setting, expected=f"{words} {bound}", found=shown, ok=ok)
        words_told = {word for value in told for word in re.split(r"[,\s]+", value)}
        for word in self.lacks:
            findings.hold(
                self.setting, expected=f"without {word}", found=shown, ok=word.lower() not in words_told
            )
        return findings.verdict()
