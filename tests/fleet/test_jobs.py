"""Detached jobs on real hosts with real faults: only the host's own end, or a kill, ends them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lab.machine import Machine
from lab.processes import until

from fleetctl.engine.job import Job, JobStarted
from fleetctl.engine.job_list import list_jobs, remove_jobs
from fleetctl.model import Become, Command, Exit, Host, Reason
from fleetctl.transport.asyncssh import AsyncSsh
from fleetctl.transport.protocol import Connection, ExecFailed, TransportOptions, Unreachable

KINDS = ("deb12", "tiny")
MANAGERS = {"deb12": "systemd", "tiny": "setsid"}
# A line every half second for five seconds; the file counts how often it ran.
SLOW = "echo ran >> /root/ran; n=0; while [ $n -lt 10 ]; do n=$((n+1)); echo line $n; echo e$n >&2; sleep 0.5; done; exit 7"
LINES = "".join(f"line {n}\n" for n in range(1, 11)).encode()
ERRORS = "".join(f"e{n}\n" for n in range(1, 11)).encode()


class Kept:
    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.began = asyncio.Event()

    def stdout(self, data: bytes) -> None:
        self.out += data
        self.began.set()

    def stderr(self, data: bytes) -> None:
        self.err += data


@asynccontextmanager
async def connected(machine: Machine, *, user: str = "root") -> AsyncIterator[Connection]:
    options = TransportOptions(known_hosts=(machine.known_hosts,), connect_timeout=3, keepalive=1)
    transport = AsyncSsh(options)
    host = Host(
        name=machine.name,
        address=machine.address,
        port=machine.port,
        user=user,
        identity_file=(str(machine.key),),
    )
    try:
        connection = await transport.connect(host)
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await transport.close()


def new_job(script: str, **more) -> Job:
    return Job(f"fct-{uuid.uuid4().hex}", Command(script=script, **more))


async def to_its_end(
    job: Job, machine: Machine, kept: Kept, started: list[JobStarted], *, seconds: float = 60
) -> Exit:
    """What a controller does: follow, and reconnect whenever the connection is lost."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                async with connected(machine) as connection:
                    return await job.follow(connection, kept, on_started=started.append)
            except Unreachable:
                await asyncio.sleep(0.3)
            except ExecFailed as exc:
                if exc.reason is not Reason.CONNECTION_LOST:
                    raise


def pull_the_cable(machine: Machine) -> None:
    machine.link_down()
    time.sleep(3)
    machine.link_up()


def kill_sshd(machine: Machine) -> None:
    machine.kill_sshd()
    time.sleep(1)
    machine.restart_sshd()


def restart_ssh(machine: Machine) -> None:
    machine.inside("systemctl", "restart", "ssh")
    machine.inside(
        "sh",
        "-c",
        "loginctl list-sessions --no-legend | while read -r s _; do loginctl kill-session $s; done",
    )


FAULTS = [
    *((kind, fault) for kind in KINDS for fault in (pull_the_cable, kill_sshd)),
    ("deb12", restart_ssh),
]


