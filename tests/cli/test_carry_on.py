"""A run that was cut short, as its operator meets it: resume, attach, retry and cancel, with controllers that are really killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

HOSTS = ("web-1", "web-2", "web-3", "db-1")
# Leaves a line when it begins, waits for the file `go`, and leaves another when it ends.
WORK = 'echo begun >>"{at}/$FLEETCTL_HOST"; while [ ! -e "{at}/go" ]; do sleep 0.1; done; echo ended >>"{at}/$FLEETCTL_HOST"; echo out'


def until(true: Callable[[], Any], what: str, seconds: float = 40) -> Any:
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, what
        time.sleep(0.03)
    return value


@dataclass(frozen=True)
class Site:
    """Where hosts, which are all this machine, leave their traces; and the program."""

    project: Path
    at: Path
    start: Callable[..., subprocess.Popen[bytes]]
    program: Callable[..., Any]

    @property
    def work(self) -> str:
        return WORK.format(at=self.at)

    def go(self) -> None:
        (self.at / "go").touch()

    def traces(self, word: str) -> Counter[str]:
        files = [path for path in self.at.iterdir() if path.name in HOSTS]
        return Counter({path.name: path.read_text().split().count(word) for path in files})

    def begun(self, *names: str) -> bool:
        return set(+self.traces("begun")) >= set(names)

    @property
    def run_id(self) -> str:
        return max(path.name for path in (self.project / ".fleetctl" / "runs").iterdir())

    def ledger(self) -> list[dict[str, Any]]:
        path = self.project / ".fleetctl" / "runs" / self.run_id / "events.jsonl"
        return [
            json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]

    def killed(self, *args: str, begun: tuple[str, ...]) -> None:
        """Run, and kill the controller when these hosts have begun."""
        child = self.start("run", *args)
        until(lambda: self.begun(*begun) or child.poll() is not None, f"{begun} have begun")
        assert child.poll() is None, child.communicate()
        child.send_signal(signal.SIGKILL)
        child.wait()

    def show(self) -> dict[str, str]:
        """Return the statuses of the latest run; whatever it is, it must be as the schema says, and its ledger sound."""
        report = self.program("runs", "report", "last", "--format", "json").json
        jsonschema.validate(report, self.program("schema", "run-report").json)
        assert self.program("runs", "verify", "last").code == 0
        return {item["InstanceId"]: item["Status"] for item in report["Invocations"]}

    def left(self) -> list[str]:
        return [str(path) for path in Path("/var/tmp").glob(f"fleetctl-*/*{self.run_id}*")]


@pytest.fixture
def site(project: Path, tmp_path: Path, start: Any, program: Any) -> Any:
    at = tmp_path / "at"
    at.mkdir()
    made = Site(project, at, start, program)
    yield made
    made.go()  # what was left running ends
    if (project / ".fleetctl" / "runs").exists():
        program("runs", "cancel", "last", "--yes")
        for path in made.left():  # only ours: this machine is the host of other tests too
            shutil.rmtree(path, ignore_errors=True)


def test_a_secret_in_a_gate_is_refused_before_anything_is_kept(site: Site) -> None:
    done = site.program(
        "run", "web", "--secret", "TOKEN", "--waves", "1,100%", "--gate", "check --token hunter22", "--", "true",
        env={"TOKEN": "hunter22"},
    )  # fmt: skip
    assert done.code == 2
    assert "a secret is written in the gate" in done.stderr
    assert "hunter22" not in done.stderr
    assert not (site.project / ".fleetctl" / "runs").exists()


def test_what_ran_is_unknown_after_a_kill_and_what_did_not_is_begun_by_resume(site: Site) -> None:
    site.killed("web", "--max-concurrency", "2", "--", site.work, begun=("web-1", "web-2"))
    assert site.show() == {"web-1": "Unknown", "web-2": "Unknown", "web-3": "Pending"}
    assert site.program("runs", "list", "--format", "json").json[0]["Status"] == "Interrupted"
    site.go()
    done = site.program("runs", "resume", "last", "--format", "json")
    assert done.code == 3
    assert [item["Status"] for item in done.json["Invocations"]] == ["Unknown", "Unknown", "Success"]
    assert f"fleetctl runs resume {site.run_id} --retry-unknown" in done.json["Invocations"][0]["Hint"]
    assert site.show() == {"web-1": "Unknown", "web-2": "Unknown", "web-3": "Success"}
    assert site.traces("begun") == {"web-1": 1, "web-2": 1, "web-3": 1}


def test_what_is_unknown_is_repeated_only_when_that_is_asked_for_and_confirmed(site: Site) -> None:
    site.killed("web", "--", site.work, begun=("web-1", "web-2", "web-3"))
    site.go()
    assert site.program("runs", "resume", "last", "--retry-unknown").code == 2
    done = site.program("runs", "resume", "last", "--retry-unknown", "--yes")
    assert done.code == 0
    assert set(site.show().values()) == {"Success"}
    assert site.traces("begun") == {"web-1": 2, "web-2": 2, "web-3": 2}
    ended = site.program("runs", "resume", "last", "--retry-unknown", "--yes")
    assert (ended.code, "nothing is left to resume" in ended.stderr) == (2, True)


def test_a_repetition_that_is_interrupted_before_it_begins_leaves_what_is_unknown_unknown(site: Site) -> None:
    site.killed("web", "--", site.work, begun=("web-1", "web-2", "web-3"))
    child = site.start("runs", "resume", "last", "--retry-unknown", "--yes", "--max-concurrency", "1")
    until(lambda: sum(site.traces("begun").values()) == 4, "one host is begun again")
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    site.go()
    assert child.wait(40) == 130
    assert Counter(site.show().values()) == {"Success": 1, "Unknown": 2}
    # Nobody asks for a repetition now, so there is none.
    site.program("runs", "resume", "last")
    assert sum(site.traces("begun").values()) == 4


def test_detached_jobs_of_a_killed_controller_are_attached_to_and_end_once(site: Site) -> None:
    site.killed(
        "web,db-1", "--detach", "--max-concurrency", "3", "--", site.work, begun=("web-1", "web-2", "web-3")
    )
    assert site.show() == {**dict.fromkeys(("web-1", "web-2", "web-3"), "InProgress"), "db-1": "Pending"}
    site.go()
    done = site.program("runs", "attach", "last", "--format", "json")
    assert [item["Status"] for item in done.json["Invocations"]] == ["Success"] * 3 + ["Pending"]
    assert (done.code, done.json["Status"]) == (3, "Interrupted")
    assert not site.begun("db-1")
    done = site.program("runs", "resume", "last", "--format", "json")
    assert (done.code, done.json["Status"]) == (0, "Success")
    assert {item["StandardOutputContent"] for item in done.json["Invocations"]} == {"out\n"}
    assert site.traces("begun") == site.traces("ended") == dict.fromkeys(HOSTS, 1)
    assert site.show() == dict.fromkeys(HOSTS, "Success")
    assert site.left() == []


def test_a_run_is_resumed_as_often_as_its_controller_is_killed(site: Site) -> None:
    site.killed("web,db-1", "--detach", "--max-concurrency", "1", "--", site.work, begun=("web-1",))
    for _ in range(3):
        child = site.start("runs", "resume", "last", "--max-concurrency", "2")
        time.sleep(1.5)
        child.kill()
        child.wait()
    site.go()
    assert site.program("runs", "resume", "last").code == 0
    assert site.traces("begun") == dict.fromkeys(HOSTS, 1)
    assert site.show() == dict.fromkeys(HOSTS, "Success")


def test_no_wait_leaves_jobs_that_attach_collects(site: Site) -> None:
    done = site.program("run", "web", "--detach", "--no-wait", "--", site.work)
    assert done.code == 0
    assert set(site.show().values()) == {"InProgress"}
    assert site.program("runs", "list", "--format", "json").json[0]["Status"] == "InProgress"
    site.go()
    assert site.program("runs", "attach", "last").code == 0
    assert set(site.show().values()) == {"Success"}
    again = site.program("runs", "attach", "last")
    assert (again.code, again.stdout.count("out")) == (0, 3)


def test_attaching_to_a_run_that_another_works_on_shows_its_result_and_its_exit_code(site: Site) -> None:
    first = site.start("run", "web", "--", site.work + "; exit 4")
    until(lambda: site.begun("web-1", "web-2", "web-3"), "all have begun")
    locked = site.program("runs", "resume", "last")
    assert (locked.code, "error[locked]" in locked.stderr) == (2, True)
    second = site.start("runs", "attach", "last")
    time.sleep(1)
    site.go()
    out, err = second.communicate(timeout=40)
    assert first.wait(40) == second.returncode == 3
    assert b"another controller is at work" in err
    assert out.count(b"out") == 3


@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["plain", "detached"])
def test_cancel_asks_a_living_controller(site: Site, how: tuple[str, ...]) -> None:
    child = site.start("run", "web", *how, "--", site.work)
    until(lambda: site.begun("web-1", "web-2", "web-3"), "all have begun")
    assert site.program("runs", "cancel", "last").code == 2
    done = site.program("runs", "cancel", "last", "--yes")
    assert done.code == 0
    assert child.wait(40) == 130
    assert set(site.show().values()) == {"Cancelled"}
    site.go()
    time.sleep(0.5)
    assert not +site.traces("ended")


@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["plain", "detached"])
def test_cancel_ends_what_a_dead_controller_left(site: Site, how: tuple[str, ...]) -> None:
    site.killed("web", *how, "--max-concurrency", "2", "--", site.work, begun=("web-1", "web-2"))
    done = site.program("runs", "cancel", "last", "--yes", "--format", "json")
    assert done.code == 0, done.stderr
    assert site.show() == dict.fromkeys(("web-1", "web-2", "web-3"), "Cancelled")
    site.go()
    time.sleep(0.5)
    assert not +site.traces("ended")
    assert not site.begun("web-3")
    assert site.program("runs", "cancel", "last", "--yes").code == 2


def test_a_job_that_had_ended_before_it_was_cancelled_is_not_told_as_cancelled(site: Site) -> None:
    site.killed("web-1", "--detach", "--", site.work, begun=("web-1",))
    site.go()
    until(lambda: site.traces("ended")["web-1"], "the job has ended")
    time.sleep(1.5)
    site.program("runs", "cancel", "last", "--yes")
    assert site.show() == {"web-1": "InProgress"}
    assert site.program("runs", "attach", "last").code == 0
    assert site.show() == {"web-1": "Success"}


def test_waves_go_on_after_a_kill_where_they_were(site: Site) -> None:
    site.go()
    args = ("run", "web,db-1", "--waves", "1,50%,100%", "--bake", "20s", "--", site.work)
    child = site.start(*args)
    until(lambda: site.traces("ended")["web-1"], "the first wave is done")
    until(lambda: any(record["type"] == "wave-baking" for record in site.ledger()), "it bakes")
    child.kill()
    child.wait()
    child = site.start("runs", "resume", "last")
    until(lambda: sum(r["type"] == "wave-baking" for r in site.ledger()) == 2, "it bakes again")
    child.kill()
    child.wait()
    assert site.show() == {"web-1": "Success", **dict.fromkeys(("web-2", "web-3", "db-1"), "Pending")}
    assert site.traces("begun") == {"web-1": 1}


def test_attaching_to_a_run_that_waits_after_a_red_gate_leaves_it_waiting(site: Site) -> None:
    site.go()
    done = site.program("run", "web", "--waves", "1,100%", "--gate", "false", "--", site.work)
    assert done.code == 7
    site.program("runs", "attach", "last")
    assert site.program("runs", "list", "--format", "json").json[0]["Status"] == "Paused"
    assert site.program("runs", "resume", "last").code == 2  # nobody to ask
    assert not site.begun("web-2")


def test_who_goes_on_after_a_red_gate_is_on_record_and_is_not_asked_again_after_a_kill(site: Site) -> None:
    first = site.start("run", "web", "--waves", "1,100%", "--gate", f"test -e {site.at}/green", "--", "true")
    assert first.wait(40) == 7
    (site.at / "green").touch()
    done = site.program("runs", "resume", "last", "--yes")
    assert done.code == 0
    passed = [record for record in site.ledger() if record["type"] == "wave-passed"]
    assert [(record["wave"], "by" in record) for record in passed] == [(1, True), (2, False)]


def test_a_detached_host_of_a_wave_that_is_behind_is_not_forgotten(site: Site) -> None:
    done = site.start("run", "web", "--detach", "--waves", "1,100%", "--gate", "false", "--", site.work)
    until(lambda: site.begun("web-1"), "the canary has begun")
    os.kill(done.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(done.pid, signal.SIGINT)
    assert done.wait(40) == 130
    assert site.show()["web-1"] == "InProgress"
    site.go()
    site.program("runs", "resume", "last", "--yes")
    assert site.show()["web-1"] == "Success"
    assert site.traces("begun")["web-1"] == 1


def test_secrets_are_not_kept_and_are_given_again(site: Site) -> None:
    command = f'{site.work}; echo "$TOKEN $PLACE"'
    child = site.start(
        "run", "web", "--max-concurrency", "1", "--secret", "TOKEN", "-e", "TOKEN=hunter22", "-e", "PLACE", "--", command,
        env={**os.environ, "PLACE": "b"},
    )  # fmt: skip
    until(lambda: site.begun("web-1"), "one has begun")
    child.kill()
    child.wait()
    kept = (site.project / ".fleetctl" / "runs" / site.run_id / "run.json").read_text()
    assert "hunter22" not in kept
    # The command says what it said, letter for letter, although `b` is the value of a variable.
    assert json.loads(kept)["Work"]["Spec"]["Script"] == command
    site.go()
    missing = site.program("runs", "resume", "last")
    assert (missing.code, "which is not set here" in missing.stderr) == (2, True)
    done = site.program("runs", "resume", "last", "-e", "TOKEN=hunter22", "-e", "PLACE=c", "--format", "json")
    texts = [item["StandardOutputContent"] for item in done.json["Invocations"][1:]]
    assert texts == ["out\n******** c\n"] * 2
    assert site.show() == {"web-1": "Unknown", "web-2": "Success", "web-3": "Success"}


def test_cancelling_needs_no_secret(site: Site) -> None:
    child = site.start(
        "run",
        "web-1",
        "--detach",
        "--secret",
        "TOKEN",
        "--",
        site.work,
        env={**os.environ, "TOKEN": "hunter22"},
    )
    until(lambda: site.begun("web-1"), "it has begun")
    child.kill()
    child.wait()
    assert site.program("runs", "cancel", "last", "--yes").code == 0
    assert site.show() == {"web-1": "Cancelled"}


def test_stdin_that_was_changed_keeps_hosts_from_being_begun_and_not_from_being_attached_to(
    site: Site,
) -> None:
    file = site.project / "input"
    file.write_text("as it was\n")
    site.killed(
        "web",
        "--detach",
        "--max-concurrency",
        "1",
        "--stdin",
        "input",
        "--",
        f"cat; {site.work}",
        begun=("web-1",),
    )
    file.write_text("changed\n")
    site.go()
    refused = site.program("runs", "resume", "last")
    assert (refused.code, "was changed since the run began" in refused.stderr) == (2, True)
    site.program("runs", "attach", "last")
    assert site.show() == {"web-1": "Success", "web-2": "Pending", "web-3": "Pending"}
    out = site.program("runs", "output", "last", "web-1").stdout
    assert out == "as it was\nout\n"


DOCUMENT = """\
schemaVersion: "2.2"
description: two steps
parameters: {what: {type: String, default: nothing}}
mainSteps:
  - {action: aws:runShellScript, name: one, inputs: {runCommand: ["echo one {{ what }}"]}}
  - {action: aws:runShellScript, name: two, inputs: {runCommand: ["WORK"]}}
