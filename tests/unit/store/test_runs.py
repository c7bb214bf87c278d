"""Run folders."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import NotFoundError, StateFolderError
from fleetctl.store.runs import RunFolder, Runs, new_run_id, to_bytes, write_json

NOW = datetime(2026, 11, 23, 20, 45, 12, 93_400, tzinfo=UTC)


def made(runs: Runs, *ids: str) -> list[RunFolder]:
    folders = [runs.create(run_id) for run_id in ids]
    for folder in folders:
        folder.write_run({"CommandId": folder.run_id})
    return folders


@given(moments=st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5))
def test_run_ids_sort_by_time_to_the_millisecond(moments: list[datetime]) -> None:
    moments = sorted({moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in moments})
    moments = [moment for moment in moments if moment.year >= 1000]
    ids = [new_run_id(moment).rpartition("-")[0] for moment in moments]
    assert ids == sorted(ids)


def test_a_run_id_is_in_utc_and_never_the_same_twice() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    assert new_run_id(berlin).startswith("20261123T204512.093-")
    assert len({new_run_id(NOW) for _ in range(100)}) == 100


def test_runs_are_found_by_id_part_and_last(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first, second = made(runs, "20261123T204512.093-aaaaaa", "20261124T204512.093-bbbbbb")
    assert list(runs) == [second, first]
    assert runs.find("last") == runs.find("@last") == second
    assert runs.find("aaaaaa") == first
    assert runs.find(first.run_id) == first
    with pytest.raises(NotFoundError, match="fits 2 runs") as caught:
        runs.find("T2045")
    assert first.run_id in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["nope", "", ".", "..", "../runs", "/", "20261123T204512.093-aaaaaa/out"])
def test_what_is_no_run_is_not_found(tmp_path: Path, name: str) -> None:
    made(Runs(tmp_path), "20261123T204512.093-aaaaaa")
    with pytest.raises(NotFoundError):
        Runs(tmp_path).find(name)


def test_what_else_lies_there_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    assert list(Runs(tmp_path)) == []
    assert list(Runs(tmp_path / "missing")) == []


def test_a_run_is_made_once(tmp_path: Path) -> None:
    Runs(tmp_path).create("x")
    with pytest.raises(StateFolderError, match="cannot be made"):
        Runs(tmp_path).create("x")


def test_a_run_is_removed_with_all_it_kept(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    (folder,) = made(runs, "x")
    (folder.output("web") / "step").mkdir(parents=True)
    runs.remove(folder)
    assert not list(tmp_path.iterdir())
    with pytest.raises(StateFolderError, match="cannot be removed"):
        runs.remove(folder)


def test_parts_that_are_missing_or_damaged_say_so(tmp_path: Path) -> None:
    (folder,) = made(Runs(tmp_path), "x")
    with pytest.raises(NotFoundError, match=r"has no report\.json") as caught:
        folder.report()
    assert "still going on" in (caught.value.hint or "")
    for text in ("", "{", "[]", "\xff"):
        folder.report_path.write_bytes(text.encode("latin-1"))
        with pytest.raises(StateFolderError, match="is damaged"):
            folder.report()
    folder.report_path.unlink()
    folder.report_path.mkdir()
    with pytest.raises(StateFolderError, match="cannot be read"):
        folder.report()


@given(
    data=st.recursive(
        st.none() | st.integers() | st.text(st.characters()), lambda x: st.dictionaries(st.text(), x)
    )
)
def test_json_holds_any_text(data: Any) -> None:
    assert json.loads(to_bytes(data)) == json.loads(to_bytes(data, indent=1)) == data


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    write_json(tmp_path / "a.json", {"ä": 2})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "ä": 2\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(StateFolderError, match="cannot be written"):
        write_json(tmp_path / "nowhere" / "a.json", {})


def test_output_of_a_host_is_one_file_or_one_per_step(tmp_path: Path) -> None:
    folder = Runs(tmp_path).create("x")
    assert folder.output_files("web", "stdout") == (folder.path / "out" / "web" / "stdout",)
    (folder.output("web", "one")).mkdir(parents=True)
    assert folder.output_files("web", "stderr") == (folder.path / "out" / "web" / "one" / "stderr",)
