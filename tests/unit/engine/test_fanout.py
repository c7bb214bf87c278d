"""The rules of fan-out, against a naive model and in every interleaving that hypothesis finds."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.control import Control
from fleetctl.engine.events import Event, HostEnded, HostStarted
from fleetctl.engine.task import Session, StepTimedOut
from fleetctl.errors import CredentialError
from fleetctl.model import Command, Exit, Outcome, Reason, Status
from fleetctl.transport.protocol import ExecFailed, Unreachable

QUICK = settings(max_examples=60, deadline=None)

ENDS: list[Any] = [
    Exit(code=0),
    Exit(code=0),
    Exit(code=3),
    Exit(signal="KILL"),
    ExecFailed(Reason.BECOME_PASSWORD_WRONG, "no"),
    ExecFailed(Reason.CONNECTION_LOST, "gone", started=True),
    ExecFailed(Reason.CONNECTION_LOST, "gone", started=False),
    StepTimedOut(1),
    RuntimeError("a bug"),
    TimeoutError("from somewhere below"),
    OSError(28, "full"),
]
WAYS: list[Any] = [
    None,
    None,
    None,
    Unreachable(Reason.REFUSED, "refused"),
    RuntimeError("a transport that breaks its promise"),
    TimeoutError(),
]
MOMENTS = st.sampled_from([0.0, 0.0, 0.0005, 0.002])


def scripts(kit: Any) -> Any:
    return st.builds(
        kit.Script,
        ways=st.sampled_from(WAYS).map(lambda way: (way,)),
        connect_seconds=MOMENTS,
        seconds=MOMENTS,
        end=st.sampled_from(ENDS),
        close=st.sampled_from([None, None, OSError("bad goodbye")]),
        out=st.sampled_from([b"", b"hello\n"]),
    )


def ledger(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def run(kit: Any, some: list[Any], **options: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        ran = asyncio.run(kit.fan_out(Path(folder), some, **options))
        ran.ledger = ledger(ran.folder.events)
        return ran


def check_invariants(ran: Any, count: int, limits: Limits) -> None:
    names = [f"h{number}" for number in range(count)]
    assert [outcome.host for outcome in ran.outcomes] == names
    assert all(outcome.status.ended for outcome in ran.outcomes)
    ended = [event.outcome.host for event in ran.events if isinstance(event, HostEnded)]
    assert sorted(ended) == sorted(names)
    started = [event.host.name for event in ran.events if isinstance(event, HostStarted)]
    assert len(started) == len(set(started))
    assert set(ran.fleet.acted) <= set(started)
    recorded = Counter(record["type"] for record in ran.ledger)
    assert recorded["invocation-ended"] == count
    intents = {record["host"] for record in ran.ledger if record["type"] == "invocation-started"}
    assert set(started) <= intents
    assert ran.fleet.most_running <= limits.max_concurrency.of(count, least=1)
    assert ran.fleet.running == ran.fleet.connecting == ran.fleet.open == 0
    assert ran.fleet.closed
    for outcome in ran.outcomes:
        assert (outcome.reason is None) == (outcome.status is Status.SUCCESS)
        if outcome.status in {Status.TERMINATED, Status.UNDELIVERABLE}:
            assert outcome.response_code == -1
            assert outcome.started is None


@QUICK
@given(data=st.data())
def test_every_host_has_exactly_one_outcome_and_budgets_hold_in_any_interleaving(data: Any, kit: Any) -> None:
    some = data.draw(st.lists(scripts(kit), max_size=14))
    limits = Limits(
        max_concurrency=data.draw(st.sampled_from([Quota(1), Quota(3), Quota(50, percent=True), Quota(99)])),
        max_errors=data.draw(st.sampled_from([Quota(0), Quota(1), Quota(30, percent=True), Quota(99)])),
        max_unreachable=data.draw(st.sampled_from([Quota(0), Quota(1), Quota(99)])),
        connect_concurrency=data.draw(st.integers(1, 5)),
    )
    ran = run(kit, some, limits=limits)
    check_invariants(ran, len(some), limits)
    errors = unreachable = 0
    for event in ran.events:
        if isinstance(event, HostStarted):
            assert errors <= limits.max_errors.of(len(some))
            assert unreachable <= limits.max_unreachable.of(len(some))
        elif isinstance(event, HostEnded):
            errors += event.outcome.status.is_error
            unreachable += event.outcome.status is Status.UNDELIVERABLE
    spent = errors > limits.max_errors.of(len(some)) or unreachable > limits.max_unreachable.of(len(some))
    if not spent:
        assert Status.TERMINATED not in {outcome.status for outcome in ran.outcomes}


@QUICK
@given(data=st.data())
def test_one_at_a_time_the_outcomes_are_those_of_a_loop(data: Any, kit: Any) -> None:
    fates = data.draw(st.lists(st.sampled_from(["good", "bad", "away"]), max_size=12))
    budgets = {"bad": data.draw(st.integers(0, 4)), "away": data.draw(st.integers(0, 4))}
    expected, spent = [], {"good": 0, "bad": 0, "away": 0}
    for fate in fates:  # the naive model
        if any(spent[kind] > most for kind, most in budgets.items()):
            expected.append("Terminated")
        else:
            spent[fate] += 1
            expected.append({"good": "Success", "bad": "Failed", "away": "Undeliverable"}[fate])
    ways = {
        "good": kit.Script(),
        "bad": kit.Script(end=Exit(code=1)),
        "away": kit.Script(ways=(Unreachable(Reason.DNS, "who?"),)),
    }
    limits = Limits(
        max_concurrency=Quota(1), max_errors=Quota(budgets["bad"]), max_unreachable=Quota(budgets["away"])
    )
    assert run(kit, [ways[fate] for fate in fates], limits=limits).statuses == expected


@QUICK
@given(data=st.data())
def test_a_stop_or_cancel_at_any_moment_leaves_every_host_with_one_outcome(data: Any, kit: Any) -> None:
    some = data.draw(st.lists(scripts(kit), min_size=1, max_size=12))
    limits = Limits(max_concurrency=Quota(data.draw(st.integers(1, 12))))
    control = Control()
    moments = {
        data.draw(st.integers(0, 3 * len(some)), label="stop"): control.stop,
        data.draw(st.integers(0, 3 * len(some)), label="cancel"): control.cancel,
    }
    soon = data.draw(st.booleans())
    seen = 0
    started_after_stop = []

    def observe(event: Event) -> None:
        nonlocal seen
        if isinstance(event, HostStarted) and control.stopping:
            started_after_stop.append(event.host.name)
        if (act := moments.get(seen)) is not None:
            asyncio.get_running_loop().call_soon(act) if soon else act()
        seen += 1

    ran = run(kit, some, limits=limits, control=control, observers=[observe])
    check_invariants(ran, len(some), limits)
    assert not started_after_stop
    for outcome in ran.outcomes:
        if outcome.status is Status.CANCELLED:
            assert outcome.reason is Reason.INTERRUPTED


async def test_stop_lets_running_hosts_finish_and_starts_no_other(kit: Any, tmp_path: Path) -> None:
    control = Control()
    both = [kit.Script(seconds=0.05), kit.Script(seconds=0.05), kit.Script(), kit.Script()]

    def stop_when_two_run(event: Event) -> None:
        if isinstance(event, HostStarted) and event.host.name == "h1":
            control.stop()

    ran = await kit.fan_out(
        tmp_path,
        both,
        control=control,
        limits=Limits(max_concurrency=Quota(2)),
        observers=[stop_when_two_run],
    )
    assert ran.statuses == ["Success", "Success", "Cancelled", "Cancelled"]
    assert not ran.fleet.killed
    assert ran.outcomes[3].message == "not started: the run was interrupted"


async def test_stop_does_not_wait_for_hosts_that_are_only_connecting(kit: Any, tmp_path: Path) -> None:
    control = Control()
    asyncio.get_running_loop().call_later(0.02, control.stop)
    ran = await kit.fan_out(tmp_path, [kit.Script(connect_seconds=3600)], control=control)
    assert ran.statuses == ["Cancelled"]


async def test_a_spent_budget_does_not_wait_for_hosts_that_are_only_connecting(
    kit: Any, tmp_path: Path
) -> None:
    some = [kit.Script(end=Exit(code=1), seconds=0.02), kit.Script(connect_seconds=3600)]
    ran = await kit.fan_out(tmp_path, some, limits=Limits(max_errors=Quota(0)))
    assert ran.statuses == ["Failed", "Terminated"]
    assert ran.reasons[1] == "error-budget"


async def test_cancel_kills_what_runs(kit: Any, tmp_path: Path) -> None:
    control = Control()

    def cancel_when_running(event: Event) -> None:
        if isinstance(event, HostStarted):
            asyncio.get_running_loop().call_later(0.02, control.cancel)

    ran = await kit.fan_out(
        tmp_path, [kit.Script(seconds=3600)], control=control, observers=[cancel_when_running]
    )
    assert ran.fleet.killed == ["h0"]
    assert ran.statuses == ["Cancelled"]
    assert "killed" in ran.outcomes[0].message


async def test_a_run_that_was_stopped_before_it_began_starts_nothing(kit: Any, tmp_path: Path) -> None:
    for number, way in enumerate(("stop", "cancel")):
        control = Control()
        getattr(control, way)()
        ran = await kit.fan_out(tmp_path / str(number), [kit.Script()] * 3, control=control)
        assert ran.statuses == ["Cancelled"] * 3
        assert not ran.fleet.attempts


async def test_when_the_caller_is_cancelled_nothing_goes_on_behind_its_back(kit: Any, tmp_path: Path) -> None:
    seen: list[Any] = []
    some = [kit.Script(seconds=3600)] * 5
    work = asyncio.create_task(
        kit.fan_out(tmp_path, some, limits=Limits(max_concurrency=Quota(2)), observers=[seen.append])
    )
    while sum(isinstance(event, HostStarted) for event in seen) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    work.cancel()
    ran = await work
    assert ran.fan_out.abandoned
    assert ran.fleet.killed == ["h0", "h1"]
    assert ran.fleet.acted == ["h0", "h1"]
    assert ran.statuses == ["Cancelled"] * 5


async def test_a_host_that_takes_too_long_is_killed_and_told_so(kit: Any, tmp_path: Path) -> None:
    ran = await kit.fan_out(
        tmp_path, [kit.Script(seconds=3600, out=b"part"), kit.Script()], limits=Limits(timeout=0.05)
    )
    slow, quick = ran.outcomes
    assert (slow.status, slow.status_details) == (Status.TIMED_OUT, "Execution Timed Out")
    assert slow.message == "still running after 0.05 s, killed"
    assert slow.stdout_bytes == 4
    assert ran.fleet.killed == ["h0"]
    assert quick.status is Status.SUCCESS


async def test_what_could_not_be_ended_is_unknown_and_never_called_killed(kit: Any, tmp_path: Path) -> None:
    ran = await kit.fan_out(
        tmp_path, [kit.Script(seconds=3600, unkillable=True)], limits=Limits(timeout=0.05)
    )
    (slow,) = ran.outcomes
    assert (slow.status, slow.status_details) == (Status.UNKNOWN, "Still Running")
    assert slow.reason is Reason.EXECUTION_TIMEOUT
    assert slow.message == "still running after 0.05 s, and it could not be ended: it may still run"
    assert "fleetctl runs cancel" in slow.hint


async def test_a_step_that_could_not_be_ended_is_unknown(kit: Any, tmp_path: Path) -> None:
    async def task(session: Session) -> Outcome:
        return session.outcome(await session.exec(Command(script="do"), timeout=0.05))

    scripts = [kit.Script(seconds=3600, unkillable=True), kit.Script(seconds=3600)]
    ran = await kit.fan_out(tmp_path, scripts, task=task)
    assert [outcome.status_details for outcome in ran.outcomes] == ["Still Running", "Execution Timed Out"]
    assert [outcome.message.rpartition(", ")[2] for outcome in ran.outcomes] == [
        "and it could not be ended: it may still run",
        "killed",
    ]


async def test_a_cancelled_host_that_could_not_be_ended_is_unknown(kit: Any, tmp_path: Path) -> None:
    control = Control()
    acted: list[str] = []

    def act(name: str) -> None:
        acted.append(name)
        if len(acted) == 2:
            control.cancel()

    scripts = [kit.Script(seconds=3600, unkillable=True), kit.Script(seconds=3600)]
    ran = await kit.fan_out(tmp_path, scripts, control=control, before_act=act)
    left, killed = ran.outcomes
    assert (left.status, left.status_details) == (Status.UNKNOWN, "Still Running")
    assert left.reason is Reason.INTERRUPTED
    assert left.message == "cancelled by the operator, and it could not be ended: it may still run"
    assert (killed.status, killed.message) == (Status.CANCELLED, "cancelled by the operator, killed")


async def test_a_connection_lost_while_killing_is_still_a_timeout(kit: Any, tmp_path: Path) -> None:
    async def task(session: Session) -> Outcome:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ExecFailed(Reason.CONNECTION_LOST, "gone", started=True) from None
        raise AssertionError

    ran = await kit.fan_out(tmp_path, [kit.Script()], limits=Limits(timeout=0.02), task=task)
    assert ran.statuses == ["TimedOut"]


async def test_a_step_has_its_own_limit(kit: Any, tmp_path: Path) -> None:
    async def task(session: Session) -> Outcome:
        return session.outcome(await session.exec(Command(script="x"), timeout=0.02, step="one"))

    ran = await kit.fan_out(tmp_path, [kit.Script(seconds=3600)], task=task)
    assert ran.statuses == ["TimedOut"]
    assert "0.02 s" in ran.outcomes[0].message


@pytest.mark.parametrize(
    ("end", "status", "details", "reason"),
    [
        (Exit(code=0), "Success", "Success", None),
        (Exit(code=3), "Failed", "Failed", "exit-code"),
        (Exit(signal="TERM"), "Failed", "Failed", "signal"),
        (
            ExecFailed(Reason.CONNECTION_LOST, "x", started=True),
            "Unknown",
            "Connection Lost",
            "connection-lost",
        ),
        (ExecFailed(Reason.CONNECTION_LOST, "x"), "Undeliverable", "Undeliverable", "connection-lost"),
        (ExecFailed(Reason.BECOME_PASSWORD_WRONG, "x"), "Failed", "Failed", "become-password-wrong"),
        (TimeoutError(), "Failed", "Failed", "internal"),
        (ValueError("odd"), "Failed", "Failed", "internal"),
    ],
)
async def test_how_work_ends_decides_the_status(
    kit: Any, tmp_path: Path, *, end: Any, status: str, details: str, reason: str | None
) -> None:
    (outcome,) = (await kit.fan_out(tmp_path, [kit.Script(end=end)])).outcomes
    assert (outcome.status, outcome.status_details, outcome.reason) == (status, details, reason)


async def test_exit_codes_and_signals_are_told_as_they_are(kit: Any, tmp_path: Path) -> None:
    some = [kit.Script(end=Exit(code=c)) for c in (0, 1, 255)] + [kit.Script(end=Exit(signal="KILL"))]
    ran = await kit.fan_out(tmp_path, some)
    assert [outcome.response_code for outcome in ran.outcomes] == [0, 1, 255, -1]
    assert ran.outcomes[3].signal == "KILL"


async def test_an_observer_that_fails_stops_no_host(kit: Any, tmp_path: Path) -> None:
    calls = []

    def broken(event: Event) -> None:
        calls.append(event)
        raise BrokenPipeError

    ran = await kit.fan_out(tmp_path, [kit.Script()] * 4, observers=[broken])
    assert ran.statuses == ["Success"] * 4
    assert len(calls) == 1
    assert isinstance(ran.fan_out.terms.audience.fault, BrokenPipeError)


async def test_a_named_key_that_cannot_be_read_ends_the_run_but_not_the_running_hosts(
    kit: Any, tmp_path: Path
) -> None:
    some = [
        kit.Script(seconds=0.1),
        kit.Script(ways=(CredentialError("no key"),), connect_seconds=0.03),
        kit.Script(),
    ]
    ran = await kit.fan_out(tmp_path, some, limits=Limits(max_concurrency=Quota(2)))
    assert isinstance(ran.fan_out.fatal, CredentialError)
    assert ran.statuses == ["Success", "Undeliverable", "Terminated"]
    assert ran.reasons == [None, "credentials", "internal"]


async def test_hosts_get_a_place_in_the_order_given(kit: Any, tmp_path: Path) -> None:
    ran = await kit.fan_out(tmp_path, [kit.Script()] * 9, limits=Limits(max_concurrency=Quota(1)))
    assert ran.fleet.acted == [f"h{number}" for number in range(9)]


async def test_secrets_are_taken_out_of_messages(kit: Any, tmp_path: Path) -> None:
    some = [kit.Script(ways=(Unreachable(Reason.AUTHENTICATION, "hunter2 is wrong", hint="not hunter2"),))]
    ran = await kit.fan_out(tmp_path, some, redact=lambda text: text.replace("hunter2", "***"))
    assert ran.outcomes[0].message == "*** is wrong"
    assert ran.outcomes[0].hint == "not ***"
    assert b"hunter2" not in ran.folder.events.read_bytes()