"""


@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["plain", "detached"])
def test_a_document_is_carried_on_with_as_it_was(site: Site, how: tuple[str, ...]) -> None:
    work = site.work.replace('"', '\\"')
    (site.project / "documents").mkdir()
    path = site.project / "documents" / "two.yaml"
    path.write_text(DOCUMENT.replace("WORK", work))
    site.killed(
        "web", *how, "--max-concurrency", "1", "--document", "two", "-p", "what=now", begun=("web-1",)
    )
    path.write_text("changed: meanwhile\n")
    site.go()
    site.program("runs", "resume", "last")
    first = "Success" if how else "Unknown"
    assert site.show() == {"web-1": first, "web-2": "Success", "web-3": "Success"}
    assert site.traces("begun") == {"web-1": 1, "web-2": 1, "web-3": 1}
    assert site.program("runs", "output", "last", "web-3", "--step", "one").stdout == "one now\n"


def test_a_template_is_rendered_again_with_the_variables_of_the_time(site: Site) -> None:
    (site.project / "fleetctl.yaml").write_text("vars: {greeting: hello}\n")
    site.killed(
        "web", "--max-concurrency", "1", "--template", "--", f"{site.work}; echo {{{{ greeting }}}} {{{{ port }}}}",
        begun=("web-1",),
    )  # fmt: skip
    (site.project / "fleetctl.yaml").write_text("vars: {greeting: bye}\n")
    site.go()
    site.program("runs", "resume", "last")
    assert site.program("runs", "output", "last", "web-2").stdout == "out\nhello 80\n"


def test_a_host_that_has_left_the_inventory_holds_up_only_what_is_to_be_done_on_it(site: Site) -> None:
    inventory = site.project / "inventories" / "hosts.yaml"
    text = inventory.read_text()
    site.killed("web", "--max-concurrency", "1", "--", site.work, begun=("web-1",))
    site.go()
    inventory.write_text(text.replace("web-[1-3]", "web-[1-2]"))
    gone = site.program("runs", "resume", "last")
    assert (gone.code, "web-3" in gone.stderr) == (2, True)
    inventory.write_text(text.replace("web-[1-3]", "web-[2-3]"))
    assert site.program("runs", "resume", "last").code == 3
    assert site.show() == {"web-1": "Unknown", "web-2": "Success", "web-3": "Success"}


def test_the_inventory_of_the_command_line_is_remembered(site: Site) -> None:
    (site.project / "other.yaml").write_text('defaults: {transport: local}\nhosts: {"web-[1-2]": {}}\n')
    child = site.start("-i", "other.yaml", "run", "all", "--max-concurrency", "1", "--", site.work)
    until(lambda: site.begun("web-1"), "one has begun")
    child.kill()
    child.wait()
    site.go()
    (site.project / "elsewhere").mkdir()
    site.program("runs", "resume", "last", cwd=site.project / "elsewhere")
    assert site.show() == {"web-1": "Unknown", "web-2": "Success"}


def test_hosts_of_a_killed_run_are_selected_by_what_became_of_them(site: Site) -> None:
    site.killed("web", "--max-concurrency", "1", "--", site.work, begun=("web-1",))

    def select(kind: str) -> str:
        return site.program("hosts", "list", f"@{kind}:last", "--format", "json").stdout

    assert "web-1" in select("unknown")
    assert "web-2" in select("pending")
    assert "web-1" not in select("pending")


def test_running_jobs_are_selected_as_in_progress(site: Site) -> None:
    site.killed("web", "--detach", "--max-concurrency", "1", "--", site.work, begun=("web-1",))
    listed = site.program("hosts", "list", "@inprogress:last", "--format", "json").json
    assert [host["name"] for host in listed] == ["web-1"]


def test_retry_is_a_new_run_of_the_same_order_on_what_did_not_go_well(site: Site) -> None:
    site.program("run", "web,dead", "--", f'test -e "{site.at}/$FLEETCTL_HOST.ok" || exit 5; echo fine')
    first = site.run_id
    assert site.show() == {**dict.fromkeys(("web-1", "web-2", "web-3"), "Failed"), "dead-1": "Undeliverable"}
    (site.at / "web-1.ok").touch()
    done = site.program("runs", "retry", first, "--failed", "--format", "json")
    assert (done.code, done.json["RetryOf"]) == (3, first)
    assert site.show() == {"web-1": "Success", "web-2": "Failed", "web-3": "Failed"}
    (site.at / "web-2.ok").touch()
    (site.at / "web-3.ok").touch()
    both = site.program("runs", "retry", first, "--format", "json").json
    assert {item["InstanceId"]: item["Status"] for item in both["Invocations"]} == {
        **dict.fromkeys(("web-1", "web-2", "web-3"), "Success"), "dead-1": "Undeliverable"
    }  # fmt: skip
    none = site.program("runs", "retry", first, "--unknown")
    assert (none.code, "has no host that is unknown" in none.stderr) == (2, True)


def test_retrying_what_is_unknown_asks_first(site: Site) -> None:
    site.killed("web-1", "--", site.work, begun=("web-1",))
    site.go()
    assert site.program("runs", "retry", "last", "--unknown").code == 2
    assert site.program("runs", "retry", "last", "--unknown", "--yes").code == 0
    assert site.show() == {"web-1": "Success"}


def test_what_was_not_kept_cannot_be_resumed_and_says_so(site: Site) -> None:
    source = site.project / "source"
    source.write_text("x")
    done = site.program("copy", "push", "web-1", "source", f"{site.at}/copied", "--yes")
    assert done.code == 0, done.stderr
    folder = site.project / ".fleetctl" / "runs" / site.run_id
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(lines[0])
    (folder / "report.json").unlink()
    done = site.program("runs", "resume", "last")
    assert done.code == 2
    assert "cannot be" in done.stderr
    assert f"@pending:{site.run_id}" in done.stderr


def test_attaching_to_a_run_that_is_not_detached_is_refused(site: Site) -> None:
    site.killed("web-1", "--", site.work, begun=("web-1",))
    done = site.program("runs", "attach", "last")
    assert done.code == 2
    assert f"fleetctl runs resume {site.run_id}" in done.stderr
