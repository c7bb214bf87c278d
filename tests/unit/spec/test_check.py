"""Models' errors in people's words, with their places."""

from datetime import date
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from fleetctl.errors import ProblemsError
from fleetctl.spec.check import check, dotted, json_schema
from fleetctl.spec.yaml import parse_document


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Become(Form):
    method: Literal["sudo", "doas"] = "sudo"


class Host(Form):
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    user: str | None = None
    password: int | None = None
    become: Literal["sudo", "doas", False] | Become | None = None
    tags: dict[Annotated[str, Field(pattern="^[a-z]+$")], str] = {}
    names: list[str] = Field([], max_length=2)
    web_name: str | None = Field(None, alias="webName")
    free: Any = None

    @field_validator("user")
    @classmethod
    def no_root(cls, value):
        if value == "root":
            raise ValueError("root does not log in")
        return value


class Inventory(Form):
    hosts: dict[str, Host | None] | list[str] = {}
    version: int = 1
    until: date | None = None
    folder: Annotated[str, Field(pattern=r"^/[^\x00]*$")] | None = None
    some: Annotated[list[Become], Field(min_length=1)] | None = None


def problems(text, model=Inventory):
    with pytest.raises(ProblemsError) as caught:
        check(parse_document(text, file="inv.yaml"), model)
    return [(str(problem), problem.hint) for problem in caught.value.problems]


def test_what_is_right_becomes_the_model():
    assert check(parse_document("hosts: {a: {port: 22}}", file="f"), Inventory).hosts["a"].port == 22


def test_a_list_is_not_called_short_for_what_is_wrong_inside():
    assert [problem for problem, _ in problems("some: [{method: su}]")] == [
        "inv.yaml:1:17: some[0].method: expected one of 'sudo', 'doas', got 'su'"
    ]
    ((problem, _),) = problems("some: []")
    assert "expected at least 1 entry, got an empty list" in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("until: tomorrow", "until: expected a date such as 2027-03-31, got 'tomorrow'"),
        ("folder: etc/passwd", "folder: expected a path that begins with /, got 'etc/passwd'"),
    ],
)
def test_dates_and_paths_are_asked_for_in_words(text, problem):
    ((said, _),) = problems(text)
    assert said.endswith(problem)


def test_an_empty_file_is_an_empty_map():
    assert check(parse_document("", file="f"), Inventory).hosts == {}


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        (
            "hosts:\n  web-1: {prot: 22}",
            "inv.yaml:2:11: hosts.web-1: unknown key 'prot'",
            "did you mean 'port'?",
        ),
        (
            "hosts: {a: {webname: x}}",
            "inv.yaml:1:13: hosts.a: unknown key 'webname'",
            "did you mean 'webName' or 'names'?",
        ),
        ("host: {}", "inv.yaml:1:1: unknown key 'host'", "did you mean 'hosts'?"),
        (
            "hosts: {a: {port: '22'}}",
            "inv.yaml:1:19: hosts.a.port: expected a whole number, got '22'",
            "take the quotes off",
        ),
        ("hosts: {a: {port: 0}}", "inv.yaml:1:19: hosts.a.port: expected at least 1, got 0", None),
        ("hosts: {a: {port: 70000}}", "inv.yaml:1:19: hosts.a.port: expected at most 65535, got 70000", None),
        ("hosts: {a: {user: 5}}", "inv.yaml:1:19: hosts.a.user: expected text, got 5", "put quotes round it"),
        ("hosts: {a: {user: root}}", "inv.yaml:1:19: hosts.a.user: root does not log in", None),
        (
            "hosts: {a: {become: sud}}",
            "inv.yaml:1:21: hosts.a.become: expected one of 'sudo', 'doas', false or a map, got 'sud'",
            "did you mean 'sudo'?",
        ),
        (
            "hosts: {a: {become: {metod: sudo}}}",
            "inv.yaml:1:22: hosts.a.become: unknown key 'metod'",
            "did you mean 'method'?",
        ),
        (
            "hosts: {a: {become: {method: su}}}",
            "inv.yaml:1:30: hosts.a.become.method: expected one of 'sudo', 'doas', got 'su'",
            "did you mean 'sudo'?",
        ),
        ("hosts: {a: {tags: [x]}}", "inv.yaml:1:19: hosts.a.tags: expected a map, got a list", None),
        ("hosts: {a: [x]}", "inv.yaml:1:12: hosts.a: expected a map, got a list", None),
        ("hosts: x", "inv.yaml:1:8: hosts: expected a map or a list, got 'x'", None),
        (
            "hosts: {a: {names: [a, b, c]}}",
            "inv.yaml:1:20: hosts.a.names: expected at most 2 entries, got a list",
            None,
        ),
        (
            "hosts: {a: {names: [a, 1]}}",
            "inv.yaml:1:24: hosts.a.names[1]: expected text, got 1",
            "put quotes round it",
        ),
        ("- a", "inv.yaml:1:1: expected a map, got a list", None),
        ("hello", "inv.yaml:1:1: expected a map, got 'hello'", None),
    ],
)
def test_one_fault_is_one_problem(text, problem, hint):
    assert problems(text) == [(problem, hint)]


def test_a_key_that_does_not_fit_is_named():
    ((text, _),) = problems("hosts: {a: {tags: {ROLE: x}}}")
    assert text == "inv.yaml:1:20: hosts.a.tags: 'ROLE' is no key here: expected text that matches ^[a-z]+$"


def test_values_of_secret_keys_are_not_shown():
    ((text, _),) = problems("hosts: {a: {password: hunter2}}")
    assert "hunter2" not in text


def test_a_missing_key_points_to_the_map_that_lacks_it():
    class Needs(Form):
        inner: Become
        name: str

    found = problems("inner: {}", Needs)
    assert found == [("inv.yaml:1:1: key 'name' is missing", None)]


def test_all_faults_come_in_the_order_of_the_file():
    text = "version: x\nhosts:\n  b: {prot: 1}\n  a: {user: 1, nmaes: []}\n"
    places = [line.split(": ")[0] for line, _ in problems(text)]
    assert places == ["inv.yaml:1:10", "inv.yaml:3:7", "inv.yaml:4:13", "inv.yaml:4:16"]


def test_paths_are_written_as_people_do():
    assert dotted(("sources", 0, "ansible")) == "sources[0].ansible"


def test_the_schema_is_valid_and_says_what_it_is():
    schema = json_schema(Inventory, title="fleetctl inventory")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:fleetctl:schema:fleetctl-inventory"
    assert schema["title"] == "fleetctl inventory"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"hosts": {"a": {"prot": 1}}}, schema)


def test_duplicate_keys_are_told_with_all_else_that_is_wrong() -> None:
    document = parse_document("hosts: {a: {prot: 1}, a: {}}\nhostz: {}\n", file="inv.yaml", later=True)
    with pytest.raises(ProblemsError) as caught:
        check(document, Inventory)
    told = [str(problem) for problem in caught.value.problems]
    assert [line.split(":")[1:3] for line in told] == [["1", "13"], ["1", "23"], ["2", "1"]]
    assert "duplicate key 'a'" in told[1]
    only = parse_document("hosts: {a: {}, a: {}}\n", file="inv.yaml", later=True)
    with pytest.raises(ProblemsError, match="duplicate key 'a'"):
        check(only, Inventory)
