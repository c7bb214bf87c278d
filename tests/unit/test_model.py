from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import FrozenInstanceError

import pytest

from fleetctl.model import EMPTY, Command, Exit, Host, Outcome, Status


def test_an_empty_mapping_that_nobody_can_fill() -> None:
    assert dict(EMPTY) == {}
    assert not EMPTY
    assert EMPTY == {}
    assert hash(EMPTY) == hash(EMPTY)
    assert "x" not in EMPTY
    with pytest.raises(TypeError):
        EMPTY["x"] = 1  # type: ignore[index]
    assert deepcopy(EMPTY) is EMPTY
    assert pickle.loads(pickle.dumps(EMPTY)) is EMPTY  # noqa: S301 - our own bytes


def test_what_is_not_pending_has_ended() -> None:
    assert {status for status in Status if not status.ended} == {Status.PENDING, Status.IN_PROGRESS}


def test_the_error_budget_counts_what_ran_and_went_wrong() -> None:
    assert {status for status in Status if status.is_error} == {
        Status.FAILED,
        Status.TIMED_OUT,
        Status.UNKNOWN,
    }


def test_a_host_is_reached_by_its_address_or_else_its_name() -> None:
    assert Host(name="web").target == "web"
    assert Host(name="web", address="10.0.0.1").target == "10.0.0.1"
    with pytest.raises(FrozenInstanceError):
        Host(name="web").name = "x"  # type: ignore[misc]


def test_a_command_s_repr_shows_no_environment_and_no_stdin() -> None:
    text = repr(Command(script="x", env={"TOKEN": "hunter2"}, stdin=b"hunter3"))
    assert "hunter" not in text


def test_only_exit_code_0_is_well() -> None:
    assert Exit(code=0).ok
    assert not Exit(code=1).ok
    assert not Exit(signal="TERM").ok


def test_details_say_more_than_the_status_where_there_is_more_to_say() -> None:
    assert Outcome(host="a", status=Status.FAILED).status_details == "Failed"
    timed_out = Outcome(host="a", status=Status.TIMED_OUT, details="Execution Timed Out")
    assert timed_out.status_details == "Execution Timed Out"
