"""A command of one's own: for what no other type can tell. It must change nothing; fleetctl cannot see to that."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Resource, Text
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["CommandCheck"]

_NOT_FOUND = 127
_NOT_ALLOWED = 126


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


class CommandCheck(Resource):
    """What a POSIX sh script prints, and how it ends. Its stderr is not looked at."""

    type: ClassVar[str] = "command"
    run: Text
    exit_code: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], BeforeValidator(_listed)] = (0,)
    stdout: str | None = Field(default=None, description="exactly this, white space at its ends aside")
    matches: str | None = Field(
        default=None, description="Python regular expression, found somewhere in stdout"
    )
    lacks: str | None = Field(default=None, description="Python regular expression, found nowhere in stdout")

    @field_validator("matches", "lacks")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as exc:
            raise ValueError(f"'{value}' is no regular expression: {exc}") from exc
        return value

    @property
    def name(self) -> str:
        """What it is called."""
        first = self.run.strip().splitlines()[0] if self.run.strip() else ""
        return f"command '{first[:60]}'"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.run,)

    def judge(self, facts: Facts) -> Verdict:
        """Compare."""
        code = facts.code
        if code in {_NOT_FOUND, _NOT_ALLOWED} and code not in self.exit_code:
            what = "a program is not there" if code == _NOT_FOUND else "a program may not be run"
            return Verdict.unknown(f"exit code {code}: {what}")
        findings = Findings()
        wanted = " or ".join(map(str, self.exit_code))
        findings.hold("exit code", expected=wanted, found=code, ok=code in self.exit_code)
        text = "\n".join(facts.lines)
        if self.stdout is not None:
            findings.equal("stdout", self.stdout.strip(), text.strip())
        if self.matches is not None:
            ok = re.search(self.matches, text, re.MULTILINE) is not None
            findings.hold("stdout", expected=f"like '{self.matches}'", found=text, ok=ok)
        if self.lacks is not None:
            ok = re.search(self.lacks, text, re.MULTILINE) is None
            findings.hold("stdout", expected=f"not like '{self.lacks}'", found=text, ok=ok)
        return findings.verdict()
