"""What a check says about one thing, for formats that list findings (SARIF)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleetctl.model import EMPTY

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result.

    Attributes:
        rule: id of what was checked; equal for all hosts.
        name: of the rule, for people.
        message: what was found.
        host: where.
        kind: `pass`, `fail`, or `open` where it could not be judged.
        severity: SSM's word.
        why, remedy: of the rule.
        refs: framework -> section.
        file, line: where the rule is written down; empty and 0 if nowhere.
        waived: why it may be so; empty if it may not.
    """

    rule: str
    name: str
    message: str
    host: str
    kind: Literal["pass", "fail", "open"] = "fail"
    severity: str = "UNSPECIFIED"
    why: str = ""
    remedy: str = ""
    refs: Mapping[str, str] = EMPTY
    file: str = ""
    line: int = 0
    waived: str = ""
