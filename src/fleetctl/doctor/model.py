"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fleetctl.errors import FleetError, Problem, ProblemsError

__all__ = ["Finding", "State", "exit_code", "from_error"]


class State(StrEnum):
    """How a finding is to be taken; the worst last."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at: `inventory`, `known-hosts`, `authentication`; see docs/how-to/find-out-what-is-wrong.md.
        subject: the file or host it is about; empty where there is only one.
        message: one sentence: what is.
        remedy: what to do, a command to type where there is one; empty if all is well. Several lines are several remedies.
        host: whether `subject` is a host.
        reached: for a host's finding, whether the host could be logged in to.
    """

    check: str
    state: State
    message: str
    subject: str = ""
    remedy: str = ""
    host: bool = False
    reached: bool = False


def from_error(check: str, error: FleetError, *, subject: str = "") -> list[Finding]:
    """Tell an error that stopped a check as findings, one for each problem of a file."""
    problems: Iterable[Problem] = (
        error.problems if isinstance(error, ProblemsError) else [Problem(str(error), None, error.hint)]
    )
    return [
        Finding(
            check=check, state=State.FAIL, subject=subject, message=str(problem), remedy=problem.hint or ""
        )
        for problem in problems
    ]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 2 for a fault here, 3 for a failed check on a reached host, 4 for an unreachable host, else 0; warnings are no faults."""
    failed = [finding for finding in findings if finding.state is State.FAIL]
    if any(not finding.host for finding in failed):
        return 2
    if any(finding.reached for finding in failed):
        return 3
    return 4 if failed else 0
