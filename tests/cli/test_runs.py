"""`fleetctl runs`: look back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import junitparser
import pytest
import yaml

from fleetctl.store.lock import RunLock


@pytest.fixture
def ran(fleetctl: Any) -> str:
    """A run in which web-2 failed and dead-1 was not reached; its id."""
    done = fleetctl(
        "run",
        "web,dead",
        "--format",
        "json",
        "--",
        'echo "out of $FLEETCTL_HOST"; echo err >&2; [ $FLEETCTL_HOST != web-2 ]',
    )
    return str(done.json["CommandId"])


def test_no_runs_yet(fleetctl: Any) -> None:
    done = fleetctl("runs", "list")
    assert (done.code, done.stdout) == (0, "")
    assert "no runs yet" in done.stderr
    assert fleetctl("runs", "list", "--format", "json").json == []
    done = fleetctl("runs", "show", "last")
    assert done.code == 2
    assert "there are no runs yet" in done.stderr


def test_list_shows_the_newest_first(fleetctl: Any, ran: str) -> None:
    fleetctl("run", "web-1", "--comment", "second", "--", "true")
    rows = fleetctl("runs", "list", "--format", "json").json
    assert [row["Status"] for row in rows] == ["Success", "Failed"]
    assert rows[0]["Comment"] == "second"
    assert rows[1]["CommandId"] == ran
    assert rows[1]["Counts"] == {"Success": 2, "Failed": 1, "Undeliverable": 1}
    header, first, second = fleetctl("runs", "list").stdout.splitlines()
    assert header.split() == ["RUN", "WHEN", "STATUS", "HOSTS", "TARGETS", "WHAT"]
    assert "Success" in first
    assert ran in second
    assert len(fleetctl("runs", "list", "-n", "1").stdout.splitlines()) == 2
    for format_, read in (
        ("jsonl", str.splitlines),
        ("yaml", yaml.safe_load),
        ("csv", lambda t: list(csv.DictReader(io.StringIO(t)))),
    ):
        assert len(read(fleetctl("runs", "list", "--format", format_).stdout)) == 2


def test_runs_of_the_same_second_stay_in_order(fleetctl: Any) -> None:
    for number in range(4):
        fleetctl("run", "web-1", "--comment", str(number), "--", "true")
        assert fleetctl("runs", "show", "last", "--format", "json").json["Comment"] == str(number)


def test_show_tells_what_became_of_each_host(fleetctl: Any, ran: str) -> None:
    text = fleetctl("runs", "show", ran).stdout
    assert text.startswith(f"run {ran}: Failed, ")
    line = next(line for line in text.splitlines() if line.startswith("web-2"))
    assert line.split()[1:3] == ["Failed", "1"]
    assert "[exit-code] exit code 1" in line
    assert "[refused]" in text
    assert fleetctl("runs", "show", "last", "--format", "json").json["CommandId"] == ran


def test_output_is_printed_byte_for_byte(fleetctl: Any, ran: str) -> None:
    assert fleetctl("runs", "output", ran, "web-1").stdout == "out of web-1\n"
    assert fleetctl("runs", "output", ran, "web-1", "--stderr").stdout == "err\n"
    assert fleetctl("runs", "output", ran, "dead-1").stdout == ""
    grouped = fleetctl("runs", "output", "last")
    assert "--- web-2  Failed, exit 1\nout of web-2\n" in grouped.stdout
    assert "Undeliverable[refused] dead-1" in grouped.stderr


def test_output_of_a_host_that_was_not_there(fleetctl: Any, ran: str) -> None:
    done = fleetctl("runs", "output", ran, "web-11")
    assert done.code == 2
    assert "has no host 'web-11'" in done.stderr
    assert "did you mean 'web-1'" in done.stderr
    done = fleetctl("runs", "output", ran, "web-1", "--step", "nope")
    assert done.code == 2


def test_steps_of_a_document_one_by_one_and_in_their_order(fleetctl: Any, project: Path) -> None:
    (project / "documents").mkdir()
    steps = "".join(
        f"- {{action: 'aws:runShellScript', name: {name}, inputs: {{runCommand: [echo {name}]}}}}\n"
        for name in ("zebra", "apple", "mango")
    )
    (project / "documents" / "three.yaml").write_text(f"schemaVersion: '2.2'\nmainSteps:\n{steps}")
    assert fleetctl("run", "web-1", "--document", "three").code == 0
    assert fleetctl("runs", "output", "last", "web-1").stdout == "zebra\napple\nmango\n"
    assert fleetctl("runs", "output", "last", "web-1", "--step", "apple").stdout == "apple\n"


def test_the_report_in_other_formats(fleetctl: Any, ran: str, tmp_path: Path) -> None:
    report = fleetctl("runs", "report", ran).json
    assert report["Invocations"][0]["StandardOutputContent"] == "out of web-1\n"
    short = fleetctl("runs", "report", ran, "--no-output").json
    assert "StandardOutputContent" not in short["Invocations"][0]
    fleetctl("runs", "report", ran, "--format", "junit", "--output", str(tmp_path / "r.xml"))
    suites: Any = junitparser.JUnitXml.fromfile(str(tmp_path / "r.xml"))
    assert (suites.tests, suites.failures, suites.errors) == (4, 1, 1)


def test_a_run_is_found_by_any_unambiguous_part(fleetctl: Any, ran: str) -> None:
    assert fleetctl("runs", "show", ran[-6:], "--format", "json").json["CommandId"] == ran
    fleetctl("run", "web-1", "--", "true")
    done = fleetctl("runs", "show", ran[:4])
    assert done.code == 2
    assert "fits 2 runs" in done.stderr
    for name in ("nope", "../runs", "", "."):
        done = fleetctl("runs", "show", name)
        assert done.code == 2
        assert "error[not-found]" in done.stderr


def test_rm_deletes_only_after_consent(fleetctl: Any, project: Path, ran: str) -> None:
    done = fleetctl("runs", "rm", "last")
    assert done.code == 2
    assert "this deletes what runs kept" in done.stderr
    assert fleetctl("runs", "rm", ran, "--yes").code == 0
    assert not list((project / ".fleetctl" / "runs").iterdir())


def test_rm_deletes_nothing_if_one_name_is_wrong(fleetctl: Any, ran: str) -> None:
    assert fleetctl("runs", "rm", ran, "nope", "--yes").code == 2
    assert fleetctl("runs", "show", ran).code == 0


def unfinished(project: Path, ran: str) -> Path:
    """Turn a run into what a killed controller leaves: no report, and half a line at the end of its ledger."""
    folder = project / ".fleetctl" / "runs" / ran
    (folder / "report.json").unlink()
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    return folder


def test_a_run_whose_controller_was_killed_is_told_as_such(fleetctl: Any, project: Path, ran: str) -> None:
    unfinished(project, ran)
    (row,) = fleetctl("runs", "list", "--format", "json").json
    assert row["Status"] == "Interrupted"
    shown = fleetctl("runs", "show", ran, "--format", "json").json
    assert {i["InstanceId"]: i["Status"] for i in shown["Invocations"]} == {
        "web-1": "Success",
        "web-2": "Failed",
        "web-3": "Success",
        "dead-1": "Undeliverable",
    }
    assert fleetctl("runs", "output", ran, "web-1").stdout == "out of web-1\n"
    assert fleetctl("runs", "report", ran).json["Status"] == "Interrupted"


def test_a_run_that_still_goes_on_cannot_be_deleted(fleetctl: Any, project: Path, ran: str) -> None:
    lock = RunLock.take(unfinished(project, ran), doing="fleetctl run")
    try:
        assert fleetctl("runs", "list", "--format", "json").json[0]["Status"] == "InProgress"
        done = fleetctl("runs", "rm", ran, "--yes")
    finally:
        lock.release()
    assert done.code == 2
    assert "still going on" in done.stderr


def test_a_damaged_run_hides_no_other(fleetctl: Any, project: Path, ran: str) -> None:
    fleetctl("run", "web-1", "--", "true")
    (project / ".fleetctl" / "runs" / ran / "run.json").write_text("{half")
    assert [row["Status"] for row in fleetctl("runs", "list", "--format", "json").json] == [
        "Success",
        "Damaged",
    ]
    assert fleetctl("runs", "list").code == 0
    (project / ".fleetctl" / "runs" / ran / "report.json").write_text("[]")
    done = fleetctl("runs", "show", ran)
    assert done.code == 2
    assert "error[state-folder]" in done.stderr
    assert "is damaged" in done.stderr