@pytest.mark.parametrize(("kind", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
async def test_it_goes_on_whatever_happens_to_the_way_there(
    new_machine: Callable[..., Machine], kind: str, fault: Callable[[Machine], None]
) -> None:
    machine = new_machine(kind)
    job, kept, started = new_job(SLOW), Kept(), []
    following = asyncio.ensure_future(to_its_end(job, machine, kept, started))
    await asyncio.wait_for(kept.began.wait(), 20)
    await asyncio.to_thread(fault, machine)
    assert await following == Exit(code=7)
    assert (bytes(kept.out), bytes(kept.err)) == (LINES, ERRORS)
    assert started[0].manager == MANAGERS[kind]
    assert machine.output("cat /root/ran") == "ran"
    async with connected(machine) as connection:
        assert await remove_jobs(connection, [job.job_id], become=None, tag="t") == ()
        assert await list_jobs(connection, become=None, tag="t") == ()
    assert machine.output("ls -A /var/tmp | grep fleetctl || true") == ""


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_controller_leaves_it_running_and_another_takes_it_up(
    new_machine: Callable[..., Machine], kind: str
) -> None:
    machine = new_machine(kind)
    job = new_job(SLOW)
    program = """
        import asyncio, sys
        sys.path[:0] = sys.argv[1].split(":")
        from pathlib import Path
        from fleetctl.engine.job import Job
        from fleetctl.model import Command, Host
        from fleetctl.transport.asyncssh import AsyncSsh
        from fleetctl.transport.protocol import TransportOptions
        class Print:
            def stdout(self, data): print(data, flush=True)
            def stderr(self, data): pass
        async def main(known, key, address, job_id, script):
            transport = AsyncSsh(TransportOptions(known_hosts=(Path(known),)))
            connection = await transport.connect(Host(name="h", address=address, user="root", identity_file=(key,)))
            await Job(job_id, Command(script=script)).follow(connection, Print())
        asyncio.run(main(*sys.argv[2:]))
    """
    argv = [
        sys.executable, "-c", textwrap.dedent(program), str(Path(__file__).parents[2] / "src"),
        str(machine.known_hosts), str(machine.key), machine.address, job.job_id, SLOW,
    ]  # fmt: skip
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as controller:  # noqa: ASYNC220 - it starts at once
        assert controller.stdout
        assert b"line" in await asyncio.to_thread(controller.stdout.readline)
        controller.kill()
    kept, started = Kept(), []
    assert await to_its_end(job, machine, kept, started) == Exit(code=7)
    assert not started[0].new
    assert (bytes(kept.out), bytes(kept.err)) == (LINES, ERRORS)
    assert machine.output("cat /root/ran") == "ran"


@pytest.mark.parametrize("kind", KINDS)
async def test_started_twenty_times_at_once_it_runs_once(
    new_machine: Callable[..., Machine], kind: str
) -> None:
    machine = new_machine(kind)
    job = new_job("echo ran >> /root/ran; sleep 1; echo out; exit 3")
    twins = [Job(job.job_id, job.command) for _ in range(20)]
    kept = [Kept() for _ in twins]
    async with connected(machine) as one, connected(machine) as two, connected(machine) as three:
        ways = (one, two, three)
        ends = await asyncio.gather(
            *(twin.follow(ways[n % 3], sink) for n, (twin, sink) in enumerate(zip(twins, kept, strict=True)))
        )
    assert ends == [Exit(code=3)] * 20
    assert {bytes(sink.out) for sink in kept} == {b"out\n"}
    assert machine.output("cat /root/ran") == "ran"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_power_cut_loses_it_and_says_so(new_machine: Callable[..., Machine], kind: str) -> None:
    machine = new_machine(kind)
    job, kept, started = new_job("echo on; sleep 300"), Kept(), []
    following = asyncio.ensure_future(to_its_end(job, machine, kept, started, seconds=120))
    await asyncio.wait_for(kept.began.wait(), 20)
    await asyncio.to_thread(machine.power_cut)
    await asyncio.to_thread(machine.power_on)
    with pytest.raises(ExecFailed) as why:
        await following
    assert (why.value.reason, why.value.started) == (Reason.JOB_LOST, True)
    assert "restarted" in why.value.message
    async with connected(machine) as connection:
        (told,) = await list_jobs(connection, become=None, tag="t")
        assert (told.job_id, told.state) == (job.job_id, "lost")
        assert await remove_jobs(connection, [job.job_id], become=None, tag="t") == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_no_room_is_told_before_anything_starts(new_machine: Callable[..., Machine], kind: str) -> None:
    machine = new_machine(kind)
    machine.fill_disk("/var/tmp")
    async with connected(machine) as connection:
        with pytest.raises(ExecFailed) as why:
            await new_job("echo ran >> /root/ran").follow(connection, Kept())
        assert (why.value.reason, why.value.started) == (Reason.DISK_FULL, False)
        assert "0.0 MB left" in why.value.message
        machine.inside("mount", "-o", "remount,ro", "/var/tmp")
        with pytest.raises(ExecFailed) as why:
            await new_job("echo ran >> /root/ran").follow(connection, Kept())
    assert (why.value.reason, why.value.started) == (Reason.READ_ONLY, False)
    assert machine.run("cat /root/ran").returncode != 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_disk_that_fills_meanwhile_does_not_cost_the_result(
    new_machine: Callable[..., Machine], kind: str
) -> None:
    machine = new_machine(kind)
    machine.inside("mount", "-t", "tmpfs", "-o", "size=16m,mode=1777", "tmpfs", "/var/tmp")
    job, kept = new_job("head -c 30000000 /dev/zero; echo done >> /root/done; exit 4"), Kept()
    async with connected(machine) as connection:
        with pytest.raises(ExecFailed) as why:
            await job.follow(connection, kept)
        assert (why.value.reason, why.value.started) == (Reason.DISK_FULL, True)
        assert "exit code 4" in why.value.message
        assert machine.output("cat /root/done") == "done"
        (told,) = await list_jobs(connection, become=None, tag="t")
        assert told.end == Exit(code=4)
        assert await remove_jobs(connection, [job.job_id], become=None, tag="t") == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_killing_it_leaves_nothing_running(new_machine: Callable[..., Machine], kind: str) -> None:
    machine = new_machine(kind)
    tree = "(setsid sh -c 'trap \"\" TERM; sleep 3001' &)\nsleep 3002 | cat &\necho on; wait"
    job, kept = new_job(tree), Kept()
    async with connected(machine) as connection:
        following = asyncio.ensure_future(job.follow(connection, kept))
        await asyncio.wait_for(kept.began.wait(), 20)
        assert await job.kill(connection)
        assert await following == Exit(signal="TERM")
    assert machine.run("ps -ef 2>/dev/null | grep 'sleep 300[12]' | grep -v grep").stdout == ""


async def test_a_user_without_root_has_jobs_of_its_own(fresh_deb12: Machine) -> None:
    job, kept, started = new_job("id -un; pwd; umask"), Kept(), []
    async with connected(fresh_deb12, user="deploy") as connection:
        assert await job.follow(connection, kept, on_started=started.append) == Exit(code=0)
        assert started[0].manager == "setsid"
        as_root = new_job("id -un; pwd", become=Become())
        root, told = Kept(), []
        assert await as_root.follow(connection, root, on_started=told.append) == Exit(code=0)
        assert told[0].manager == "systemd"
        assert [info.job_id for info in await list_jobs(connection, become=Become(), tag="t")] == [
            as_root.job_id
        ]
    assert bytes(kept.out).startswith(b"deploy\n/home/deploy\n")
    assert bytes(root.out) == b"root\n/home/deploy\n"


async def test_what_a_stranger_laid_out_is_not_used(fresh_deb12: Machine) -> None:
    fresh_deb12.output("mkdir -m 777 /var/tmp/fleetctl-0", user="deploy")
    async with connected(fresh_deb12) as connection:
        with pytest.raises(ExecFailed) as why:
            await new_job("echo ran >> /root/ran").follow(connection, Kept())
    assert (why.value.reason, why.value.started) == (Reason.REMOTE, False)
    assert "somebody else" in why.value.message
    until(lambda: fresh_deb12.run("cat /root/ran").returncode != 0, seconds=1, what="nothing ran")


async def test_a_daemon_that_it_starts_outlives_it(fresh_deb12: Machine) -> None:
    job = new_job("setsid sleep 3003 >/dev/null 2>&1 & echo started")
    async with connected(fresh_deb12) as connection:
        assert await job.follow(connection, Kept()) == Exit(code=0)
    await asyncio.sleep(0.5)
    assert fresh_deb12.output("pgrep -fc '^sleep 3003'") == "1"
