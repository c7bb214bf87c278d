"""A job under every shell there is, with the connection cut at any byte: it runs once, and its output is whole."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetctl.engine.job import Job
from fleetctl.engine.job_list import list_jobs, remove_jobs
from fleetctl.model import Command, Exit, Host, Reason
from fleetctl.transport.protocol import ExecFailed, OutputSink
from fleetctl.transport.shell import wire

SHELLS = ["dash", "bash", "busybox", "mksh", "ksh93"]


class Cut(ExecFailed):
    """The connection broke because the test wanted it to."""


@dataclass
class Shell:
    """A host whose `sh`, and with busybox every program, is this one; its connection breaks where the test says."""

    folder: Path
    cut: int = -1
    host: Host = field(default_factory=lambda: Host(name="here"))

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        sent = wire(replace(command, become=None), password=None, announce=False)
        pipe = asyncio.subprocess.PIPE
        env = {
            "PATH": str(self.folder),
            "HOME": "/tmp",
            "ODD": "a 'b'\n\t$c \\",
            "state": "theirs",
            "d": "theirs",
        }
        process = await asyncio.create_subprocess_exec(
            self.folder / "sh", "-c", sent.command_line,
            stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=env, cwd="/",
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        errors = asyncio.ensure_future(process.stderr.read())
        process.stdin.write(sent.prologue + (command.stdin if isinstance(command.stdin, bytes) else b""))
        process.stdin.close()
        left = self.cut
        try:
            while data := await process.stdout.read(4096):
                sink.stdout(data if left < 0 else data[:left])
                if left >= 0:
                    left -= min(left, len(data))
                    if left == 0:
                        raise Cut(Reason.CONNECTION_LOST, "cut by the test", started=True)
            sink.stderr(await errors)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            errors.cancel()
            code = await process.wait()
        return Exit(code=code) if code >= 0 else Exit(signal=signal.Signals(-code).name.removeprefix("SIG"))

    async def close(self) -> None: ...


class Kept:
    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.began = asyncio.Event()

    def stdout(self, data: bytes) -> None:
        self.out += data
        self.began.set()

    def stderr(self, data: bytes) -> None:
        self.err += data


def made(folder: Path, name: str) -> Shell:
    program = shutil.which(name) or pytest.skip(f"{name} is not installed")
    folder.mkdir()
    (folder / "sh").symlink_to(program)
    if name != "busybox":
        for tool in Path("/usr/bin"), Path("/bin"):
            for path in tool.iterdir():
                with suppress(FileExistsError):
                    (folder / path.name).symlink_to(path)
        return Shell(folder)
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        with suppress(FileExistsError):
            (folder / applet).symlink_to(program)
    return Shell(folder)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return made(tmp_path / "bin", request.param)


@pytest.fixture
async def job(shell: Shell) -> AsyncIterator[Callable[..., Job]]:
    started: list[Job] = []

    def make(script: str, **more) -> Job:
        started.append(Job(f"fct-{uuid.uuid4().hex}", Command(script=script, **more)))
        return started[-1]

    yield make
    await clear(shell, started)


async def clear(shell: Shell, jobs: list[Job]) -> None:
    whole = replace(shell, cut=-1)
    for job in jobs:
        assert await job.kill(whole)
    assert await remove_jobs(whole, [job.job_id for job in jobs], become=None, tag="clear") == ()


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", Exit(code=0)),
        ("exit 137", Exit(code=137)),
        ("exit 255", Exit(code=255)),
        ("kill -KILL $$", Exit(signal="KILL")),
        ("kill -TERM $$", Exit(signal="TERM")),
        ("kill -USR1 $$", Exit(signal="USR1")),
        ("trap 'exit 7' INT; kill -INT $$; exit 1", Exit(code=7)),
        ("kill -TERM 0", Exit(signal="TERM")),
    ],
)
async def test_ends_are_told_apart(shell: Shell, job, script: str, end: Exit) -> None:
    kept = Kept()
    assert await job(script).follow(shell, kept) == end
    assert (bytes(kept.out), bytes(kept.err)) == (b"", b"")


async def test_the_job_finds_the_world_of_the_session(shell: Shell, job) -> None:
    script = (
        'printf "%s|" "$HOME" "$ODD" "$state" "$d" "$(pwd)" "$(umask)" "${0%-*}" "$1"; env | grep -c fj_; cat'
    )
    kept = Kept()
    assert await job(script, args=("x\n",), stdin=b"in\0\xff").follow(shell, kept) == Exit(code=0)
    assert bytes(kept.err) == b""
    umask = "022" if "mksh" in str((shell.folder / "sh").readlink()) else "0022"
    said = ["/tmp", "a 'b'\n\t$c \\", "theirs", "theirs", "/", umask]
    assert bytes(kept.out).decode("latin-1").startswith("|".join(said) + "|fct")
    assert bytes(kept.out).endswith(b"|x\n|0\nin\0\xff")


async def test_what_it_is_given_does_not_stay_on_the_disk(shell: Shell, job) -> None:
    one = job('echo "${#SECRET}"; grep -rls "$SECRET" "$FOLDER"; true', env={"SECRET": "hunter2-hunter2"})
    folder = f"/var/tmp/fleetctl-{os.getuid()}/{one.job_id}"
    one.command = replace(one.command, env={**one.command.env, "FOLDER": folder})
    kept = Kept()
    assert await one.follow(shell, kept) == Exit(code=0)
    assert bytes(kept.out) == b"15\n"
    assert {path.name for path in Path(folder).iterdir()} == {
        "claimed", "pid", "result", "stderr", "stdout", "supervise", "whole",
    }  # fmt: skip
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert Path(folder).parent.stat().st_mode & 0o777 == 0o700


async def test_what_it_leaves_running_does_not_hold_it_up(shell: Shell, job) -> None:
    kept = Kept()
    assert await job("sleep 60 & echo done").follow(shell, kept) == Exit(code=0)
    assert bytes(kept.out) == b"done\n"


async def test_writing_to_dev_stderr_cuts_nothing_off(shell: Shell, job) -> None:
    kept = Kept()
    script = "for n in 1 2 3; do echo $n; echo $n >/dev/stdout; echo e$n >/dev/stderr; done"
    assert await job(script).follow(shell, kept) == Exit(code=0)
    assert (bytes(kept.out), bytes(kept.err)) == (b"1\n1\n2\n2\n3\n3\n", b"e1\ne2\ne3\n")


@pytest.mark.parametrize("name", SHELLS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=st.lists(st.tuples(st.booleans(), st.binary(max_size=3000)), max_size=5),
    cuts=st.lists(st.integers(0, 6000), max_size=3),
)
def test_bytes_arrive_whole_wherever_the_connection_breaks(
    name: str, tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bool, bytes]], cuts: list[int]
) -> None:
    shell = made(tmp_path_factory.mktemp("shell") / "bin", name)
    files = tmp_path_factory.mktemp("pieces")
    for number, (_, data) in enumerate(pieces):
        (files / str(number)).write_bytes(data)
    script = (
        "".join(f"cat {files}/{n} {'>&2' if error else ''}\n" for n, (error, _) in enumerate(pieces))
        + "exit 5"
    )

    async def all_of_it() -> tuple[Exit, Kept]:
        job, kept = Job(f"fct-{uuid.uuid4().hex}", Command(script=script)), Kept()
        try:
            for cut in cuts:
                shell.cut = cut
                with suppress(Cut):
                    return await job.follow(shell, kept), kept
            shell.cut = -1
            return await job.follow(shell, kept), kept
        finally:
            await clear(shell, [job])

    end, kept = asyncio.run(all_of_it())
    assert end == Exit(code=5)
    assert bytes(kept.out) == b"".join(data for error, data in pieces if not error)
    assert bytes(kept.err) == b"".join(data for error, data in pieces if error)


async def test_a_supervisor_that_was_killed_is_told_and_not_waited_for(shell: Shell, job) -> None:
    one, kept = job("echo on; sleep 60"), Kept()
    supervisors: list[int] = []
    following = asyncio.ensure_future(
        one.follow(shell, kept, on_started=lambda started: supervisors.append(started.pid))
    )
    await asyncio.wait_for(kept.began.wait(), 20)
    os.kill(supervisors[0], signal.SIGKILL)
    with pytest.raises(ExecFailed) as why:
        await following
    assert (why.value.reason, why.value.started) == (Reason.JOB_LOST, True)
    assert "supervisor" in why.value.message
    (told,) = [info for info in await list_jobs(shell, become=None, tag="t") if info.job_id == one.job_id]
    assert told.state == "lost"
