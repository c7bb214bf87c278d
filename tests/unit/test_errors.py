from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from fleetctl import errors
from fleetctl.errors import FleetError, Problem, ProblemsError, Where

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FleetError)]
# Those that only hold several of their parent's problems share its code.
OWN = [kind for kind in TREE if len(kind.__bases__) == 1]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in OWN]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    assert {kind.exit_code for kind in TREE} <= {1, 2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_the_tree(kind: type[FleetError]) -> None:
    (line,) = re.findall(rf"^.*\b{kind.__name__} .*$", errors.__doc__ or "", re.MULTILINE)
    if kind in OWN:
        exit_code, code = line.split(kind.__name__)[1].split()[:2]
        assert (int(exit_code), code) == (kind.exit_code, kind.code)
    else:
        assert "(also a ProblemsError)" in line
        assert issubclass(kind, ProblemsError)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Where("a.yaml"), "a.yaml: bad"),
        (Where("a.yaml", 3), "a.yaml:3: bad"),
        (Where("a.yaml", 3, 7), "a.yaml:3:7: bad"),
        (None, "bad"),
    ],
)
def test_an_error_says_where_then_what(where: Where | None, text: str) -> None:
    assert str(FleetError("bad", where=where)) == str(Problem("bad", where)) == text


def test_problems_are_told_in_order_and_carry_the_first_one_s_hint() -> None:
    error = ProblemsError([Problem("one", Where("a", 1), "do this"), Problem("two")])
    assert str(error) == "a:1: one\ntwo"
    assert (error.message, error.hint, error.where) == ("one", "do this", Where("a", 1))


def test_the_docstring_s_module_is_where_errors_become_exit_codes() -> None:
    source = Path(inspect.getfile(errors)).parent
    users = [path for path in source.rglob("*.py") if re.search(r"\bexc\.exit_code\b", path.read_text())]
    assert [path.relative_to(source).as_posix() for path in users] == ["cli/main.py"]
