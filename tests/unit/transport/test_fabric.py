"""What is Paramiko's own about the fabric transport. What it shares with the others is in tests/contract."""

from __future__ import annotations

import asyncio
import threading

import paramiko
import pytest

from fleetctl.errors import CredentialError
from fleetctl.model import Host, Reason
from fleetctl.transport.fabric import MAX_THREADS, FabricSsh
from fleetctl.transport.fabric_dial import _Transport
from fleetctl.transport.fabric_exec import Relay
from fleetctl.transport.protocol import TransportOptions, Unreachable


class Slow:
    """A sink that notes what came, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    def stdout(self, data: bytes) -> None:
        self.seen.append(("out", data))

    def stderr(self, data: bytes) -> None:
        self.seen.append(("err", data))


def test_only_the_table_entry_for_requests_is_ours() -> None:
    """Paramiko has no public way to see `exit-signal`: notice when its private one changes."""
    theirs = paramiko.Transport._channel_handler_table
    ours = _Transport._channel_handler_table
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if ours[key] is not theirs[key]] == [paramiko.common.MSG_CHANNEL_REQUEST]


async def test_output_reaches_the_sink_in_order_and_is_bounded() -> None:
    sink = Slow()
    relay = Relay(sink, loop=asyncio.get_running_loop())
    put = 0

    def work() -> None:
        nonlocal put
        for n in range(100):
            relay.put("stdout", b"%d" % n)
            put += 1
        relay.flush()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.3)  # the loop is blocked meanwhile: nothing is taken
    assert put <= 16
    await asyncio.to_thread(thread.join)
    assert [int(data) for _, data in sink.seen] == list(range(100))


async def test_a_sink_that_fails_is_raised_in_the_thread() -> None:
    class Full(Slow):
        def stdout(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    relay = Relay(Full(), loop=asyncio.get_running_loop())

    def work() -> None:
        relay.put("stdout", b"x")
        relay.flush()

    with pytest.raises(OSError, match="No space"):
        await asyncio.to_thread(work)


async def test_a_relay_that_was_stopped_holds_no_thread() -> None:
    relay = Relay(Slow(), loop=asyncio.get_running_loop())
    relay.stopped.set()

    def work() -> None:
        for _ in range(20):
            relay.put("stdout", b"x")

    await asyncio.wait_for(asyncio.to_thread(work), 20)


def test_threads_are_bounded() -> None:
    assert MAX_THREADS <= 64


async def test_a_key_of_the_command_line_that_is_missing_ends_the_run(tmp_path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    config = tmp_path / "config"
    config.touch()
    transport = FabricSsh(TransportOptions(ssh_config=config, identity_file=(tmp_path / "none",)))
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises((Unreachable, CredentialError)):
            await transport.connect(Host(name="127.0.0.1", port=port))
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()


async def test_jump_hosts_that_lead_in_a_circle_are_named(tmp_path) -> None:
    config = tmp_path / "config"
    config.touch()
    hosts = {
        "a": Host(name="a", address="127.0.0.1", port=1, jump="b"),
        "b": Host(name="b", address="127.0.0.1", port=1, jump="c"),
        "c": Host(name="c", address="127.0.0.1", port=1, jump="b"),
    }
    transport = FabricSsh(TransportOptions(ssh_config=config, inventory=hosts))
    try:
        await asyncio.wait_for(transport.prepare(hosts["a"]), 20)
        with pytest.raises(Unreachable) as caught:
            await asyncio.wait_for(transport.connect(hosts["a"]), 20)
    finally:
        await transport.close()
    assert caught.value.reason is Reason.JUMP_HOST
