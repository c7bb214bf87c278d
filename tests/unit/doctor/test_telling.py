"""Findings of many hosts, told together; and the exit code they lead to."""

from __future__ import annotations

import pytest

from fleetctl.doctor.model import Finding, State, exit_code, from_error
from fleetctl.doctor.telling import group_alike, healthy, tell
from fleetctl.errors import ConfigError, Problem, ProblemsError, Where


def of_host(name: str, *, check: str = "connect", state: State = State.OK, reached: bool = True) -> Finding:
    return Finding(
        check=check,
        state=state,
        subject=name,
        message=f"{name} is {state}",
        host=True,
        reached=reached,
    )


LOCAL = Finding(check="key", state=State.FAIL, message="cannot be read")


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        ([of_host("a", state=State.WARN)], 0),
        ([of_host("a", state=State.FAIL, reached=False)], 4),
        ([of_host("a", state=State.FAIL, reached=False), of_host("b", state=State.FAIL)], 3),
        ([of_host("a", state=State.FAIL), LOCAL], 2),
    ],
)
def test_a_fault_here_outweighs_a_failed_check_which_outweighs_an_unreachable_host(
    findings: list[Finding], code: int
) -> None:
    assert exit_code(findings) == code


def test_hosts_that_differ_only_in_their_name_are_told_together() -> None:
    groups = group_alike([of_host("web-1", state=State.FAIL), LOCAL, of_host("web-2", state=State.FAIL)])
    assert [group.subjects for group in groups] == [("web-1", "web-2"), ("",)]


def test_local_findings_are_never_put_together() -> None:
    assert len(group_alike([LOCAL, Finding(check="key", state=State.FAIL, message=LOCAL.message)])) == 2


def test_a_host_with_one_warning_is_not_among_the_healthy() -> None:
    findings = [of_host("a"), of_host("b"), of_host("b", check="clock", state=State.WARN)]
    assert healthy(findings) == {("connect",): ["a"]}


def test_every_problem_of_an_error_becomes_a_finding() -> None:
    problems = [
        Problem("unknown key 'prot'", Where("hosts.yaml", 3, 4), "did you mean 'port'?"),
        Problem("too many"),
    ]
    found = from_error("inventory", ProblemsError(problems))
    assert [one.message for one in found] == ["hosts.yaml:3:4: unknown key 'prot'", "too many"]
    assert [one.remedy for one in from_error("key", ConfigError("no", hint="do this"))] == ["do this"]


def test_the_telling_counts_and_names_what_it_holds() -> None:
    telling = tell([of_host("a", state=State.FAIL, reached=False), of_host("b")])
    assert telling.data["Status"] == "Unreachable"
    assert telling.data["Counts"] == {"ok": 1, "info": 0, "warn": 0, "fail": 1}
    cases = list(telling.cases)
    assert (cases[0].suite, cases[0].name, cases[0].error) == ("a", "connect", "a is fail")
    assert not cases[1].error
