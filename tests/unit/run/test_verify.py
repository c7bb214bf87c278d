"""Every way to damage what a run left is found, and called by its name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetctl.fleet import Fleet
from fleetctl.run.evidence import verify_audit
from fleetctl.run.verify import Verdict, verify_run
from fleetctl.store.audit import AuditLog
from fleetctl.store.audited import audited_runs
from fleetctl.store.chain import hash_of, seal
from fleetctl.store.checkpoint import make_checkpoint
from fleetctl.store.lock import RunLock
from fleetctl.store.runs import RunFolder, Runs

INVENTORY = """\
defaults: {transport: local}
hosts:
  web-[1-3]:
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with two real runs."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "hosts.yaml").write_text(INVENTORY)
    fleet = Fleet.open(inventory=[str(folder / "hosts.yaml")], state=folder / "state")
    fleet.run("all", 'echo "hello from $FLEETCTL_HOST"; echo trouble >&2')
    fleet.run("all", "echo again")
    return folder / "state"


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def folder(state: Path) -> RunFolder:
    """The older of the two runs."""
    return list(Runs(state / "runs"))[-1]


@pytest.fixture
def look(state: Path, folder: RunFolder) -> Callable[..., Verdict]:
    """Verify that run, with what the audit log knows of it, unless that is left out."""

    def look(*, audit: bool = True, **options: Any) -> Verdict:
        known = audited_runs(AuditLog.below(state / "audit").records()) if audit else {}
        return verify_run(folder, audited=known.get(folder.run_id), **options)

    return look


