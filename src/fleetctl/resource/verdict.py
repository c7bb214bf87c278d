"""What a look at one resource came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Findings", "Standing", "Verdict"]

_LONGEST = 200  # characters of what was found that a sentence can bear


class Standing(StrEnum):
    """How a resource stands to what is wanted of it."""

    COMPLIANT = "COMPLIANT"
    NON_COMPLIANT = "NON_COMPLIANT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One resource on one host.

    Attributes:
        findings: what is not as wanted, each "NAME: expected X, found Y"; empty when compliant.
        why: why it cannot be told; empty unless unknown.
    """

    standing: Standing
    findings: tuple[str, ...] = ()
    why: str = ""

    @classmethod
    def unknown(cls, why: str) -> Verdict:
        """Say that it cannot be told."""
        return cls(standing=Standing.UNKNOWN, why=why)

    @property
    def text(self) -> str:
        """What there is to say, in one line."""
        return self.why or "; ".join(self.findings)


@dataclass(slots=True)
class Findings:
    """Collects what is not as wanted. One thing that is known to be wrong decides, also beside others that cannot be told."""

    wrong: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    def hold(self, name: str, *, expected: object, found: object, ok: bool) -> None:
        """Take note of one comparison."""
        if not ok:
            self.wrong.append(f"{name}: expected {_told(expected)}, found {_told(found)}")

    def equal(self, name: str, wanted: object, found: object | None, *, why: str = "it was not told") -> None:
        """Compare, unless nothing is wanted (None); what was not found out cannot be told."""
        if wanted is None:
            return
        if found is None:
            self.unsure.append(f"{name}: {why}")
        else:
            self.hold(name, expected=wanted, found=found, ok=wanted == found)

    def verdict(self) -> Verdict:
        """Return what all comparisons come to."""
        if self.wrong:
            return Verdict(standing=Standing.NON_COMPLIANT, findings=tuple(self.wrong))
        if self.unsure:
            return Verdict.unknown("; ".join(self.unsure))
        return Verdict(standing=Standing.COMPLIANT)


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).split()) or "nothing"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
