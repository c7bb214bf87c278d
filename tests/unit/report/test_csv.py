from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.report.csv import Csv
from fleetctl.report.protocol import StoredText, Telling


def written(rows: list[dict[str, Any]], *columns: str) -> str:
    file = io.StringIO(newline="")
    Csv().write(Telling(data=None, rows=rows, columns=columns), file)
    return file.getvalue()


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(rows=st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text()}), max_size=5))
def test_what_is_written_is_read_back_by_another_reader(rows: list[dict[str, str]]) -> None:
    header, *lines = read(written(rows, "a", "b"))
    assert header == ["a", "b"]
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        for cell, value in zip(line, (row["a"], row["b"]), strict=True):
            harmless = "'" + value if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
            assert cell == harmless


@pytest.mark.parametrize(
    "evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")']
)
def test_output_does_not_become_a_formula(evil: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(evil.encode())
    rows = [{"text": evil, "stored": StoredText((tmp_path / "empty", tmp_path / "out"))}]
    ((_, _), (text, stored)) = read(written(rows, "text", "stored"))
    assert text == stored == "'" + evil


def test_numbers_stay_numbers_and_nothing_is_empty() -> None:
    rows = [{"code": -1, "seconds": 0.5, "ok": True, "none": None, "list": ["a", "b"], "map": {"k": "v"}}]
    assert written(rows, "code", "seconds", "ok", "none", "missing", "list", "map").splitlines()[1] == (
        "-1,0.5,True,,,a;b,k=v"
    )


def test_lines_end_as_rfc_4180_says() -> None:
    assert written([{"a": "x"}], "a") == "a\r\nx\r\n"


def test_a_large_output_passes_through_and_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b'line "quoted"\n' * 2_000_000)
    with (tmp_path / "result.csv").open("w", newline="") as file:
        tracemalloc.start()
        try:
            rows = [{"out": StoredText((tmp_path / "out",))}]
            Csv().write(Telling(data=None, rows=rows, columns=("out",)), file)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (tmp_path / "result.csv").stat().st_size > 28_000_000
    assert peak < 5_000_000