def told(verdict: Verdict) -> list[tuple[str, str]]:
    return [(flaw.kind, flaw.file) for flaw in verdict.flaws]


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def put(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_what_a_run_left_is_sound(look: Callable[..., Verdict]) -> None:
    verdict = look()
    assert (verdict.state, verdict.flaws, verdict.notes) == ("sound", (), ())
    assert (verdict.records, verdict.outputs) == (8, 3)


@pytest.mark.parametrize("line", range(1, 9))
def test_an_edited_record_is_found_wherever_it_stands(
    folder: RunFolder, look: Callable[..., Verdict], line: int
) -> None:
    lines = lines_of(folder.events)
    lines[line - 1] = lines[line - 1].replace(b'"at":"2', b'"at":"3')
    put(folder.events, lines)
    verdict = look()
    assert verdict.state == "damaged"
    assert {flaw.kind for flaw in verdict.flaws} == {"changed"}
    if line < 8:
        assert [flaw.line for flaw in verdict.flaws] == [line]
    else:  # nothing comes after it in the ledger: the audit log knows
        assert "audit log" in verdict.flaws[0].message


def test_a_result_that_was_turned_around_is_found(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    folder.events.write_bytes(folder.events.read_bytes().replace(b'"code":0', b'"code":1', 1))
    assert told(look()) == [("changed", "")]


@pytest.mark.parametrize("line", range(1, 8))
def test_a_record_taken_out_is_missing(folder: RunFolder, look: Callable[..., Verdict], line: int) -> None:
    lines = lines_of(folder.events)
    put(folder.events, [*lines[: line - 1], *lines[line:]])
    verdict = look()
    assert ("missing", line) in [(flaw.kind, flaw.line) for flaw in verdict.flaws]
    assert f"record {line} is missing" in verdict.flaws[0].message


def test_records_that_changed_places_are_reordered(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    lines = lines_of(folder.events)
    lines[2], lines[4] = lines[4], lines[2]
    put(folder.events, lines)
    assert {flaw.kind for flaw in look().flaws} == {"reordered"}


@pytest.mark.parametrize("left", range(8))
def test_a_ledger_that_was_cut_at_its_end_is_truncated(
    folder: RunFolder, look: Callable[..., Verdict], left: int
) -> None:
    put(folder.events, lines_of(folder.events)[:left])
    verdict = look()
    assert "truncated" in {flaw.kind for flaw in verdict.flaws}
    assert any("missing at the end: the audit log knows" in flaw.message for flaw in verdict.flaws)


def test_without_an_audit_log_the_report_shows_that_the_end_is_missing(
    folder: RunFolder, look: Callable[..., Verdict]
) -> None:
    put(folder.events, lines_of(folder.events)[:6])
    assert told(look(audit=False)) == [("truncated", "")]


def test_a_controller_killed_between_report_and_record_is_no_damage(
    folder: RunFolder, look: Callable[..., Verdict]
) -> None:
    put(folder.events, lines_of(folder.events)[:7])
    verdict = look(audit=False)
    assert (verdict.state, verdict.flaws) == ("unfinished", ())
    assert any("resume it" in note for note in verdict.notes)


def test_a_torn_end_is_told_and_repaired_when_asked(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    put(folder.events, lines_of(folder.events)[:5])
    folder.report_path.unlink()
    with folder.events.open("ab") as file:
        file.write(b'{"seq":6,"at"')
    verdict = look(audit=False)
    assert (verdict.state, told(verdict)) == ("unfinished", [("torn", "")])
    assert verdict.flaws[0].message == "torn: 13 bytes; it will be cut when the run is resumed"
    verdict = look(audit=False, repair=True)
    assert (verdict.state, verdict.flaws) == ("unfinished", ())
    assert json.loads(lines_of(folder.events)[-1])["type"] == "repaired"
    assert look(audit=False).flaws == ()


def test_nothing_is_repaired_under_the_hands_of_a_living_controller(
    folder: RunFolder, look: Callable[..., Verdict]
) -> None:
    with folder.events.open("ab") as file:
        file.write(b'{"seq":9')
    lock = RunLock.take(folder.path, doing="fleetctl runs resume")
    try:
        verdict = look(repair=True)
    finally:
        lock.release()
    assert (verdict.state, verdict.flaws) == ("unfinished", ())
    assert "it is going on" in verdict.notes[0]
    assert folder.events.read_bytes().endswith(b'{"seq":9')


def test_an_edited_report_is_found(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    folder.report_path.write_bytes(folder.report_path.read_bytes().replace(b"Success", b"Failed_", 1))
    assert told(look()) == [("changed", "report.json")]
    folder.report_path.unlink()
    assert told(look()) == [("missing", "report.json")]


def test_an_edited_order_is_found(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    path = folder.path / "run.json"
    path.write_bytes(path.read_bytes().replace(b"trouble", b"nothing"))
    assert told(look(audit=False)) == [("changed", "")]
    assert "run.json was changed" in look(audit=False).flaws[0].message
    assert ("changed", "run.json") in told(look())
    for text in ("{", "[]", "[" * 100_000):
        path.write_text(text)
        assert ("unreadable", "run.json") in told(look())


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_edited_output_is_found_and_named(
    folder: RunFolder, look: Callable[..., Verdict], stream: str
) -> None:
    path = folder.output("web-2") / stream
    path.write_bytes(path.read_bytes() + b"!")
    assert told(look()) == [("changed", f"out/web-2/{stream}")]
    assert look(output=False).state == "sound"
    path.unlink()
    assert told(look()) == [("missing", f"out/web-2/{stream}")]


def test_output_that_nobody_printed_is_foreign(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    made_up = folder.path / "out" / "db-1"
    made_up.mkdir()
    (made_up / "stdout").write_text("all well\n")
    assert told(look()) == [("foreign", "out/db-1")]


def rewritten(folder: RunFolder, *, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Make the ledger anew as one who can write it all would, with hashes that fit."""
    records = [json.loads(line) for line in lines_of(folder.events)]
    change(records)
    previous, lines = hash_of((folder.path / "run.json").read_bytes()), []
    for number, record in enumerate(records, 1):
        fields = {key: value for key, value in record.items() if key not in {"seq", "at", "type", "prev"}}
        lines.append(seal(record["type"], fields, sequence=number, previous=previous))
        previous = hash_of(lines[-1])
    put(folder.events, lines)


def test_a_ledger_written_anew_fits_itself_and_only_the_audit_log_tells(
    folder: RunFolder, look: Callable[..., Verdict]
) -> None:
    rewritten(folder, change=lambda records: records[1].update(host="web-1"))
    assert look(audit=False, output=False).state == "sound"
    assert told(look(output=False)) == [("changed", "")]


def test_an_older_report_of_a_run_that_was_resumed_and_killed_is_no_damage(
    folder: RunFolder, look: Callable[..., Verdict]
) -> None:
    rewritten(folder, change=lambda records: records.append({"type": "controller"}))
    verdict = look(audit=False)
    assert (verdict.state, verdict.flaws) == ("unfinished", ())
    assert any("earlier end" in note for note in verdict.notes)


def test_output_of_a_host_whose_end_nobody_saw_is_not_compared(
    folder: RunFolder, look: Callable[..., Verdict]
) -> None:
    path = folder.output("web-2") / "stdout"
    path.write_bytes(b"half of")
    again = {"type": "invocation-started", "host": "web-2"}
    rewritten(folder, change=lambda records: records.extend([{"type": "controller"}, again]))
    assert look(audit=False).flaws == ()


def test_a_paused_run_is_unfinished(folder: RunFolder, look: Callable[..., Verdict]) -> None:
    rewritten(folder, change=lambda records: records[-1].update(type="run-paused"))
    verdict = look(audit=False)
    assert (verdict.state, verdict.notes) == ("unfinished", ("it waits between two waves",))


def test_output_of_several_steps_is_compared_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yaml").write_text(INVENTORY)
    from fleetctl.engine.output import OutputFiles  # noqa: PLC0415
    from fleetctl.run.outputs import output_flaws  # noqa: PLC0415

    folder = Runs(tmp_path).create("20261123T204512.093-aaaaaa")
    files = OutputFiles(folder, "web-1")
    files.step("one").stdout(b"1")
    files.step("silent")
    files.step("").stdout(b"said in between")
    files.step("two").stdout(b"2")
    files.close()
    out, err = files.digests()
    record = {"host": "web-1", "out": out, "err": err}
    assert list(output_flaws(folder, record)) == []
    (folder.output("web-1", "two") / "stdout").write_bytes(b"3")
    assert [flaw.kind for flaw in output_flaws(folder, record)] == ["changed"]


@pytest.fixture
def whole(state: Path) -> Callable[..., list[tuple[str, str]]]:
    """Verify the audit log with all runs; return kinds and files of what is wrong."""

    def whole(**options: Any) -> list[tuple[str, str]]:
        found = verify_audit(AuditLog.below(state / "audit"), Runs(state / "runs"), **options)
        return [(flaw.kind, flaw.file) for flaw in found.flaws]

    return whole


Whole = Callable[..., list[tuple[str, str]]]


def test_an_audit_log_with_its_runs_is_sound(state: Path, whole: Whole) -> None:
    assert whole() == []
    assert verify_audit(AuditLog.below(state / "audit"), Runs(state / "runs")).runs == 2


@pytest.mark.parametrize("line", range(1, 4))
def test_an_edited_audit_record_is_named(state: Path, whole: Whole, line: int) -> None:
    path = state / "audit" / "audit.jsonl"
    lines = lines_of(path)
    lines[line - 1] = lines[line - 1].replace(b'"at":"2', b'"at":"1')
    put(path, lines)
    found = verify_audit(AuditLog.below(state / "audit"), Runs(state / "runs"))
    assert [(flaw.kind, flaw.file, flaw.line) for flaw in found.flaws] == [
        ("changed", "audit/audit.jsonl", line)
    ]


def test_a_run_that_is_gone_is_missed_unless_somebody_said_that_he_removed_it(
    state: Path, folder: RunFolder, whole: Whole
) -> None:
    shutil.rmtree(folder.path)
    assert whole() == [("missing", f"runs/{folder.run_id}")]
    AuditLog.below(state / "audit").add("run-removed", run=folder.run_id, user="anna")
    assert whole() == []


def test_a_run_that_was_removed_and_is_there_again_is_foreign(
    state: Path, folder: RunFolder, whole: Whole
) -> None:
    AuditLog.below(state / "audit").add("run-removed", run=folder.run_id, user="anna")
    assert whole() == [("foreign", f"runs/{folder.run_id}")]


def test_a_run_that_the_log_does_not_know_is_foreign(state: Path, whole: Whole) -> None:
    path = state / "audit" / "audit.jsonl"
    newest = next(iter(Runs(state / "runs")))
    put(path, lines_of(path)[:2])
    assert whole() == [("foreign", f"runs/{newest.run_id}")]


def test_runs_older_than_the_log_are_no_fault(state: Path, folder: RunFolder, whole: Whole) -> None:
    path = state / "audit" / "audit.jsonl"
    path.unlink()
    AuditLog.below(state / "audit").add("run-started", run="x", user="anna")
    AuditLog.below(state / "audit").add("run-removed", run="x", user="anna")
    assert whole() == []
    found = verify_audit(AuditLog.below(state / "audit"), Runs(state / "runs"))
    assert found.notes == ["2 runs are older than the audit log, and it knows nothing of them"]


def test_damage_to_a_run_is_part_of_the_audit(folder: RunFolder, whole: Whole) -> None:
    put(folder.events, lines_of(folder.events)[:7])
    assert ("truncated", f"runs/{folder.run_id}/events.jsonl") in whole()


def test_a_log_cut_at_its_end_is_found_by_a_checkpoint_kept_elsewhere(
    state: Path, whole: Whole, tmp_path: Path
) -> None:
    log = AuditLog.below(state / "audit")
    kept = Path(shutil.copy(make_checkpoint(log).path, tmp_path))
    assert whole(against=[kept]) == []
    shutil.rmtree(log.checkpoints)
    for folder in Runs(state / "runs"):  # cut so that nothing here tells
        if folder.run_id in log.path.read_text().splitlines()[-2]:
            shutil.rmtree(folder.path)
    put(log.path, lines_of(log.path)[:2])
    assert whole() == []
    assert whole(against=[kept]) == [("truncated", str(kept))]


def test_a_log_written_anew_is_found_by_a_checkpoint_kept_elsewhere(
    state: Path, whole: Whole, tmp_path: Path
) -> None:
    log = AuditLog.below(state / "audit")
    kept = Path(shutil.copy(make_checkpoint(log).path, tmp_path))
    shutil.rmtree(log.checkpoints)
    lines, previous = [], log.first
    for number, line in enumerate(lines_of(log.path)[:4], 1):
        record = {key: value for key, value in json.loads(line).items() if key not in {"seq", "at", "prev"}}
        if "user" in record:
            record["user"] = "nobody"
        lines.append(seal(record.pop("type"), record, sequence=number, previous=previous))
        previous = hash_of(lines[-1])
    put(log.path, lines)
    assert whole() == []
    assert whole(against=[kept]) == [("changed", str(kept))]


def test_checkpoints_that_are_gone_or_were_edited_are_named(state: Path, whole: Whole) -> None:
    made = make_checkpoint(AuditLog.below(state / "audit"))
    text = made.path.read_text()
    made.path.write_text(text.replace("user:", "who:"))
    assert whole() == [("changed", "audit/checkpoints/4.txt")]
    made.path.write_text("what?")
    assert whole() == [("unreadable", "audit/checkpoints/4.txt")]
    made.path.unlink()
    assert whole() == [("missing", "audit/checkpoints/4.txt")]
