"""The embedded hosts speak real SSH, run real shells, and let nobody else in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import psutil
import pytest

from fleetctl.demo.server import EmbeddedHost, Listening, serve

KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Listening]:
    async with serve([EmbeddedHost(name="web-1", home=tmp_path)], authorized=KEY) as listening:
        yield listening["web-1"]


async def connect(
    host: Listening, *, user: str = "demo", key: asyncssh.SSHKey = KEY
) -> asyncssh.SSHClientConnection:
    known = asyncssh.import_known_hosts(f"[127.0.0.1]:{host.port} {host.host_key}\n")
    return await asyncssh.connect(
        "127.0.0.1",
        host.port,
        username=user,
        client_keys=[key],
        known_hosts=known,
        config=None,
        agent_path=None,
        encoding=None,
    )


async def test_a_command_runs_in_the_hosts_home_with_its_exit_code(host: Listening, tmp_path: Path) -> None:
    async with await connect(host) as connection:
        result = await connection.run("pwd; echo oops >&2; exit 7")
    assert result.stdout == f"{tmp_path}\n".encode()
    assert (result.stderr, result.exit_status) == (b"oops\n", 7)


async def test_the_environment_is_a_logins_not_the_servers(
    host: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "hidden")
    async with await connect(host) as connection:
        result = await connection.run("env")
    assert isinstance(result.stdout, bytes)
    assert b"FLEETCTL_DEMO_HOST=web-1\n" in result.stdout
    assert b"SECRET_OF_THE_SERVER" not in result.stdout


async def test_a_signal_is_told_as_one(host: Listening) -> None:
    async with await connect(host) as connection:
        result = await connection.run("kill -TERM $$")
    assert result.exit_signal is not None
    assert result.exit_signal[0] == "TERM"


async def test_bytes_pass_unchanged_in_both_directions(host: Listening) -> None:
    data = os.urandom(3_000_000)
    async with await connect(host) as connection:
        result = await connection.run("cat", input=data)
    assert result.stdout == data


async def test_a_program_that_leaves_its_input_unread_still_ends_well(host: Listening) -> None:
    async with await connect(host) as connection:
        result = await connection.run("exit 0", input=b"x" * 2_000_000)
    assert result.exit_status == 0


async def test_nothing_runs_on_when_the_connection_is_gone(host: Listening, tmp_path: Path) -> None:
    connection = await connect(host)
    process = await connection.create_process("sleep 20 & echo $! >pid; wait")
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await process.stdin.drain()
        await asyncio.sleep(0.01)
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    connection.abort()
    await connection.wait_closed()
    _, left = await asyncio.to_thread(psutil.wait_procs, [child], timeout=10)
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]


async def test_another_key_or_user_is_refused(host: Listening) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(host, key=asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(host, user="root")


async def test_there_is_no_shell_no_sftp_and_no_forwarding(host: Listening) -> None:
    async with await connect(host) as connection:
        result = await connection.run()
        assert result.exit_status == 1
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", host.port)


async def test_a_host_that_is_down_refuses_and_keeps_its_port(tmp_path: Path) -> None:
    down = EmbeddedHost(name="cache-1", home=tmp_path, down=True)
    async with serve([down], authorized=KEY) as listening:
        assert not listening["cache-1"].host_key
        with pytest.raises(ConnectionRefusedError):
            await asyncssh.connect("127.0.0.1", listening["cache-1"].port, config=None)


async def test_hosts_have_keys_of_their_own(tmp_path: Path) -> None:
    hosts = [EmbeddedHost(name=name, home=tmp_path) for name in ("a", "b")]
    async with serve(hosts, authorized=KEY) as listening:
        assert listening["a"].host_key != listening["b"].host_key
        assert listening["a"].port != listening["b"].port
