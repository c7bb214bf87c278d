"""Chains of records: every way to damage one is found, and called by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import DamagedError, StateFolderError
from fleetctl.store import chain as module
from fleetctl.store.chain import Chain, cut_torn, end_of, hash_of, inspect, records, seal

FIRST = hash_of(b"what it stands on")


def written(path: Path, count: int = 6) -> list[bytes]:
    lines: list[bytes] = []
    for number in range(1, count + 1):
        previous = hash_of(lines[-1]) if lines else FIRST
        lines.append(seal("act", {"host": f"web-{number}"}, sequence=number, previous=previous))
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return lines


def put(path: Path, lines: list[bytes]) -> Chain:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return inspect(path, first=FIRST, base="run.json")


def told(chain: Chain) -> list[tuple[str, int]]:
    return [(flaw.kind, flaw.line) for flaw in chain.flaws]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_a_whole_chain_is_sound(path: Path) -> None:
    lines = written(path)
    seen: list[tuple[int, int]] = []
    chain = inspect(
        path, first=FIRST, see=lambda line, record: seen.append((line, record["seq"])), marks={2, 6, 9}
    )
    assert chain.flaws == []
    assert chain.sound
    assert (chain.count, chain.sequence, chain.head) == (6, 6, hash_of(lines[-1]))
    assert chain.size == path.stat().st_size
    assert seen == [(number, number) for number in range(1, 7)]
    assert chain.marks == {2: hash_of(lines[1]), 6: hash_of(lines[5])}


@pytest.mark.parametrize("there", [True, False])
def test_no_chain_is_an_empty_one(path: Path, *, there: bool) -> None:
    if there:
        path.touch()
    for chain in (inspect(path, first=FIRST), end_of(path, first=FIRST)):
        assert (chain.count, chain.sequence, chain.head, chain.size, chain.flaws) == (0, 0, FIRST, 0, [])
    assert list(records(path)) == []


def test_fields_without_a_value_are_left_out() -> None:
    record = json.loads(seal("act", {"a": None, "b": "", "c": 0, "d": []}, sequence=1, previous="p"))
    assert set(record) == {"seq", "at", "type", "c", "d", "prev"}


@pytest.mark.parametrize("line", [1, 3, 5])
def test_an_edited_record_is_named(path: Path, line: int) -> None:
    lines = written(path)
    lines[line - 1] = lines[line - 1].replace(b"web", b"db_")
    chain = put(path, lines)
    assert told(chain) == [("changed", line)]
    assert f"record {line} " in chain.flaws[0].message
    assert not chain.sound


def test_what_the_chain_stands_on_is_vouched_for(path: Path) -> None:
    written(path)
    chain = inspect(path, first=hash_of(b"something else"), base="run.json")
    assert told(chain) == [("changed", 1)]
    assert "run.json was changed" in chain.flaws[0].message


@pytest.mark.parametrize(
    ("gone", "text"),
    [
        ([1], "record 1 is"),
        ([3], "record 3 is"),
        ([2, 3, 4], "records 2 to 4 are"),
        ([1, 2], "records 1 to 2 are"),
    ],
)
def test_records_taken_out_are_named(path: Path, gone: list[int], text: str) -> None:
    lines = written(path)
    chain = put(path, [line for number, line in enumerate(lines, 1) if number not in gone])
    assert told(chain) == [("missing", gone[0])]
    assert text in chain.flaws[0].message


@pytest.mark.parametrize("pair", [(1, 2), (3, 4), (2, 5), (1, 6)])
def test_records_that_changed_places_are_reordered_not_missing(path: Path, pair: tuple[int, int]) -> None:
    lines = written(path)
    one, other = (number - 1 for number in pair)
    lines[one], lines[other] = lines[other], lines[one]
    chain = put(path, lines)
    assert {flaw.kind for flaw in chain.flaws} == {"reordered"}
    assert {flaw.line for flaw in chain.flaws} <= set(pair)


def test_a_record_moved_to_the_end_is_the_only_one_named(path: Path) -> None:
    lines = written(path)
    chain = put(path, [*lines[:1], *lines[2:], lines[1]])
    assert told(chain) == [("reordered", 6)]
    assert "record 2" in chain.flaws[0].message


def test_a_record_that_stands_there_twice_is_named(path: Path) -> None:
    lines = written(path)
    assert told(put(path, [*lines[:4], lines[2], *lines[4:]])) == [("reordered", 5)]


def test_a_record_put_in_between_is_foreign(path: Path) -> None:
    lines = written(path)
    second = seal("act", {"host": "made-up"}, sequence=4, previous=hash_of(lines[2]))
    assert told(put(path, [*lines[:4], second, *lines[4:]])) == [("foreign", 5)]


@pytest.mark.parametrize(
    "line", [b"", b"{", b"null", b"[1]", b"\xff", b'{"seq": 3}', b'{"seq": true, "type": "x"}', b"[" * 9999]
)
def test_a_line_that_is_no_record_is_told_as_that_alone(path: Path, line: bytes) -> None:
    lines = written(path)
    assert told(put(path, [*lines[:2], line, *lines[3:]])) == [("unreadable", 3)]


def test_a_line_put_in_that_is_no_record_is_found(path: Path) -> None:
    lines = written(path)
    assert told(put(path, [*lines[:2], b"hello", *lines[2:]])) == [("unreadable", 3)]


def test_several_kinds_of_damage_are_all_named(path: Path) -> None:
    lines = written(path, 10)
    lines[1] = lines[1].replace(b"web", b"db_")
    chain = put(path, [*lines[:4], *lines[5:7], lines[8], lines[7], lines[9]])
    assert [flaw.kind for flaw in chain.flaws] == ["changed", "missing", "reordered"]


def test_a_torn_end_is_told_and_can_be_cut(path: Path) -> None:
    written(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":7,"ty')
    chain = inspect(path, first=FIRST)
    assert [flaw.kind for flaw in chain.flaws] == ["torn"]
    assert chain.sound
    assert (chain.torn, chain.size, chain.sequence) == (12, len(whole), 6)
    assert end_of(path, first=FIRST).torn == 12
    cut_torn(path, chain)
    assert path.read_bytes() == whole
    assert inspect(path, first=FIRST).flaws == []


def test_a_record_without_its_newline_is_torn(path: Path) -> None:
    lines = written(path)
    path.write_bytes(b"\n".join(lines))
    chain = inspect(path, first=FIRST)
    assert (chain.torn, chain.sequence) == (len(lines[-1]), 5)


def test_what_is_too_long_to_be_a_record_does_not_fill_the_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST", 400)
    lines = written(path)
    chain = put(path, [*lines[:2], b"x" * 1000, *lines[2:]])
    assert {flaw.kind for flaw in chain.flaws} == {"unreadable"}
    assert chain.count == 6
    path.write_bytes(b"x" * 1000)
    assert inspect(path, first=FIRST).count == 0


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for look in (inspect, end_of):
        with pytest.raises(StateFolderError, match="cannot be read"):
            look(tmp_path, first=FIRST)
    with pytest.raises(StateFolderError, match="cannot be read"):
        list(records(tmp_path))
    with pytest.raises(StateFolderError, match="cannot be written"):
        cut_torn(tmp_path, Chain(head=FIRST))


@given(
    count=st.integers(0, 40),
    chunk=st.integers(1, 900),
    torn=st.binary(max_size=30).filter(lambda b: b"\n" not in b),
)
def test_the_end_of_a_chain_is_what_a_look_through_all_of_it_finds(
    tmp_path_factory: pytest.TempPathFactory, count: int, chunk: int, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("chain") / "audit.jsonl"
    written(path, count)
    with path.open("ab") as file:
        file.write(torn)
    before, module._CHUNK = module._CHUNK, chunk
    try:
        end = end_of(path, first=FIRST)
    finally:
        module._CHUNK = before
    whole = inspect(path, first=FIRST)
    assert (end.head, end.sequence, end.size, end.torn) == (
        whole.head,
        whole.sequence,
        whole.size,
        whole.torn,
    )


@pytest.mark.parametrize("garbage", [[b"what?"], [b"", b"\0\0"], [b"{", b"{", b"{"]])
@pytest.mark.parametrize("count", [0, 3])
def test_what_is_added_after_garbage_at_the_end_fits_what_is_before_it(
    path: Path, garbage: list[bytes], count: int
) -> None:
    lines = [*written(path, count), *garbage]
    put(path, lines)
    end = end_of(path, first=FIRST)
    assert len(end.flaws) == len(garbage)
    more = seal("act", {}, sequence=end.sequence + 1, previous=end.head)
    assert told(put(path, [*lines, more])) == [("unreadable", count + 1 + n) for n in range(len(garbage))]


def test_nothing_is_added_where_no_record_is_near_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST", 1000)
    monkeypatch.setattr(module, "_CHUNK", 100)
    lines = written(path)
    put(path, [*lines, b"x" * 3000])
    with pytest.raises(DamagedError, match="does not end with a record"):
        end_of(path, first=FIRST)


@given(data=st.data())
def test_no_damage_but_at_the_end_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("chain") / "events.jsonl"
    lines = written(path, 8)
    whole = path.read_bytes()
    last = len(whole) - len(lines[-1]) - 1
    at = data.draw(st.integers(0, last - 1))
    damaged = bytearray(whole)
    damaged[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    path.write_bytes(damaged)
    assert not inspect(path, first=FIRST).sound
