"""A task as data: secrets are marks in it, and come back where they were."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.work import Work, new_mark, restore
from fleetctl.errors import CredentialError, NotFoundError
from fleetctl.run.command import CommandTask

SPEC = {
    "Script": "login hunter22 and hunter22extra", "Interpreter": ["sh"], "Args": ["hunter22"], "Env": {"TOKEN": "hunter22"},
    "Cwd": None, "Stdin": None, "Become": {"Wanted": None, "User": None},
}  # fmt: skip


def test_a_secret_is_nowhere_in_what_is_kept_and_comes_back_everywhere() -> None:
    named = {"TOKEN": "hunter22", "LONGER": "hunter22extra"}
    work = Work.of("command", SPEC, named=named, secrets_=frozenset(named.values()))
    assert work is not None
    kept = json.dumps(work.to_json())
    assert "hunter22" not in kept
    task, secrets = restore(Work.from_json(json.loads(kept)), environment=named)
    assert isinstance(task, CommandTask)
    assert task.command.script == SPEC["Script"]
    assert (task.command.args, dict(task.command.env)) == (("hunter22",), {"TOKEN": "hunter22"})
    assert secrets == set(named.values())


def test_a_secret_without_a_name_makes_it_impossible_to_keep() -> None:
    assert Work.of("command", SPEC, secrets_=frozenset({"hunter22"})) is None


@pytest.mark.parametrize("value", ["secret", "cret-", "0123", "abcd"])
def test_a_secret_that_looks_like_a_part_of_a_mark_is_kept_like_any_other(value: str) -> None:
    named = {"A": value, "B": "hunter22"}
    work = Work.of("command", {**SPEC, "Args": [value]}, named=named, secrets_=frozenset(named.values()))
    assert work is not None
    task, _ = restore(work, environment=named)
    assert (task.command.script, task.command.args) == (SPEC["Script"], (value,))


@given(st.text(min_size=1), st.dictionaries(st.sampled_from("ABC"), st.text(min_size=1), max_size=3))
def test_every_text_comes_back_as_it_was(text: str, named: dict[str, str]) -> None:
    work = Work.of("command", {**SPEC, "Script": text}, named=named)
    assert work is not None
    task, _ = restore(work, environment=named)
    assert task.command.script == text


def test_a_value_that_is_marked_already_comes_from_the_environment_of_the_day() -> None:
    mark = new_mark()
    work = Work.of("command", {**SPEC, "Env": {"DEBUG": mark}, "Script": "echo 1"}, marks={"DEBUG": mark})
    assert work is not None
    task, _ = restore(work, environment={"DEBUG": "0"})
    assert (task.command.script, dict(task.command.env)) == ("echo 1", {"DEBUG": "0"})


def test_what_is_missing_is_named_all_at_once() -> None:
    work = Work.of("command", SPEC, named={"TOKEN": "hunter22", "OTHER": "hunter22extra"})
    assert work is not None
    with pytest.raises(CredentialError) as why:
        restore(work, environment={"TOKEN": ""})
    assert "OTHER, TOKEN" in str(why.value.hint)


def test_a_kind_that_is_not_known_here_is_told() -> None:
    with pytest.raises(NotFoundError, match="'of-the-future'"):
        restore(Work(kind="of-the-future", spec={}), environment={})
