"""What a host told about one resource.

Every line of an answer begins with `|`, so that nothing that a file, a process or a link's name holds can be taken for a frame
of another check: a host's unprivileged users cannot write verdicts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetctl.packages.sections import Section

__all__ = ["Facts", "read_facts"]

_FACT = re.compile(r"([a-z][a-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One section, taken apart.

    Attributes:
        values: what was told as `key=value`, in order, by key.
        lines: all lines as they were printed, without the mark.
        code: exit code of the probe; None if its end was never seen.
        fault: why nothing of this can be believed; empty if all is well.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    code: int | None = None
    fault: str = ""

    def one(self, key: str) -> str | None:
        """Return a value, or None where the host told none; the first, where something made it tell several."""
        found = self.values.get(key)
        return found[0] if found else None

    def all(self, key: str) -> tuple[str, ...]:
        """Return all values of a key."""
        return self.values.get(key, ())

    def number(self, key: str) -> int | None:
        """Return a value as a number, or None."""
        text = self.one(key)
        return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text) else None

    def flag(self, key: str) -> bool | None:
        """Return a value that is `yes` or `no`, or None."""
        return {"yes": True, "no": False}.get(self.one(key) or "")

    @property
    def noise(self) -> str:
        """The last line that is no fact: what a tool complained of."""
        said = [line.strip() for line in self.lines if line.strip() and not _FACT.fullmatch(line)]
        return said[-1] if said else ""


def read_facts(section: Section) -> Facts:
    """Read a section of `scripts/check.sh`. Never raises."""
    if section.fault:
        return Facts(fault=section.fault)
    lines = [line.removesuffix("\r") for line in section.text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not all(line.startswith("|") for line in lines):
        return Facts(fault="the host's answer is garbled")
    told = [line[1:].replace("\0", "") for line in lines]
    end = re.fullmatch(r"=([0-9]{1,3})", told[-1]) if told else None
    if end is None:
        return Facts(fault="the host's answer breaks off before its end")
    body = told[:-1]
    if body and not body[-1]:
        body.pop()  # the frame begins on a line of its own, also behind text without a last newline
    values: dict[str, tuple[str, ...]] = {}
    for line in body:
        if fact := _FACT.fullmatch(line):
            values[fact[1]] = (*values.get(fact[1], ()), fact[2])
    return Facts(values=values, lines=tuple(body), code=int(end[1]))
