"""`runs verify` and `audit`, as operators and auditors meet them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetctl.store.lock import RunLock

DOCS = Path(__file__).parents[2] / "docs"
Fleetctl = Callable[..., Any]


@pytest.fixture
def ran(fleetctl: Fleetctl) -> list[str]:
    """Two runs, the older first: one that went well, one that failed on a host."""
    fleetctl("run", "web", "--comment", "say hello", "--", "echo hello")
    fleetctl("run", "web-[1-2]", "--", "exit 3")
    return [row["CommandId"] for row in reversed(fleetctl("runs", "list", "--format", "json").json)]


def edit(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_runs_that_nobody_touched_verify(fleetctl: Fleetctl, ran: list[str]) -> None:
    done = fleetctl("runs", "verify", "--all")
    assert (done.code, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [[ran[1], "sound"], [ran[0], "sound"]]
    assert [item["State"] for item in fleetctl("runs", "verify", "--format", "json").json] == ["sound"]


def test_a_fault_is_named_and_ends_with_2(fleetctl: Fleetctl, ran: list[str], project: Path) -> None:
    edit(project / ".fleetctl" / "runs" / ran[0] / "out" / "web-2" / "stdout", b"hello", b"howdy")
    done = fleetctl("runs", "verify", ran[0], ran[1])
    assert done.code == 2
    assert "changed     out/web-2/stdout: out/web-2/stdout was changed" in done.stdout
    assert f"error[damaged]: {ran[0]} does not verify" in done.stderr
    assert fleetctl("runs", "verify", ran[0], "--no-output").code == 0
    assert "changed: out/web-2/stdout" in fleetctl("runs", "verify", ran[0], "--format", "csv").stdout


def test_names_and_all_exclude_one_another(fleetctl: Fleetctl, ran: list[str]) -> None:
    assert "error[usage]" in fleetctl("runs", "verify", "--all", ran[0]).stderr


def test_the_audit_log_lists_who_ran_what(fleetctl: Fleetctl, ran: list[str]) -> None:
    done = fleetctl("audit", "list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["RUN", ran[1], ran[0]]
    assert "say hello" in done.stdout
    assert "exit 3" in done.stdout.splitlines()[1]
    newest, oldest = fleetctl("audit", "list", "--format", "json").json
    assert (newest["Status"], newest["TargetCount"], newest["Selector"]) == ("Failed", 2, "web-[1-2]")
    assert (oldest["Status"], oldest["Counts"], oldest["Comment"]) == ("Success", {"Success": 3}, "say hello")


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        ((), 2),
        (("--status", "failed"), 1),
        (("--status", "InProgress"), 0),
        (("--since", "1h"), 2),
        (("--since", "2999-01-01"), 0),
        (("--since", "2001-01-01T10:00"), 2),
        (("--user", "nobody-at-all"), 0),
        (("--limit", "1"), 1),
    ],
)
def test_the_list_can_be_narrowed(
    fleetctl: Fleetctl, ran: list[str], flags: tuple[str, ...], count: int
) -> None:
    assert len(fleetctl("audit", "list", "--format", "json", *flags).json) == count
    assert len(fleetctl("audit", "list", "--run", ran[0][-6:], "--format", "json").json) == 1
    me = fleetctl("audit", "list", "--format", "json").json[0]["RequestedBy"]
    assert len(fleetctl("audit", "list", "--user", me, "--format", "json").json) == 2


def test_a_run_whose_controller_was_killed_is_interrupted(
    fleetctl: Fleetctl, ran: list[str], project: Path
) -> None:
    log = project / ".fleetctl" / "audit" / "audit.jsonl"
    log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:3]))
    assert fleetctl("audit", "list", "--format", "json").json[0]["Status"] == "Interrupted"
    lock = RunLock.take(project / ".fleetctl" / "runs" / ran[1], doing="fleetctl runs resume")
    try:
        assert fleetctl("audit", "list", "--format", "json").json[0]["Status"] == "InProgress"
        assert fleetctl("audit", "verify").code == 0
    finally:
        lock.release()
    done = fleetctl("audit", "verify")
    assert done.code == 0
    assert "the audit log does not say so" in done.stdout


def test_a_run_that_was_killed_and_resumed_leaves_evidence_that_verifies(
    fleetctl: Fleetctl, start: Callable[..., subprocess.Popen[bytes]], project: Path
) -> None:
    holding, done_ = project / "holding", project / "done"
    child = start(
        "run",
        "web",
        "--max-concurrency",
        "1",
        "--",
        f"[ -e {done_} ] || {{ echo $$ > {holding}.new; mv {holding}.new {holding}; exec sleep 600; }}",
    )
    while not holding.exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.kill()
    child.wait()
    os.kill(int(holding.read_text()), signal.SIGKILL)
    done_.touch()
    (verdict,) = fleetctl("runs", "verify", "--format", "json").json
    assert (verdict["State"], verdict["Flaws"]) == ("unfinished", [])
    assert fleetctl("audit", "verify").code == 0
    done = fleetctl("runs", "resume", "last", "--yes")
    assert done.code in {0, 3}, done.stderr
    (verdict,) = fleetctl("runs", "verify", "--format", "json").json
    assert (verdict["State"], verdict["Flaws"]) == ("sound", [])
    assert fleetctl("audit", "verify").code == 0
    (row,) = fleetctl("audit", "list", "--format", "json").json
    assert "EndedDateTime" in row


def test_what_is_no_time_is_said(fleetctl: Fleetctl, ran: list[str]) -> None:
    done = fleetctl("audit", "list", "--since", "yesterday")
    assert done.code == 2
    assert "--since: 'yesterday' is no time" in done.stderr


def test_files_that_are_not_there_are_said(fleetctl: Fleetctl, ran: list[str]) -> None:
    assert (
        "--allowed-signers: there is no file gone"
        in fleetctl("audit", "verify", "--allowed-signers", "gone").stderr
    )
    assert (
        "error[not-found]: there is no checkpoint gone"
        in fleetctl("audit", "verify", "--against", "gone").stderr
    )
    assert (
        "error[credentials]: there is no key gone" in fleetctl("audit", "checkpoint", "--key", "gone").stderr
    )


def test_before_the_first_run_there_is_nothing_to_tell(fleetctl: Fleetctl, project: Path) -> None:
    assert fleetctl("audit", "list").code == 0
    assert fleetctl("audit", "list", "--format", "json").json == []
    assert fleetctl("audit", "verify").code == 0
    assert fleetctl("runs", "verify", "--all").code == 0
    assert "empty" in fleetctl("audit", "checkpoint").stderr
    assert fleetctl("audit", "export").json["Lines"] == []


def test_every_fault_is_named_by_audit_verify(fleetctl: Fleetctl, ran: list[str], project: Path) -> None:
    assert fleetctl("audit", "verify").stdout.startswith("sound: 4 records, 2 runs, 0 checkpoints\n")
    state = project / ".fleetctl"
    edit(state / "audit" / "audit.jsonl", b"say hello", b"say howdy")
    shutil.rmtree(state / "runs" / ran[1])
    done = fleetctl("audit", "verify")
    assert done.code == 2
    assert "changed     audit/audit.jsonl:1: record 1 does not fit" in done.stdout
    assert f"missing     runs/{ran[1]}: run {ran[1]} of " in done.stdout
    assert "error[damaged]: the evidence does not verify: 2 faults" in done.stderr
    assert [flaw["Kind"] for flaw in fleetctl("audit", "verify", "--format", "json").json["Flaws"]] == [
        "changed",
        "missing",
    ]
    assert "warning: changed" in fleetctl("audit", "export").stderr


def test_a_run_in_a_folder_with_a_strange_lock_is_looked_at_all_the_same(
    fleetctl: Fleetctl, ran: list[str], project: Path
) -> None:
    (project / ".fleetctl" / "runs" / ran[0] / "run.lock").write_bytes(b"\0garbage")
    assert fleetctl("runs", "verify", ran[0]).code == 0
    assert fleetctl("audit", "verify").code == 0


def test_what_was_run_is_told_only_where_the_log_vouches_for_it(
    fleetctl: Fleetctl, ran: list[str], project: Path
) -> None:
    edit(project / ".fleetctl" / "runs" / ran[1] / "run.json", b"exit 3", b"exit 0")
    newest, oldest = fleetctl("audit", "list", "--format", "json").json
    assert "Parameters" not in newest
    assert oldest["Parameters"] == {"commands": ["echo hello"]}


def test_a_run_that_was_deleted_stays_in_the_audit_log(fleetctl: Fleetctl, ran: list[str]) -> None:
    assert fleetctl("runs", "rm", ran[1], "--yes").code == 0
    assert fleetctl("audit", "verify").stdout.startswith("sound: 5 records, 2 runs, 1 of them removed")
    newest = fleetctl("audit", "list", "--format", "json").json[0]
    assert (newest["CommandId"], newest["Status"]) == (ran[1], "Failed")
    assert newest["RemovedBy"] == newest["RequestedBy"]
    assert "Failed, removed" in fleetctl("audit", "list").stdout


@pytest.fixture
def key(project: Path) -> Path:
    path = project.parent / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def test_a_signed_checkpoint_is_made_kept_elsewhere_and_compared(
    fleetctl: Fleetctl, ran: list[str], project: Path, key: Path, tmp_path: Path
) -> None:
    done = fleetctl("audit", "checkpoint", "--key", str(key))
    path = Path(done.stdout.strip())
    assert "now keep 4.txt and 4.txt.sig on another machine" in done.stderr
    vault = tmp_path / "vault"
    vault.mkdir()
    kept = Path(shutil.copy(path, vault))
    shutil.copy(path.with_name("4.txt.sig"), vault)
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f"anna@example.net {key.with_suffix('.pub').read_text()}")
    done = fleetctl("audit", "verify", "--against", str(kept), "--allowed-signers", str(allowed))
    assert done.code == 0
    assert "of anna@example.net" in done.stdout
    log = project / ".fleetctl" / "audit" / "audit.jsonl"
    log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:3]))
    done = fleetctl("audit", "verify", "--against", str(kept))
    assert done.code == 2
    assert "truncated" in done.stdout
    assert str(kept) in done.stdout


def commands(paper: str, *, number: int) -> str:
    """Return the shell script that stands in the docs for auditors."""
    found = re.findall(r"^```sh\n(#!/bin/sh\n.*?)^```", (DOCS / paper).read_text(), re.MULTILINE | re.DOTALL)
    return str(found[number])


@pytest.fixture
def audit_offline(
    fleetctl: Fleetctl, ran: list[str], project: Path, key: Path, tmp_path: Path
) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Lay out what an auditor is given, and run the script of the docs on it: no fleetctl in sight."""
    fleetctl("audit", "checkpoint", "--key", str(key))
    fleetctl("run", "db-1", "--", "true")
    given = tmp_path / "given"
    given.mkdir()
    fleetctl("audit", "export", "--format", "jsonl", "--output", str(given / "audit.jsonl"))
    for item in (project / ".fleetctl" / "audit" / "checkpoints").iterdir():
        shutil.copy(item, given)
    (given / "allowed_signers").write_text(f"anna@example.net {key.with_suffix('.pub').read_text()}")
    (given / "verify.sh").write_text(commands("how-to/prove-what-was-done.md", number=0))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "verify.sh"], cwd=given, capture_output=True, text=True, check=False)

    return run


