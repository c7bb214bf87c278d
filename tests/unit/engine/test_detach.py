"""Detached commands over connections that are lost: real jobs on this machine, over connections that a test takes away."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.detach import Jobs, LeftError, NotBegunError, job_name
from fleetctl.errors import CredentialError
from fleetctl.model import Command, Exit, Host, Reason
from fleetctl.transport.local import Local, LocalConnection
from fleetctl.transport.protocol import ExecFailed, TransportOptions, Unreachable

LOST = ExecFailed(Reason.CONNECTION_LOST, "lost", started=True)


class Sink:
    def __init__(self) -> None:
        self.out = b""

    def stdout(self, data: bytes) -> None:
        self.out += data

    def stderr(self, data: bytes) -> None: ...


class Gone:
    """A connection that is lost when it is used."""

    unended: list[str]

    async def exec(self, command: Command, sink: Any) -> Exit:
        raise LOST


@pytest.fixture
async def here() -> LocalConnection:
    return await Local(TransportOptions()).connect(Host(name="h0"))


@pytest.fixture
def name(tmp_path: Path) -> Iterator[str]:
    made = f"test-{tmp_path.name}"
    yield made
    for path in Path("/var/tmp").glob(f"fleetctl-*/{made}*"):
        shutil.rmtree(path, ignore_errors=True)


def jobs(name: str, **options: Any) -> tuple[Jobs, list[tuple[str, dict[str, Any]]]]:
    marks: list[tuple[str, dict[str, Any]]] = []
    given = {
        "notes": (), "leaving": asyncio.Event(), "wait": True, "patience": 60.0, "begin": True,
        "mark": lambda type_, **fields: marks.append((type_, fields)), **options,
    }  # fmt: skip
    return Jobs(lambda number: f"{name}+{number}", **given), marks


def command(text: str, name: str) -> Command:
    return Command(script=text, tag=name)


async def no_way(_: float) -> None:
    raise Unreachable(Reason.REFUSED, "refused")


async def test_a_job_is_followed_over_another_connection_and_cleared_away(here: Any, name: str) -> None:
    taken, (made, marks) = Sink(), jobs(name)
    used: list[Any] = [Gone()]

    async def reconnect(_: float) -> None:
        used.append(here)

    end = await made.exec(command("echo out", name), taken, connection=lambda: used[-1], reconnect=reconnect)
    assert (end, taken.out) == (Exit(code=0), b"out\n")
    assert marks[0][0] == "job-started"
    await made.remove(here)
    assert not list(Path("/var/tmp").glob(f"fleetctl-*/{name}*"))
    assert marks[-1][0] == "jobs-removed"


async def test_who_lets_go_does_not_wait_for_a_host_that_is_gone(name: str) -> None:
    leaving = asyncio.Event()
    made, _ = jobs(name, leaving=leaving)

    async def for_ever(_: float) -> None:
        leaving.set()
        await asyncio.Event().wait()

    with pytest.raises(LeftError):
        await made.exec(command("true", name), Sink(), connection=Gone, reconnect=for_ever)


async def test_a_host_that_cannot_be_reached_again_is_told_as_lost(name: str) -> None:
    async def no_key(_: float) -> None:
        raise CredentialError("the key cannot be read")

    for fault, text in ((no_way, "refused"), (no_key, "the key cannot be read")):
        made, _ = jobs(name)
        with pytest.raises(ExecFailed, match=text) as why:
            await made.exec(command("true", name), Sink(), connection=Gone, reconnect=fault)
        assert (why.value.reason, why.value.started) == (Reason.CONNECTION_LOST, True)


async def test_what_never_came_to_the_host_is_not_begun_where_nothing_may_be(here: Any, name: str) -> None:
    made, marks = jobs(name, begin=False)
    with pytest.raises(NotBegunError):
        await made.exec(command("echo out", name), Sink(), connection=lambda: here, reconnect=no_way)
    assert marks == []


async def test_what_was_begun_goes_on_to_its_further_commands_all_the_same(here: Any, name: str) -> None:
    first, _ = jobs(name)
    await first.exec(command("echo one", name), Sink(), connection=lambda: here, reconnect=no_way)
    taken, (made, _) = Sink(), jobs(name, begin=False)
    for text in ("echo one", "echo two"):
        await made.exec(command(text, name), taken, connection=lambda: here, reconnect=no_way)
    assert taken.out == b"one\ntwo\n"
    await made.remove(here)


async def test_what_is_on_record_and_gone_is_lost_and_never_begun_again(here: Any, name: str) -> None:
    made, _ = jobs(name, notes=[{"type": "job-started", "job": f"{name}+1"}])
    with pytest.raises(ExecFailed) as why:
        await made.exec(command("echo out", name), Sink(), connection=lambda: here, reconnect=no_way)
    assert why.value.reason is Reason.JOB_LOST


async def test_cancelling_ends_the_job(here: Any, name: str, tmp_path: Path) -> None:
    begun = asyncio.Event()
    made, _ = jobs(name, mark=lambda *_, **__: begun.set())
    text = f"echo begun; while :; do sleep 0.1; done; touch {tmp_path}/ended"
    task = asyncio.ensure_future(
        made.exec(command(text, name), Sink(), connection=lambda: here, reconnect=no_way)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made.unended is False


def test_names_of_jobs_differ_by_attempt_and_command() -> None:
    made = {
        job_name("run.h0", "run", attempt=attempt, number=number) for attempt in (0, 1) for number in (1, 2)
    }
    assert made == {"run.h0", "run+2.h0", "run+r2.h0", "run+r2+2.h0"}
