from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from fleetctl.report.protocol import StoredText, Telling
from fleetctl.report.yaml import Yaml

TEXT = st.text()
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def written(data: Any) -> str:
    file = io.StringIO()
    Yaml().write(Telling(data=data, rows=(), columns=()), file)
    return file.getvalue()


@given(data=DATA)
@example(data={"\x85": "a\n\x85b"})
def test_what_is_written_is_read_back(data: Any) -> None:
    assert yaml.safe_load(written(data)) == data


def test_lines_of_output_are_a_block_that_people_read(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"one\ntwo\n")
    text = written({"Out": StoredText((tmp_path / "out",)), "Rows": iter([{"a": "no"}, {"a": "22:30"}])})
    assert text == "Out: |\n  one\n  two\nRows:\n- a: 'no'\n- a: '22:30'\n"


def test_nothing_is_tagged_or_aliased() -> None:
    shared = ["x"]
    assert "*" not in written({"a": shared, "b": shared})
    assert "!" not in written({"a": (1, 2), "b": {"c": Path("/x")}})
