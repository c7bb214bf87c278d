"""The SSH transport against a real sshd: commands, output, stdin, cancel, loss."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path

import pytest
from lab.processes import identity, kill

from fleetctl.errors import UsageError
from fleetctl.model import Command, Exit, Reason
from fleetctl.transport.protocol import ExecFailed


class Count:
    def __init__(self) -> None:
        self.bytes = 0

    def stdout(self, data: bytes) -> None:
        self.bytes += len(data)

    def stderr(self, data: bytes) -> None:
        self.bytes += len(data)


async def test_output_code_and_stdin_are_exact(sshd, client):
    client.trust(sshd)
    went = await client.run(sshd.host(), "cat; printf err >&2; exit 7", stdin=b"\xff\x00in")
    assert went == (Exit(code=7), b"\xff\x00in", b"err")


async def test_a_signal_is_told(sshd, client):
    client.trust(sshd)
    ended, _, _ = await client.run(sshd.host(), "kill -KILL $$")
    assert ended == Exit(signal="KILL")


async def test_many_commands_share_a_connection(sshd, client):
    client.trust(sshd)
    connection = await client.transport().connect(sshd.host())
    sinks = [Count() for _ in range(20)]
    ended = await asyncio.gather(
        *(connection.exec(Command(script=f"exit {number}"), sink) for number, sink in enumerate(sinks))
    )
    assert [one.code for one in ended] == list(range(20))
    await connection.close()


async def test_a_hundred_megabytes_do_not_stay_in_memory(sshd, client):
    client.trust(sshd)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection, sink = await client.transport().connect(sshd.host()), Count()
    ended = await connection.exec(Command(script="head -c 100000000 /dev/zero"), sink)
    await connection.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (ended.code, sink.bytes) == (0, 100_000_000)
    assert grown < 30_000  # kilobytes


async def test_a_big_file_is_streamed_as_stdin(sshd, client, tmp_path):
    client.trust(sshd)
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    ended, out, _ = await client.run(sshd.host(), "wc -c", stdin=path)
    assert (ended.code, int(out)) == (0, 50_000_000)


async def test_a_command_that_does_not_read_its_stdin_ends_by_itself(sshd, client, tmp_path):
    client.trust(sshd)
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(20_000_000)
    ended, _, _ = await client.run(sshd.host(), "exit 3", stdin=path)
    assert ended == Exit(code=3)


@pytest.mark.parametrize(("path", "why"), [("/no/such/file", "no such file"), ("/tmp", "a folder")])
async def test_an_input_file_that_cannot_be_read_is_told_before_anything_starts(sshd, client, path, why):
    client.trust(sshd)
    with pytest.raises(ExecFailed, match=why) as caught:
        await client.run(sshd.host(), f"touch {client.folder}/started", stdin=Path(path))
    assert (caught.value.reason, caught.value.started) == (Reason.PRECONDITION, False)
    assert not (client.folder / "started").exists()


async def test_a_pipe_as_input_is_read_to_its_end(sshd, client):
    client.trust(sshd)
    pipe = client.folder / "pipe"
    os.mkfifo(pipe)
    running = asyncio.create_task(client.run(sshd.host(), "cat", stdin=pipe))
    await asyncio.to_thread(pipe.write_bytes, b"through the pipe")
    assert await running == (Exit(code=0), b"through the pipe", b"")


async def test_a_sink_that_fails_ends_the_command_and_not_the_connection(sshd, client, tmp_path):
    class Full(Count):
        def stdout(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    client.trust(sshd)
    connection = await client.transport().connect(sshd.host())
    with pytest.raises(OSError, match="No space left"):
        await connection.exec(Command(script=f"echo $$ >{tmp_path}/pid; echo x; exec sleep 60"), Full())
    assert not identity(int((tmp_path / "pid").read_text()))
    assert await connection.exec(Command(script="exit 4"), Count()) == Exit(code=4)
    await connection.close()


async def started(client, host, script: str, tmp_path: Path):
    """Start a command that writes its pids into a file, and wait until it runs."""
    connection = await client.transport().connect(host)
    mark = tmp_path / "pids"
    task = asyncio.create_task(connection.exec(Command(script=script.replace("MARK", str(mark))), Count()))
    while not mark.exists() or not mark.read_text().endswith("\n"):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    return connection, task, [int(word) for word in mark.read_text().split()]


async def test_cancelling_ends_the_command_with_its_children(sshd, client, tmp_path):
    client.trust(sshd)
    script = "sleep 300 & (trap '' TERM; sleep 301) & echo $$ $! >MARK.new; mv MARK.new MARK; wait"
    connection, task, pids = await started(client, sshd.host(), script, tmp_path)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await connection.exec(Command(script="exit 5"), Count()) == Exit(code=5)
    await connection.close()
    assert not any(map(identity, pids))


def session_of(pid: int, sshd_pid: int) -> int:
    """The sshd process that serves the connection a command runs on."""
    while True:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if parent == sshd_pid:
            return pid
        pid = parent


async def test_a_lost_connection_leaves_it_unknown_whether_the_command_ended(sshd, client, tmp_path):
    client.trust(sshd)
    connection, task, pids = await started(client, sshd.host(), "echo $$ >MARK; sleep 60", tmp_path)
    os.kill(session_of(pids[0], sshd.pid), signal.SIGKILL)
    with pytest.raises(ExecFailed) as caught:
        await task
    assert (caught.value.reason, caught.value.started) == (Reason.CONNECTION_LOST, True)
    with pytest.raises(ExecFailed) as caught:
        await connection.exec(Command(script="true"), Count())
    assert (caught.value.reason, caught.value.started) == (Reason.CONNECTION_LOST, False)
    await connection.close()
    for pid in pids:
        kill(identity(pid))


async def test_a_server_without_sessions_says_so(another_sshd, client):
    server = another_sshd(extra="MaxSessions 0")
    client.trust(server)
    with pytest.raises(ExecFailed, match="does not let a command be started") as caught:
        await client.run(server.host(), "true")
    assert (caught.value.reason, caught.value.started) == (Reason.REMOTE, False)


async def test_what_no_host_can_run_is_refused_before_anything_is_sent(sshd, client):
    client.trust(sshd)
    with pytest.raises(UsageError):
        await client.run(sshd.host(), "echo \0")


async def test_closing_twice_and_late_is_no_trouble(sshd, client):
    client.trust(sshd)
    connection = await client.transport().connect(sshd.host())
    await connection.close()
    await connection.close()
    with pytest.raises(ExecFailed):
        await connection.exec(Command(script="true"), Count())
