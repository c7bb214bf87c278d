from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.report.json import Json, encode
from fleetctl.report.jsonl import JsonLines
from fleetctl.report.protocol import StoredText, Telling

TEXT = st.text(st.characters())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=12,
)


@given(value=JSON)
def test_pieces_add_up_to_what_json_dumps_writes(value: Any) -> None:
    assert "".join(encode(value)) == json.dumps(value, ensure_ascii=False)
    assert json.loads("".join(encode(value, indent=1))) == value


@given(data=st.binary(max_size=100), more=st.binary(max_size=100))
def test_stored_bytes_are_one_string_whatever_they_are(
    data: bytes, more: bytes, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("stored")
    (folder / "a").write_bytes(data)
    (folder / "b").write_bytes(more)
    stored = StoredText((folder / "a", folder / "missing", folder / "b"))
    text = data.decode(errors="replace") + more.decode(errors="replace")
    assert str(stored) == text
    assert json.loads("".join(encode({"Out": stored}))) == {"Out": text}


def test_a_character_cut_by_a_chunk_is_whole(tmp_path: Path) -> None:
    text = "x" + "é" * (1 << 18)
    (tmp_path / "out").write_text(text, encoding="utf-8")
    assert str(StoredText((tmp_path / "out",))) == text


def test_iterators_stand_for_lists_and_are_never_held() -> None:
    alive: list[int] = []

    def rows() -> Iterator[dict[str, int]]:
        for number in range(5):
            alive.append(number)
            yield {"n": number}

    pieces = encode({"rows": rows()})
    while alive == []:
        next(pieces)
    assert alive == [0]
    assert "".join(pieces).endswith('{"n": 4}]}')


def test_the_document_ends_with_a_newline() -> None:
    file = io.StringIO()
    Json().write(Telling(data={"a": [{"b": [1]}]}, rows=(), columns=()), file)
    assert file.getvalue() == '{\n "a": [\n  {"b": [1]}\n ]\n}\n'


@given(rows=st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=3))
def test_json_lines_are_one_object_a_line(rows: list[dict[str, Any]]) -> None:
    file = io.StringIO()
    JsonLines().write(Telling(data=None, rows=rows, columns=()), file)
    lines = file.getvalue().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == rows
