"""How grave something is, in one set of words: from vendors' own words, and from CVSS 3 vectors."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["SEVERITIES", "severity_of", "severity_word"]

SEVERITIES: Final = ("critical", "high", "medium", "low", "unimportant", "")
"""From the gravest on; the last one is not known."""
_VENDORS: Final = {"important": "high", "moderate": "medium", "negligible": "unimportant"}

_IMPACT: Final = {"H": 0.56, "L": 0.22, "N": 0.0}
_VALUES: Final = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": _IMPACT,
    "I": _IMPACT,
    "A": _IMPACT,
}
_RIGHTS: Final = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_WORDS: Final = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def severity_word(text: str) -> str:
    """Return a vendor's word as one of ours; empty for any other text."""
    word = text.strip().lower()
    word = _VENDORS.get(word, word)
    return word if word in SEVERITIES else ""


def severity_of(vector: str) -> str:
    """Return the severity of `CVSS:3.1/AV:N/...`; empty for what is no such vector, or scores nothing.

    FIRST: Common Vulnerability Scoring System v3.1, section 5 (ratings) and 7.1 (base score).
    """
    told = dict(part.partition(":")[::2] for part in vector.split("/"))
    if told.get("CVSS") not in {"3.0", "3.1"}:
        return ""
    try:
        values = {name: scores[told[name]] for name, scores in _VALUES.items()}
        rights = _RIGHTS[told["S"]][told["PR"]]
    except KeyError:
        return ""
    score = _score(values, rights, changed=told["S"] == "C")
    return next((word for least, word in _WORDS if score >= least), "")


def _score(values: dict[str, float], rights: float, *, changed: bool) -> float:
    base = 1 - (1 - values["C"]) * (1 - values["I"]) * (1 - values["A"])
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    if impact <= 0:
        return 0.0
    ease = 8.22 * values["AV"] * values["AC"] * rights * values["UI"]
    total = min((1.08 if changed else 1.0) * (impact + ease), 10)
    whole = round(total * 100_000)  # v3.1: Roundup, free of what binary fractions leave
    return whole / 100_000 if whole % 10_000 == 0 else (math.floor(whole / 10_000) + 1) / 10
