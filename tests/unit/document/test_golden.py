"""Documents as people write them: good ones load, bad ones say everything that is wrong and where.

A new case is a new file in `tests/golden/documents/`; beside a bad one lies what must be said about it.
"""

from pathlib import Path

import pytest

from fleetctl.document.load import load_file
from fleetctl.errors import DocumentError, ProblemsError

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden/documents"
GOOD = sorted((GOLDEN / "good").glob("*.*"))
EXAMPLES = sorted((ROOT / "examples/documents").glob("*.*"))
BAD = sorted(path for path in (GOLDEN / "bad").glob("*.*") if path.suffix != ".problems")


def told(exc: DocumentError) -> str:
    """Return an error as lines `place: message` with its hints indented below, files without folders."""
    problems = exc.problems if isinstance(exc, ProblemsError) else [exc]
    lines = []
    for problem in problems:
        where = problem.where
        lines.append(f"{where.line}:{where.column}: {problem.message}" if where else problem.message)
        lines += [f"    {line}" for line in (problem.hint or "").splitlines()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", GOOD + EXAMPLES, ids=lambda path: path.name)
def test_a_good_document_loads(path):
    document = load_file(path)
    assert document.steps
    assert document.name == path.stem


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_give_no_reason_for_a_warning(path):
    assert load_file(path).warnings == ()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_a_bad_document_is_told_what_is_wrong_and_where(path):
    with pytest.raises(DocumentError) as caught:
        load_file(path)
    assert caught.value.exit_code == 2
    assert caught.value.code == "bad-document"
    assert told(caught.value) == path.with_name(path.name + ".problems").read_text()


def test_there_are_golden_documents():
    assert len(GOOD) >= 3
    assert len(BAD) >= 10