def test_an_auditor_needs_no_fleetctl(
    audit_offline: Callable[[], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = audit_offline()
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Good "fleetctl-audit" signature for anna@example.net' in done.stdout
    assert "4.txt: the log had record 4, as signed" in done.stdout
    assert "7 records fit one another" in done.stdout


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("audit.jsonl", (b"say hello", b"say howdy"), "record 2 does not fit"),
        ("4.txt", (b"user:", b"who:"), "the signature does not hold"),
        ("4.txt.sig", (b"A", b"B"), "the signature does not hold"),
        ("allowed_signers", (b"anna", b"ben"), "the signature does not hold"),
    ],
)
def test_an_auditor_finds_what_was_changed(
    audit_offline: Callable[[], subprocess.CompletedProcess[str]],
    tmp_path: Path,
    file: str,
    change: tuple[bytes, bytes],
    told: str,
) -> None:
    edit(tmp_path / "given" / file, *change)
    done = audit_offline()
    assert done.returncode == 1
    assert told in done.stdout


def test_an_auditor_finds_a_log_that_was_cut(
    audit_offline: Callable[[], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    log = tmp_path / "given" / "audit.jsonl"
    log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:3]))
    done = audit_offline()
    assert done.returncode == 1
    assert "4.txt: the log has no such record 4" in done.stdout


