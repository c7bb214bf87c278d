"""Findings, ready to be told in any format; and those of many hosts that are alike, together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetctl.doctor.model import Finding, State, exit_code
from fleetctl.hosts.alike import general
from fleetctl.report.protocol import Case, Telling

__all__ = ["Group", "group_alike", "healthy", "tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Findings of several hosts that say the same; `finding` is the first of them."""

    finding: Finding
    subjects: tuple[str, ...]


def group_alike(findings: Sequence[Finding]) -> list[Group]:
    """Put together what is the same but for the host's name, address and key; the order of first appearance is kept."""
    alike: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        name = finding.subject
        key = (
            (
                finding.check,
                finding.state,
                *(general(text, name) for text in (finding.message, finding.remedy)),
            )
            if finding.host
            else (id(finding),)
        )
        alike.setdefault(key, []).append(finding)
    return [
        Group(finding=members[0], subjects=tuple(member.subject for member in members))
        for members in alike.values()
    ]


def healthy(findings: Sequence[Finding]) -> dict[tuple[str, ...], list[str]]:
    """Return hosts whose every finding is ok, by the checks they passed."""
    checks: dict[str, list[str]] = {}
    ill = {f.subject for f in findings if f.host and f.state is not State.OK}
    for finding in findings:
        if finding.host and finding.subject not in ill:
            checks.setdefault(finding.subject, []).append(finding.check)
    hosts: dict[tuple[str, ...], list[str]] = {}
    for name, passed in checks.items():
        hosts.setdefault(tuple(passed), []).append(name)
    return hosts


def tell(findings: Sequence[Finding]) -> Telling:
    """Tell an examination: `Findings` with `Check`, `Subject`, `State`, `Message`, `Remedy`."""
    rows = [_row(finding) for finding in findings]
    counts = Counter(finding.state for finding in findings)
    code = exit_code(findings)
    data = {
        "SchemaVersion": "1.0",
        "Status": {0: "Healthy", 2: "Misconfigured", 3: "Failed", 4: "Unreachable"}[code],
        "Counts": {state.value: counts[state] for state in State},
        "Findings": rows,
    }
    columns = ("Check", "Kind", "Subject", "State", "Message", "Remedy")
    return Telling(
        data=data,
        rows=rows,
        columns=columns,
        cases=[_case(finding) for finding in findings],
        title="fleetctl doctor",
    )


def _row(finding: Finding) -> Mapping[str, str]:
    return {
        "Check": finding.check,
        "Kind": "host" if finding.host else "local",
        "Subject": finding.subject,
        "State": finding.state.value,
        "Message": finding.message,
        "Remedy": finding.remedy,
    }


def _case(finding: Finding) -> Case:
    text = f"{finding.message}\n{finding.remedy}".strip()
    unreachable = finding.host and not finding.reached
    failed = finding.state is State.FAIL
    return Case(
        name=finding.check,
        suite=finding.subject if finding.host else "this machine",
        failure=text if failed and not unreachable else "",
        error=text if failed and unreachable else "",
        kind=finding.check if failed else "",
    )
