"""`fleetctl runs ship` and `fleetctl runs prune`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bucket import CREDENTIALS, Bucket, Gate, free_port
from bucket.runs import files_below, make_run

from fleetctl.store.runs import RunFolder, Runs

pytestmark = pytest.mark.usefixtures("aws")

OLD = "20200101T000000.000-0000aa"
UNFINISHED = "20200102T000000.000-0000bb"


@pytest.fixture
def runs(project: Path) -> Runs:
    folder = project / ".fleetctl" / "runs"
    folder.mkdir(parents=True)
    return Runs(folder)


@pytest.fixture
def old(runs: Runs) -> RunFolder:
    return make_run(runs, OLD, {"web-1": {"stdout": b"up\n"}}, at="2020-01-01T00:00:00.000+00:00")


@pytest.fixture
def unfinished(runs: Runs) -> RunFolder:
    hosts = {"web-1": {"stdout": b"up\n"}}
    return make_run(
        runs, UNFINISHED, hosts, ended=False, unfinished=("web-2",), at="2020-01-02T00:00:00.000+00:00"
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.engine.shipping._PATIENCE", 0.5)


def settings(project: Path, data: dict[str, Any]) -> None:
    (project / "fleetctl.yaml").write_text(json.dumps(data))


def sinks(*urls: str, **options: str) -> dict[str, Any]:
    return {"sinks": [{"url": url, **options} for url in urls]}


def test_runs_are_shipped_to_the_project_s_sinks(
    fleetctl: Any, project: Path, old: RunFolder, unfinished: RunFolder, bucket: Bucket
) -> None:
    settings(project, sinks(f"s3://{bucket.name}/fleet", endpoint=bucket.server.url))
    done = fleetctl("runs", "ship", "--all", "--format", "json")
    assert done.code == 0
    assert [(row["CommandId"], row["Status"], row["Missing"]) for row in done.json] == [
        (OLD, "Complete", 0),
        (UNFINISHED, "Unfinished", 0),
    ]
    assert f"fleet/{OLD}/web-1/awsrunShellScript/stdout" in bucket.listed()
    assert f"fleet/{UNFINISHED}/report.json" not in bucket.listed()
    done = fleetctl("runs", "ship", "--all")
    assert (done.code, OLD in done.stdout, UNFINISHED in done.stdout) == (0, False, True)


def test_a_sink_that_does_not_answer_is_an_exit_code_of_its_own_and_can_be_finished(
    fleetctl: Any, project: Path, old: RunFolder, bucket: Bucket, impatient: None
) -> None:
    port = free_port()
    settings(project, sinks(f"s3://{bucket.name}", endpoint=f"http://127.0.0.1:{port}"))
    done = fleetctl("runs", "ship", "last")
    assert done.code == 3
    assert "no connection to the server" in done.stdout
    assert f"fleetctl runs ship {OLD}" in done.stderr
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    with Gate(bucket.server, port=port).open():
        assert fleetctl("runs", "ship", "last").code == 0
    done = fleetctl("runs", "ship", "--all")
    assert (done.code, done.stdout) == (0, "")
    assert "all runs are in their sinks" in done.stderr


def test_to_another_sink_with_the_options_of_the_bucket(
    fleetctl: Any, project: Path, old: RunFolder, bucket: Bucket
) -> None:
    settings(project, sinks(f"s3://{bucket.name}/a", endpoint=bucket.server.url))
    assert fleetctl("runs", "ship", OLD, OLD, "--to", f"s3://{bucket.name}/b").code == 0
    assert {key.partition("/")[0] for key in bucket.listed()} == {"b"}


def test_to_a_folder_without_anything_installed_or_set(fleetctl: Any, old: RunFolder, tmp_path: Path) -> None:
    assert fleetctl("runs", "ship", "last", "--to", (tmp_path / "archive").as_uri()).code == 0
    assert (tmp_path / "archive" / OLD / "web-1/awsrunShellScript/stdout").read_bytes() == b"up\n"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "name runs, or say --all"),
        (["last", "--all"], "name runs, or say --all"),
        (["last"], "there are no sinks"),
        (["last", "--to", "s4://bucket"], "unknown sink 's4'"),
        (["last", "--to", "s3://key:hunter22@bucket"], "must not carry credentials"),
        (["nowhere", "--to", "file:///nowhere"], "no run 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_refused(args: list[str], text: str, fleetctl: Any, old: RunFolder) -> None:
    done = fleetctl("runs", "ship", *args)
    assert done.code == 2
    assert text in done.stderr
    assert "hunter22" not in done.stderr


def test_old_runs_go_and_the_audit_log_knows(
    fleetctl: Any, project: Path, old: RunFolder, unfinished: RunFolder
) -> None:
    done = fleetctl("runs", "prune", "--keep", "90d", "--yes")
    assert done.code == 0
    assert "removed 1 run" in done.stderr
    assert not old.path.exists()
    assert unfinished.path.exists()
    records = [
        json.loads(line) for line in (project / ".fleetctl/audit/audit.jsonl").read_bytes().splitlines()
    ]
    (record,) = [record for record in records if record["type"] == "run-pruned"]
    assert record["run"] == OLD
    assert len(record["head"]) == 64


def test_a_dry_run_says_what_would_go_and_why_the_rest_stays(
    fleetctl: Any, project: Path, old: RunFolder, unfinished: RunFolder
) -> None:
    before = files_below(project)
    done = fleetctl("runs", "prune", "--max-size", "0", "--dry-run")
    assert done.code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["remove", OLD], ["keep", UNFINISHED]]
    assert "unfinished" in lines[2]
    assert "1 run would go" in done.stderr
    assert "1 run must stay" in done.stderr
    assert "more than allowed" in done.stderr
    assert files_below(project) == before


def test_without_a_terminal_it_wants_yes(fleetctl: Any, old: RunFolder) -> None:
    done = fleetctl("runs", "prune", "--keep", "1d")
    assert done.code == 2
    assert "needs-confirmation" in done.stderr
    assert OLD in done.stdout
    assert old.path.exists()


def test_what_is_not_shipped_stays_until_it_is(
    fleetctl: Any, project: Path, old: RunFolder, tmp_path: Path
) -> None:
    settings(project, {**sinks((tmp_path / "archive").as_uri()), "retention": {"keep": "90d"}})
    done = fleetctl("runs", "prune", "--yes")
    assert "fleetctl runs ship" in done.stdout
    assert old.path.exists()
    assert fleetctl("runs", "ship", "--all").code == 0
    assert fleetctl("runs", "prune", "--yes").code == 0
    assert not old.path.exists()


def test_nothing_said_is_refused(fleetctl: Any, old: RunFolder) -> None:
    done = fleetctl("runs", "prune", "--yes")
    assert done.code == 2
    assert "nothing says what is old" in done.stderr
    for args in (["--keep", "soon"], ["--max-size", "much"]):
        assert fleetctl("runs", "prune", "--yes", *args).code == 2
    assert old.path.exists()


def test_machines_get_rows(fleetctl: Any, old: RunFolder) -> None:
    (row,) = fleetctl("runs", "prune", "--keep", "1d", "--dry-run", "--format", "json").json
    assert (row["CommandId"], row["Action"], row["Reason"]) == (OLD, "Remove", "")
    assert fleetctl("runs", "prune", "--keep", "9999w", "--dry-run", "--format", "json").code == 2
    assert fleetctl("runs", "prune", "--keep", "500w", "--dry-run", "--format", "json").json == []


def test_a_run_ships_itself_and_its_exit_code_stays_its_own(
    fleetctl: Any, project: Path, bucket: Bucket
) -> None:
    settings(project, sinks(f"s3://{bucket.name}/fleet", endpoint=bucket.server.url))
    done = fleetctl("run", "web", "--format", "json", "--", "echo here; [ $FLEETCTL_HOST != web-2 ]")
    assert done.code == 3
    run_id = done.json["CommandId"]
    assert bucket.listed() == [
        f"fleet/{run_id}/{name}"
        for name in (
            "events.jsonl", "report.json", "run.json", "web-1/awsrunShellScript/stdout",
            "web-2/awsrunShellScript/stdout", "web-3/awsrunShellScript/stdout",
        )
    ]  # fmt: skip
    folder = project / ".fleetctl/runs" / run_id
    for name in ("events.jsonl", "report.json", "run.json"):
        assert bucket.read(f"fleet/{run_id}/{name}") == (folder / name).read_bytes()
    assert fleetctl("runs", "ship", "--all").stdout == ""


def test_a_run_whose_sink_is_down_is_well_and_says_what_to_do(
    fleetctl: Any, project: Path, tmp_path: Path, impatient: None
) -> None:
    (tmp_path / "archive").write_text("in the way")
    settings(project, sinks((tmp_path / "archive" / "runs").as_uri()))
    done = fleetctl("run", "web", "--format", "json", "--", "echo here")
    assert done.code == 0
    assert f"finish with: fleetctl runs ship {done.json['CommandId']}" in done.stderr
    (tmp_path / "archive").unlink()
    assert fleetctl("runs", "ship", "last").code == 0
    assert len(files_below(tmp_path / "archive")) == 6


def test_a_killed_run_is_away_as_far_as_it_was_and_stays_here(
    fleetctl: Any, project: Path, bucket: Bucket
) -> None:
    settings(project, sinks(f"s3://{bucket.name}", endpoint=bucket.server.url, every="1s"))
    work = "echo here; [ $FLEETCTL_HOST = web-1 ] || sleep 4"
    argv = [sys.executable, "-m", "fleetctl", "run", "web", "--", work]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            names = {key.partition("/")[2] for key in bucket.listed()}
            if "web-1/awsrunShellScript/stdout" in names and any("events/" in name for name in names):
                break
            time.sleep(0.05)
    finally:
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert {"run.json", "web-1/awsrunShellScript/stdout"} <= names
    assert "report.json" not in names
    (row,) = fleetctl("runs", "ship", "last", "--format", "json").json
    assert (row["Status"], row["Missing"]) == ("Unfinished", 0)
    done = fleetctl("runs", "prune", "--keep", "0s", "--yes")
    assert "unfinished" in done.stdout
    run_id = row["CommandId"]
    ledger = (project / ".fleetctl/runs" / run_id / "events.jsonl").read_bytes()
    for key in bucket.listed():
        if "/events/" in key:
            assert bucket.read(key) in ledger