@pytest.mark.skipif(shutil.which("jq") is None, reason="no jq")
def test_the_export_holds_the_log_and_the_checkpoints_to_the_byte(
    fleetctl: Fleetctl, ran: list[str], project: Path, key: Path, tmp_path: Path
) -> None:
    fleetctl("audit", "checkpoint", "--key", str(key))
    file = tmp_path / "evidence.json"
    assert fleetctl("audit", "export", "--output", str(file)).code == 0
    audit = project / ".fleetctl" / "audit"
    for query, path in (
        (".Lines[]", audit / "audit.jsonl"),
        (".Checkpoints[0].Text", audit / "checkpoints" / "4.txt"),
        (".Checkpoints[0].Signature", audit / "checkpoints" / "4.txt.sig"),
    ):
        flags = "-r" if query == ".Lines[]" else "-j"
        taken = subprocess.run(["jq", flags, query, file], capture_output=True, check=True).stdout
        assert taken == path.read_bytes()
    data = json.loads(file.read_text())
    assert data["Verification"]["State"] == "sound"
    assert [run["CommandId"] for run in data["Runs"]] == ran


def test_the_export_for_spreadsheets_has_a_line_for_each_run(fleetctl: Fleetctl, ran: list[str]) -> None:
    lines = fleetctl("audit", "export", "--format", "csv").stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == ["CommandId", *ran]
