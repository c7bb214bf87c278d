"""A detached job is the same over every transport: it runs once, its output is whole, and only its end ends it."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fleetctl.engine.job import Job
from fleetctl.engine.job_list import list_jobs, remove_jobs
from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.protocol import ExecFailed

TREE = """
(setsid sh -c 'trap "" TERM; sleep 300' &)
sleep 301 | cat &
echo started; wait
"""


class Jobs:
    """Makes jobs, and leaves none of them on the host."""

    def __init__(self, place) -> None:
        self.place = place
        self.made: list[Job] = []

    def job(self, script: str, **more) -> Job:
        self.made.append(Job(f"fct-{uuid.uuid4().hex}", Command(script=script, **more)))
        return self.made[-1]

    async def clear(self) -> None:
        if not self.made:
            return
        async with self.place.connected() as connection:
            for job in self.made:
                assert await job.kill(connection)
                assert (
                    await remove_jobs(connection, [job.job_id], become=job.command.become, tag=job.job_id)
                    == ()
                )


@pytest.fixture
async def jobs(place) -> AsyncIterator[Jobs]:
    made = Jobs(place)
    yield made
    await made.clear()


class Until:
    """A sink that knows when enough came."""

    def __init__(self, enough: int = 1) -> None:
        self.out, self.err, self.enough = bytearray(), bytearray(), enough
        self.event = asyncio.Event()

    def stdout(self, data: bytes) -> None:
        self.out += data
        if len(self.out) >= self.enough:
            self.event.set()

    def stderr(self, data: bytes) -> None:
        self.err += data


def tagged(tag: str) -> list[int]:
    """Pids of the processes of a job; the host is this machine."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and (
                tag in process.cmdline() or process.environ().get("FLEETCTL_INVOCATION") == tag
            ):
                found.append(process.pid)
    return found


@pytest.mark.parametrize(
    "end", [Exit(code=0), Exit(code=137), Exit(signal="KILL"), Exit(signal="TERM")], ids=str
)
async def test_exit_codes_and_signals_are_told_apart(place, jobs, caught, end: Exit) -> None:
    job = jobs.job(f"exit {end.code}" if end.signal is None else f"kill -{end.signal} $$")
    sink = caught()
    async with place.connected() as connection:
        assert await job.follow(connection, sink) == end
    assert (bytes(sink.out), bytes(sink.err)) == (b"", b"")


async def test_what_it_is_given_and_prints_is_exact(place, jobs, caught, tmp_path: Path) -> None:
    data = os.urandom(700_001)
    file = tmp_path / "stdin"
    file.write_bytes(data)
    for stdin in (data, file):
        script = 'printf "%s|" "$0" "$1" "$V" "$(pwd)" "$FLEETCTL_INVOCATION" >&2; echo more >/dev/stderr; exec cat'
        job = jobs.job(script, args=("it's \n é\n",), env={"V": "a 'b'\n\t\\n"}, cwd="/tmp", stdin=stdin)
        sink = caught()
        async with place.connected() as connection:
            assert await job.follow(connection, sink) == Exit(code=0)
        said = "|".join((job.job_id, *job.command.args, job.command.env["V"], "/tmp", job.job_id, "more\n"))
        assert bytes(sink.err) == said.encode()
        assert bytes(sink.out) == data


async def test_a_lost_connection_costs_nothing(place, jobs) -> None:
    numbers = "".join(f"{n}\n" for n in range(1, 40_001)).encode()
    script = "n=0; while [ $n -lt 40000 ]; do n=$((n+1)); echo $n; [ $((n % 8000)) -ne 0 ] || sleep 0.2; done; echo end >&2; exit 3"
    job, sink, lost = jobs.job(script), Until(), 0
    end = None
    while end is None:
        sink.enough, sink.event = len(sink.out) + 30_000, asyncio.Event()
        async with place.connected() as connection:
            following = asyncio.ensure_future(job.follow(connection, sink))
            enough = asyncio.ensure_future(sink.event.wait())
            await asyncio.wait((following, enough), return_when=asyncio.FIRST_COMPLETED)
            enough.cancel()
            if following.done():
                end = following.result()
                continue
            lost += 1
            if place.transport == "local":
                following.cancel()
            else:
                await connection.close()
            with pytest.raises((ExecFailed, asyncio.CancelledError)) as broken:
                await following
            assert getattr(broken.value, "reason", Reason.CONNECTION_LOST) is Reason.CONNECTION_LOST
    assert (end, bytes(sink.out), bytes(sink.err)) == (Exit(code=3), numbers, b"end\n")
    assert lost >= 2


async def test_many_who_start_it_at_once_run_it_once(place, jobs, caught, tmp_path: Path) -> None:
    job = jobs.job("echo ran; sleep 0.5; echo $$ >&2; exit 5")
    twins = [Job(job.job_id, job.command) for _ in range(6)]
    sinks = [caught() for _ in twins]
    new: list[bool] = []
    async with place.connected() as connection:
        ends = await asyncio.gather(
            *(
                twin.follow(connection, sink, on_started=lambda started: new.append(started.new))
                for twin, sink in zip(twins, sinks, strict=True)
            )
        )
    assert ends == [Exit(code=5)] * 6
    assert {bytes(sink.out) for sink in sinks} == {b"ran\n"}
    assert len({bytes(sink.err) for sink in sinks}) == 1
    assert sorted(new) == [False] * 5 + [True]


