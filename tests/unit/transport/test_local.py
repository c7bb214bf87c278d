"""This machine as a host. What it shares with the others is in tests/contract."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fleetctl.errors import CredentialError
from fleetctl.model import Become, Command, Exit, Host, Reason
from fleetctl.transport.local import Local
from fleetctl.transport.protocol import ExecFailed, NoCredentials, TransportOptions

FDS = Path("/proc/self/fd")


class Sink:
    def __init__(self) -> None:
        self.out, self.err = b"", b""

    def stdout(self, data: bytes) -> None:
        self.out += data

    def stderr(self, data: bytes) -> None:
        self.err += data


async def connect(**options):
    return await Local(TransportOptions(**options)).connect(Host(name="here"))


async def test_a_command_is_a_session_of_its_own() -> None:
    sink = Sink()
    connection = await connect()
    await connection.exec(Command(script="cat /proc/$$/stat"), sink)
    pid, group, session = (int(sink.out.rpartition(b")")[2].split()[n]) for n in (2, 2, 3))
    assert group == session != os.getpgrp()
    assert pid


async def test_no_descriptor_and_no_process_is_left() -> None:
    connection = await connect()
    await connection.exec(Command(script="true"), Sink())
    here = psutil.Process()
    before = len(list(FDS.iterdir()))
    for script in ("true", "exit 3", "kill -9 $$", "cat"):
        await connection.exec(Command(script=script, stdin=b"x"), Sink())
    assert len(list(FDS.iterdir())) <= before
    assert [child for child in here.children() if child.status() == psutil.STATUS_ZOMBIE] == []


async def test_a_stdin_file_that_is_missing_is_said() -> None:
    with pytest.raises(ExecFailed) as caught:
        await (await connect()).exec(Command(script="cat", stdin=Path("/no/such")), Sink())
    assert not caught.value.started
    assert "/no/such" in caught.value.message


async def test_a_password_that_cannot_be_had_is_a_finding() -> None:
    class Broken(NoCredentials):
        def become_password(self, host: Host) -> str | None:
            raise CredentialError("the keyring is on fire", hint="put it out")

    with pytest.raises(ExecFailed) as caught:
        await (await connect(credentials=Broken())).exec(Command(script="true", become=Become()), Sink())
    assert caught.value.reason is Reason.CREDENTIALS


async def test_a_sink_that_fails_ends_the_command() -> None:
    class Full(Sink):
        def stdout(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    tag = f"full-{os.getpid()}"
    with pytest.raises(OSError, match="No space"):
        await (await connect()).exec(Command(script="echo x; exec sleep 300", tag=tag), Full())
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            left += [process.pid] if tag in process.cmdline() else []
    assert left == []


async def test_commands_run_side_by_side() -> None:
    connection = await connect()
    sinks = [Sink() for _ in range(20)]
    ends = await asyncio.gather(
        *(connection.exec(Command(script=f"echo {n}"), sink) for n, sink in enumerate(sinks))
    )
    assert set(ends) == {Exit(code=0)}
    assert [int(sink.out) for sink in sinks] == list(range(20))


async def test_a_kill_that_cannot_be_carried_out_is_no_proof(monkeypatch) -> None:
    monkeypatch.setattr("fleetctl.transport.local.kill_script", lambda _: "exit 1")
    connection = await connect()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.exec(Command(script="sleep 300", tag="local-unended"), Sink()), 0.5)
    assert connection.unended == ["local-unended"]
