"""The layout in a sink: SSM's, and keys that never meet."""

from __future__ import annotations

from pathlib import Path

import pytest
from bucket.runs import add_records, make_run

from fleetctl.engine.pieces import final_pieces, host_pieces, load_piece, next_segment
from fleetctl.store.runs import Runs

RUN = "20261123T204512.093-7f3a9c"


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "runs").mkdir()
    return Runs(tmp_path / "runs")


def test_a_finished_run_is_laid_out_as_ssm_does(runs: Runs) -> None:
    hosts = {
        "web-1": {"stdout": b"1", "stderr": b"2", ".data": b"{}"},
        "web-2": {"first/stdout": b"1", "second/stderr": b"2", ".steps": b"[]"},
        "silent": {},
    }
    pieces, ended = final_pieces(make_run(runs, RUN, hosts))
    assert ended
    assert [piece.key for piece in pieces] == [
        "run.json",
        "events.jsonl",
        "report.json",
        "web-1/.data",
        "web-1/awsrunShellScript/stderr",
        "web-1/awsrunShellScript/stdout",
        "web-2/.steps",
        "web-2/first/stdout",
        "web-2/second/stderr",
    ]
    assert all(piece.path.is_file() for piece in pieces)


def test_of_an_unfinished_run_only_what_stays_as_it_is_goes(runs: Runs) -> None:
    folder = make_run(runs, RUN, {"done": {"stdout": b"1"}}, ended=False, unfinished=("going",))
    going = folder.output("going")
    going.mkdir(parents=True)
    (going / "stdout").write_bytes(b"not all of it")
    folder.report_path.write_text("{}")
    pieces, ended = final_pieces(folder)
    assert not ended
    assert [piece.key for piece in pieces] == ["run.json", "done/awsrunShellScript/stdout"]


def test_gates_and_earlier_attempts_are_evidence_too(runs: Runs) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"2"}}, ended=False)
    for name in ("earlier/1/web-1/stdout", "gates/canary/events.jsonl", "gates/canary/out/web-1/stdout"):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_bytes(b"1")
    (folder.path / "run.lock").write_text("{}")
    keys = [piece.key for piece in final_pieces(folder)[0]]
    assert keys == ["run.json", "earlier/1/web-1/stdout", "web-1/awsrunShellScript/stdout"]
    add_records(folder, [("run-paused", {"wave": 1})])
    keys = [piece.key for piece in final_pieces(folder)[0]]
    assert keys[1:4] == [
        "earlier/1/web-1/stdout",
        "gates/canary/events.jsonl",
        "gates/canary/out/web-1/stdout",
    ]


def test_a_run_that_was_taken_up_again_is_unfinished_again(runs: Runs) -> None:
    folder = make_run(runs, RUN, {"done": {}})
    add_records(folder, [("controller", {})])
    assert final_pieces(folder)[1] is False


def test_hosts_and_steps_named_like_our_own_objects_get_keys_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    for name in ("stdout", "awsrunShellScript/stdout", "%61wsrunShellScript/stdout"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    keys = [piece.key for piece in host_pieces(folder)]
    assert "%65vents/awsrunShellScript/stdout" in keys
    assert "%65vents/%61wsrunShellScript/stdout" in keys


def test_links_are_not_followed_out_of_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "stdout").symlink_to(tmp_path / "secret")
    (folder / "step").symlink_to(tmp_path)
    assert host_pieces(folder) == []


def test_the_ledger_goes_in_whole_records_and_goes_on_where_it_stopped(runs: Runs) -> None:
    events = make_run(runs, RUN, {"a": {}}, ended=False).events
    whole = events.read_bytes()
    with events.open("ab") as file:
        file.write(b'{"seq":4,"at":"half a re')
    found = next_segment(events, 0)
    assert found == ("events/000001-000003.jsonl", whole)
    assert next_segment(events, len(whole)) is None
    first = whole.index(b"\n") + 1
    assert next_segment(events, first) == ("events/000002-000003.jsonl", whole[first:])
    assert next_segment(events.with_name("none"), 0) is None


def test_a_large_file_is_not_loaded(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x" * (8 << 20))
    large.write_bytes(b"x" * ((8 << 20) + 1))
    assert load_piece(small)[2] == small.read_bytes()
    size, digest, content = load_piece(large)
    assert (size, len(digest), content) == ((8 << 20) + 1, 32, None)
