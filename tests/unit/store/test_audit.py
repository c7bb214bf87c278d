"""The audit log: one chain, whoever adds to it, and whatever a power cut left at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from fleetctl.errors import StateFolderError
from fleetctl.store.audit import AuditLog
from fleetctl.store.audited import Anchor, audited_runs

ADD = """
import sys
from pathlib import Path
from fleetctl.store.audit import AuditLog
log = AuditLog.below(Path(sys.argv[1]))
for number in range(40):
    log.add("run-started", run=f"{sys.argv[2]}-{number}", user="anna")
"""


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog.below(tmp_path)


def test_the_first_record_is_bound_to_a_text_that_is_written_down(log: AuditLog) -> None:
    log.add("run-started", run="a", comment="")
    (record,) = log.records()
    assert record["prev"] == sha256(b"fleetctl audit log").hexdigest()
    assert (record["seq"], record["run"]) == (1, "a")
    assert "comment" not in record
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_records_are_chained_and_told_where_they_stand(log: AuditLog) -> None:
    entries = [log.enter("run-started", run=name) for name in "abc"]
    chain = log.inspect(marks={1, 2, 3})
    assert chain.flaws == []
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert chain.marks == {entry.sequence: entry.hash for entry in entries}


def test_controllers_that_add_at_the_same_time_make_one_chain(log: AuditLog) -> None:
    adders = [
        subprocess.Popen([sys.executable, "-c", ADD, log.path.parent, name])
        for name in ("one", "two", "three")
    ]
    assert [adder.wait() for adder in adders] == [0, 0, 0]
    chain = log.inspect()
    assert chain.flaws == []
    assert chain.count == 120


def test_a_torn_end_is_cut_off_and_said(log: AuditLog) -> None:
    log.add("run-started", run="a")
    with log.path.open("ab") as file:
        file.write(b'{"seq":2,"at":"2026-')
    log.add("run-ended", run="a")
    assert log.inspect().flaws == []
    assert [(record["type"], record.get("dropped")) for record in log.records()] == [
        ("run-started", None),
        ("repaired", 20),
        ("run-ended", None),
    ]


def test_garbage_at_the_end_stops_no_work_and_is_found(log: AuditLog) -> None:
    log.add("run-started", run="a")
    with log.path.open("ab") as file:
        file.write(b"garbage\n")
    log.add("run-ended", run="a")
    log.add("run-started", run="b")
    assert [(flaw.kind, flaw.line) for flaw in log.inspect().flaws] == [("unreadable", 2)]


def test_lines_are_the_file_to_the_byte(log: AuditLog) -> None:
    assert list(log.lines()) == []
    log.add("run-started", run="a", comment="Grüße \u2028 x")
    log.add("run-ended", run="a")
    assert "".join(f"{line}\n" for line in log.lines()).encode() == log.path.read_bytes()


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    for log in (AuditLog.below(tmp_path / "gone"), AuditLog(tmp_path)):
        with pytest.raises(StateFolderError, match="cannot be written"):
            log.add("run-started", run="a")


def test_a_full_disk_leaves_no_half_record() -> None:
    full = AuditLog(Path("/dev/full"))
    with pytest.raises(StateFolderError, match="No space left"):
        full.add("run-started", run="a")


def test_runs_are_told_from_their_records(log: AuditLog) -> None:
    log.add(
        "run-started",
        run="a",
        name="X",
        user="anna",
        host="bastion",
        selector="web",
        targets=3,
        run_json="f00",
    )
    log.add("run-started", run="b", user="ben")
    log.add("run-ended", run="a", status="Paused", head="h1", sequence=7)
    log.add("run-continued", run="a", user="carl")
    log.add("run-ended", run="a", status="Success", counts={"Success": 3}, head="h2", sequence=9)
    log.add("checkpoint", checkpoint=5)
    log.add("run-removed", run="a", user="dora")
    runs = audited_runs(log.records())
    assert list(runs) == ["a", "b"]
    a, b = runs.values()
    assert a.status == "Success"
    assert a.anchors == [Anchor(sequence=7, head="h1"), Anchor(sequence=9, head="h2")]
    told = a.to_json()
    assert (told["RequestedBy"], told["AlsoBy"], told["RemovedBy"]) == ("anna", ["carl", "dora"], "dora")
    assert told["TargetCount"] == 3
    assert (b.status, b.removed, b.at is not None) == ("InProgress", None, True)
    assert "EndedDateTime" not in b.to_json()


def test_strange_records_make_no_trouble(log: AuditLog) -> None:
    strange = [
        {"type": "run-ended", "run": 5},
        {"type": "x"},
        {"type": "run-ended", "run": "a", "head": 1, "at": 7},
    ]
    runs = audited_runs(json.loads(json.dumps(strange)))
    assert runs["a"].anchors == []
    assert runs["a"].at is None