async def test_ending_the_following_leaves_the_job_alone(place, jobs, caught) -> None:
    seen = f"/tmp/fct-seen-{uuid.uuid4().hex}"
    waits = f"echo on; while [ ! -e {seen} ]; do sleep 1; done; rm {seen}; echo still on; exit 4"
    job, sink = jobs.job(waits), Until()
    async with place.connected() as connection:
        following = asyncio.ensure_future(job.follow(connection, sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        try:
            assert tagged(job.job_id)
        finally:
            await connection.exec(Command(script=f": >{seen}"), caught())
        assert await job.follow(connection, sink, must_exist=True) == Exit(code=4)
    assert bytes(sink.out) == b"on\nstill on\n"


async def test_what_is_started_and_left_can_be_followed_later(place, jobs, caught) -> None:
    seen = f"/tmp/fct-seen-{uuid.uuid4().hex}"
    waits = f"echo on; while [ ! -e {seen} ]; do sleep 1; done; rm {seen}; echo still on; exit 4"
    job, nothing, sink, new = jobs.job(waits), caught(), caught(), []
    async with place.connected() as connection:
        for _ in range(2):
            twin = Job(job.job_id, job.command)
            await twin.start(connection, nothing, on_started=lambda how: new.append(how.new))
        assert bytes(nothing.out) == b""
        assert new == [True, False]
        assert tagged(job.job_id)
        await connection.exec(Command(script=f": >{seen}"), caught())
        assert await job.follow(connection, sink, must_exist=True) == Exit(code=4)
        assert bytes(sink.out) == b"on\nstill on\n"
        assert await Job(job.job_id, job.command).start(connection, nothing) is None


async def test_killing_ends_the_whole_tree_and_is_told(place, jobs) -> None:
    job, sink = jobs.job(TREE), Until()
    async with place.connected() as connection:
        following = asyncio.ensure_future(job.follow(connection, sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        assert await job.kill(connection)
        assert tagged(job.job_id) == []
        assert await following == Exit(signal="TERM")
        assert await job.kill(connection)


async def test_what_was_killed_before_it_started_never_starts(place, jobs, caught) -> None:
    job, sink = jobs.job("echo ran"), caught()
    async with place.connected() as connection:
        assert await job.kill(connection)
        with pytest.raises(ExecFailed) as why:
            await job.follow(connection, sink)
        (told,) = [
            info for info in await list_jobs(connection, become=None, tag="t") if info.job_id == job.job_id
        ]
    assert not why.value.started
    assert told.state == "never-started"
    assert bytes(sink.out) == b""


async def test_what_must_be_there_and_is_not_is_lost_and_not_started(place, jobs, caught) -> None:
    job, sink = jobs.job("echo ran"), caught()
    async with place.connected() as connection:
        with pytest.raises(ExecFailed) as why:
            await job.follow(connection, sink, must_exist=True)
        assert job.job_id not in {info.job_id for info in await list_jobs(connection, become=None, tag="t")}
    assert (why.value.reason, why.value.started) == (Reason.JOB_LOST, True)


async def test_only_what_does_not_run_can_be_removed(place, jobs) -> None:
    job, done, sink = jobs.job("echo on; sleep 300"), jobs.job("echo a; exit 9"), Until()
    async with place.connected() as connection:
        following = asyncio.ensure_future(job.follow(connection, sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        assert await done.follow(connection, Until()) == Exit(code=9)
        ids = [job.job_id, done.job_id]
        told = {info.job_id: info for info in await list_jobs(connection, become=None, tag="t")}
        assert [told[name].state for name in ids] == ["running", "ended"]
        assert told[done.job_id].end == Exit(code=9)
        assert told[done.job_id].age is not None
        assert told[done.job_id].size > 2
        assert await remove_jobs(connection, ids, become=None, tag="t") == (job.job_id,)
        left = {info.job_id for info in await list_jobs(connection, become=None, tag="t")}
        assert left & set(ids) == {job.job_id}
        assert await job.kill(connection)
        assert await following == Exit(signal="TERM")


@pytest.mark.parametrize("method", ["sudo", "doas"])
async def test_as_another_user_with_a_password(ssh, secrets, caught, method: str) -> None:
    who = ssh.scene.people()
    command = Command(
        script="id -un; cat; echo e >&2; exit 3", stdin=b"in\n", become=Become(method=method, user=who.app)
    )
    job, sink = Job(f"fct-{uuid.uuid4().hex}", command), caught()
    rules = who.asks if method == "sudo" else who.free
    where = {"host": ssh.host(user=rules), "options": ssh.options(credentials=secrets(become=who.password))}
    if method == "doas":
        command = Command(script=command.script, stdin=command.stdin, become=Become(method=method))
        job = Job(job.job_id, command)
    async with ssh.connected(**where) as connection:
        try:
            assert await job.follow(connection, sink) == Exit(code=3)
            listed = await list_jobs(connection, become=command.become, tag="t")
        finally:
            assert await job.kill(connection)
            assert await remove_jobs(connection, [job.job_id], become=command.become, tag="t") == ()
    assert job.job_id in {info.job_id for info in listed}
    name = who.app if method == "sudo" else "root"
    assert (bytes(sink.out), bytes(sink.err)) == (f"{name}\nin\n".encode(), b"e\n")
