"""The reference of patches knows every word that a report may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleetctl.compliance.model import ComplianceStatus, Severity
from fleetctl.compliance.report import schema
from fleetctl.packages.change import TroubleKind
from fleetctl.patch.approval import Deployment
from fleetctl.patch.evaluate import _HELD, PatchState

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
STATES = (REFERENCE / "patch-states.md").read_text()
ALL = "\n".join(path.read_text() for path in sorted(REFERENCE.glob("*.md")))


def fields(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping):
        yield from found.get("properties", ())
        for value in found.values():
            yield from fields(value)
    elif isinstance(found, list):
        for value in found:
            yield from fields(value)


@pytest.mark.parametrize("state", PatchState)
def test_every_patch_state_has_a_row_with_its_meaning_and_verdict(state: PatchState) -> None:
    assert re.search(
        rf"^\| `{state}` \| .+ \| (not compliant|compliant|as the baseline says) \|$", STATES, re.MULTILINE
    )


@pytest.mark.parametrize("word", _HELD)
def test_everything_that_keeps_a_package_back_has_a_row_that_says_how_it_is_taken_away(word: str) -> None:
    assert re.search(rf"^\| `{word}` \| .+ \| .+ \|$", STATES, re.MULTILINE)


@pytest.mark.parametrize("word", [*Deployment, *Severity, *ComplianceStatus, *TroubleKind])
def test_every_word_of_a_verdict_or_a_trouble_is_in_the_reference(word: str) -> None:
    assert f"`{word}`" in ALL


@pytest.mark.parametrize("field", sorted(set(fields(schema()))))
def test_every_field_of_a_compliance_report_is_in_the_reference(field: str) -> None:
    assert re.search(rf"`(Details\.)?{field}`", ALL)
