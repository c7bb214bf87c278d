"""What the ledger tells of hosts, and what follows from it for whoever carries on: `replay` and `stages_of`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.replay import Story, replay
from fleetctl.engine.stages import Stages, stages_of, unrecorded
from fleetctl.model import Host, Reason, Status
from fleetctl.store.chain import hash_of, seal
from fleetctl.store.runs import RunFolder, Runs

Records = list[tuple[str, dict[str, Any]]]
START = ("invocation-started", {"host": "a"})
JOB = ("job-started", {"host": "a", "job": "run.a"})
UP = ("invocation-taken-up", {"host": "a"})
BOOT = ("rebooting", {"host": "a"})


def end(status: str, *, started: bool = True, **more: str) -> tuple[str, dict[str, Any]]:
    when = {"started": "2026-11-23T20:45:12.093+00:00"} if started else {}
    return ("invocation-ended", {"host": "a", "status": status, **when, **more})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = Runs(tmp_path).create("20261123T204512.093-7f3a9c")
    made.write_run({"Hosts": [{"InstanceId": "a"}, {"InstanceId": "b"}]})
    return made


def told(folder: RunFolder, *records: tuple[str, dict[str, Any]], torn: bytes = b"") -> Story:
    lines, previous = [], "x"
    for number, (type_, fields) in enumerate(records, 1):
        lines.append(seal(type_, fields, sequence=number, previous=previous) + b"\n")
        previous = hash_of(lines[-1][:-1])
    folder.events.write_bytes(b"".join(lines) + torn)
    return replay(folder)


def stages(story: Story, **options: Any) -> Stages:
    hosts = (Host(name="a"), Host(name="b"))
    given = {"rollout": None, "detached": False, "resumable": False, "retry_unknown": False, "start": True}
    return stages_of(story, hosts, **{**given, **options})


def test_a_run_without_a_ledger_has_begun_nothing(folder: RunFolder) -> None:
    story = replay(folder)
    assert [share.never_started for share in story.shares.values()] == [True, True]
    assert not story.ended


def test_half_a_line_is_no_record(folder: RunFolder) -> None:
    story = told(
        folder, START, torn=b'{"seq": 2, "type": "invocation-ended", "host": "a", "status": "Success"'
    )
    assert story.shares["a"].in_flight


def test_a_host_that_the_run_does_not_have_is_passed_over(folder: RunFolder) -> None:
    story = told(folder, ("invocation-started", {"host": "stranger"}))
    assert set(story.shares) == {"a", "b"}


@pytest.mark.parametrize(
    ("records", "is_", "starts"),
    [
        ([], {"never_started"}, 0),
        ([START], {"in_flight", "unsure"}, 1),
        ([START, end("Success")], set(), 1),
        ([START, end("Unknown")], {"unsure"}, 1),
        ([START, end("Unknown"), UP], {"in_flight", "unsure"}, 1),
        ([START, end("Unknown"), START], {"in_flight", "unsure"}, 2),
        ([end("Undeliverable", started=False)], set(), 0),
        ([end("Terminated", started=False)], {"never_started"}, 0),
        ([START, end("Cancelled", started=False)], {"never_started"}, 1),
        ([START, end("Cancelled")], set(), 1),
    ],
)
def test_how_far_a_host_has_come(folder: RunFolder, records: Records, is_: set[str], starts: int) -> None:
    share = told(folder, *records).shares["a"]
    assert {name for name in ("never_started", "in_flight", "unsure") if getattr(share, name)} == is_
    assert share.starts == starts


def test_the_last_record_about_the_run_counts(folder: RunFolder) -> None:
    paused = ("run-paused", {"reason": "gate", "next": 1, "of": 2})
    assert told(folder, paused).paused
    story = told(folder, paused, ("controller", {}), ("wave-passed", {"wave": 1, "by": "ops"}))
    assert (story.paused, story.passed, story.stands) == (None, 1, "controller")
    assert told(folder, ("run-ended", {"status": "Success"})).ended


# What is done with host a: it stands as it is (its status), is taken up, is begun (again), or is left alone.
@pytest.mark.parametrize(
    ("records", "options", "what"),
    [
        ([], {}, "begun"),
        ([], {"start": False}, "left"),
        ([START], {}, "Unknown"),
        ([START], {"retry_unknown": True}, "begun again"),
        ([START], {"retry_unknown": True, "start": False}, "Unknown"),
        ([START], {"detached": True}, "taken up"),
        ([START, JOB], {"detached": True, "start": False}, "taken up"),
        ([START, JOB], {"detached": True, "retry_unknown": True}, "taken up"),
        ([START], {"end": True, "start": False}, "taken up"),
        ([START, BOOT], {"resumable": True}, "taken up"),
        ([START, BOOT], {}, "Unknown"),
        (
            [START, end("Unknown", reason="connection-lost")],
            {"detached": True, "retry_unknown": True},
            "taken up",
        ),
        (
            [START, JOB, end("Unknown", reason="job-lost")],
            {"detached": True, "retry_unknown": True},
            "begun again",
        ),
        ([START, JOB, end("Unknown", reason="job-lost")], {"detached": True}, "taken up"),
        ([START, end("Failed")], {"retry_unknown": True}, "Failed"),
        ([end("Undeliverable", started=False)], {}, "Undeliverable"),
        ([START, end("Terminated", started=False)], {}, "begun again"),
    ],
)
def test_what_is_done_with_a_host(
    folder: RunFolder, records: Records, options: dict[str, Any], what: str
) -> None:
    made = stages(told(folder, *records), **options)
    share, outcome = made.shares.get("a"), made.done.get("a")
    to_do = "a" in {host.name for host in made.to_do}
    if outcome is not None:
        assert (what, to_do) == (outcome.status.value, False)
    elif not to_do:
        assert what == "left"
    elif share is not None and share.notes:
        assert what == "taken up"
    else:
        assert what == ("begun again" if share else "begun")


def test_what_is_to_be_repeated_keeps_what_is_known_until_it_begins(folder: RunFolder) -> None:
    made = stages(told(folder, START), retry_unknown=True)
    outcome = made.shares["a"].outcome
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (Status.UNKNOWN, Reason.CONTROLLER_LOST)


def test_only_what_no_record_holds_is_put_on_record_and_with_its_stored_output(folder: RunFolder) -> None:
    story = told(
        folder,
        START,
        ("invocation-started", {"host": "b"}),
        ("invocation-ended", {"host": "b", "status": "Unknown"}),
    )
    folder.output("a").mkdir()
    (folder.output("a") / "stdout").write_bytes(b"half of it")
    (outcome,) = unrecorded(stages(story), story, folder)
    assert (outcome.host, outcome.stdout_bytes) == ("a", 10)
    assert f"fleetctl runs resume {folder.run_id} --retry-unknown" in outcome.hint
