"""Every way of not reaching a host, made for real where one machine can: reason, message, remedy."""

from __future__ import annotations

import asyncio
import socket
import threading

import asyncssh
import pytest
from lab.keys import new_key, public_key
from lab.loopback import black_hole, closed_port

from fleetctl.model import Exit, Host, Reason
from fleetctl.transport.protocol import Unreachable


async def unreachable(client, host: Host, **given) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await client.transport(**given).connect(host)
    return caught.value


def local(port: int, **changes) -> Host:
    return Host(**{"name": "web-1", "address": "127.0.0.1", "port": port, "user": "me", **changes})


def says(*lines: bytes, close: bool = True, wait: bytes = b""):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if wait:
            await reader.readuntil(wait)
        for line in lines:
            writer.write(line)
        await writer.drain()
        if close:
            writer.close()

    return answer


async def test_a_name_that_does_not_exist(client):
    found = await unreachable(client, Host(name="no-such-host.invalid"))
    assert found.reason is Reason.DNS
    assert "no-such-host.invalid" in found.message
    assert "address" in found.hint


@pytest.mark.parametrize("name", ["a" * 70, "bad..name", "-", " "])
async def test_what_is_no_name_at_all(client, name):
    assert (await unreachable(client, Host(name=name))).reason is Reason.DNS


async def test_a_resolver_that_does_not_answer(client, monkeypatch):
    answered = threading.Event()

    def stuck(*_args, **_given):
        answered.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    found = await unreachable(client, Host(name="slow.example.net"), connect_timeout=0.3)
    assert (found.reason, found.retry) == (Reason.DNS, True)
    assert "not resolved within 0.3 s" in found.message
    answered.set()


async def test_nobody_listens(client):
    with closed_port() as port:
        found = await unreachable(client, local(port))
    assert found.reason is Reason.REFUSED
    assert f"127.0.0.1:{port}" in found.message


async def test_nobody_answers(client):
    with black_hole() as port:
        found = await unreachable(client, local(port), connect_timeout=0.5)
    assert (found.reason, found.retry) == (Reason.CONNECT_TIMEOUT, True)
    assert "within 0.5 s" in found.message


async def test_there_is_no_route(client):
    # TCP to a broadcast address: the kernel says at once that the network is unreachable.
    found = await unreachable(client, local(22, address="127.255.255.255"))
    assert found.reason is Reason.NO_ROUTE


async def test_it_takes_the_connection_and_says_nothing(client, serve):
    async with serve(says(close=False)) as port:
        found = await unreachable(client, local(port), connect_timeout=0.5)
    assert (found.reason, found.retry) == (Reason.BANNER, True)
    assert "said nothing" in found.message


@pytest.mark.parametrize("close", [True, False])
async def test_it_is_not_ssh(client, serve, close):
    async with serve(says(b"220 mail.example.net ESMTP\x1b[31m\r\n", close=close)) as port:
        found = await unreachable(client, local(port), connect_timeout=0.5)
    assert (found.reason, found.retry) == (Reason.BANNER, False)
    assert "not an SSH server: it says '220 mail.example.net ESMTP[31m'" in found.message


async def test_it_speaks_an_old_ssh(client, serve):
    async with serve(says(b"SSH-1.5-old\r\n", close=False)) as port:
        found = await unreachable(client, local(port))
    assert found.reason is Reason.BANNER


async def test_it_closes_before_a_word(client, serve):
    async with serve(says()) as port:
        found = await unreachable(client, local(port))
    assert (found.reason, found.retry) == (Reason.MAX_STARTUPS, True)
    assert "MaxStartups" in found.hint


async def test_sshd_drops_for_max_startups(another_sshd, client):
    server = another_sshd(extra="MaxStartups 1:100:1")
    client.trust(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await reader.readline()
    found = await unreachable(client, server.host())
    assert (found.reason, found.retry) == (Reason.MAX_STARTUPS, True)
    writer.close()


async def test_it_punishes_failed_logins(client, serve):
    async with serve(says(b"Not allowed at this time\r\n")) as port:
        found = await unreachable(client, local(port))
    assert found.reason is Reason.MAX_STARTUPS
    assert "PerSourcePenalties" in found.hint


async def test_it_closes_in_the_middle_of_the_handshake(client, serve):
    async with serve(says(b"SSH-2.0-cut\r\n", wait=b"\n")) as port:
        found = await unreachable(client, local(port))
    assert (found.reason, found.retry) == (Reason.CONNECTION_CLOSED, True)


async def test_it_hangs_in_the_middle_of_the_handshake(client, serve):
    async with serve(says(b"SSH-2.0-hang\r\n", close=False)) as port:
        found = await unreachable(client, local(port), connect_timeout=0.5)
    assert (found.reason, found.retry) == (Reason.CONNECT_TIMEOUT, True)
    assert "key exchange" in found.message


async def test_it_sends_rubbish_after_its_version(client, serve):
    async with serve(says(b"SSH-2.0-x\r\n" + b"\xff" * 500, close=False)) as port:
        found = await unreachable(client, local(port), connect_timeout=2)
    assert found.reason in {Reason.KEY_EXCHANGE, Reason.CONNECTION_CLOSED}


@pytest.mark.parametrize(
    ("extra", "what", "offers"),
    [
        ("KexAlgorithms diffie-hellman-group14-sha1", "key exchange", "diffie-hellman-group14-sha1"),
        ("Ciphers aes256-cbc", "encryption", "aes256-cbc"),
    ],
)
async def test_no_algorithm_in_common(another_sshd, client, extra, what, offers):
    server = another_sshd(extra=extra)
    client.trust(server)
    # A server that closes before it has read all takes back, as TCP does, what it had said.
    for _ in range(5):
        found = await unreachable(client, server.host())
        if found.reason is not Reason.CONNECTION_CLOSED:
            break
    assert found.reason is Reason.KEY_EXCHANGE
    assert f"no {what} algorithm in common" in found.message
    assert offers in found.message
    keyword = extra.split()[0]
    ended, _, _ = await client.run(server.host(), "true", config=f"{keyword} +{offers}")
    assert ended == Exit(code=0)


async def test_no_host_key_algorithm_in_common(client):
    key = new_key(client.folder / "server", kind="rsa")
    server = await asyncssh.create_server(
        asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=[str(key)], signature_algs=["ssh-rsa"]
    )
    client.known_hosts.write_text(f"[127.0.0.1]:{server.get_port()} {public_key(key)}\n")
    found = await unreachable(client, local(server.get_port()), config="HostKeyAlgorithms ssh-ed25519")
    assert found.reason is Reason.KEY_EXCHANGE
    server.close()


async def test_the_login_hangs(client):
    class Slow(asyncssh.SSHServer):
        async def begin_auth(self, username: str) -> bool:
            await asyncio.sleep(30)
            return True

    key = new_key(client.folder / "server")
    server = await asyncssh.create_server(Slow, "127.0.0.1", 0, server_host_keys=[str(key)])
    client.known_hosts.write_text(f"[127.0.0.1]:{server.get_port()} {public_key(key)}\n")
    found = await unreachable(client, local(server.get_port()), connect_timeout=0.7)
    assert (found.reason, found.retry) == (Reason.CONNECT_TIMEOUT, True)
    assert "login as 'me'" in found.message
    server.close()


async def test_no_file_descriptor_is_left(client, monkeypatch):
    def full(*_args, **_given):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", full)
    found = await unreachable(client, local(22))
    assert (found.reason, found.retry) == (Reason.TRANSPORT, True)
    assert "ulimit -n" in found.hint


async def test_a_broken_ssh_config_names_file_and_line(client):
    found = await unreachable(client, local(22), config="Host *\n  Port many\n")
    assert found.reason is Reason.TRANSPORT
    assert "ssh_config:2" in found.message


async def test_the_second_address_of_a_name_is_tried(sshd, client, monkeypatch):
    real = socket.getaddrinfo

    def two(name, port, *args, **given):
        if name != "two.example.net":
            return real(name, port, *args, **given)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    client.known_hosts.write_text(sshd.host_line.replace("127.0.0.1", "two.example.net"))
    ended, _, _ = await client.run(sshd.host(address="two.example.net"), "true")
    assert ended == Exit(code=0)


async def test_cancelling_a_connect_leaves_nothing_behind(client, serve):
    async with serve(says(close=False)) as port:
        task = asyncio.create_task(client.transport().connect(local(port)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_settings_of_ssh_config_reach_the_host(sshd, client):
    client.trust(sshd)
    me = sshd.host().user
    config = f"Host alias\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {me}\n  IdentityFile {sshd.key}\n"
    ended, out, _ = await client.run(Host(name="alias"), "echo ok", config=config)
    assert (ended, out) == (Exit(code=0), b"ok\n")


@pytest.mark.parametrize("choice", ["default", "curve25519"])
async def test_the_key_exchange_can_be_chosen(sshd, client, choice):
    client.trust(sshd)
    ended, _, _ = await client.run(sshd.host(), "true", key_exchange=choice)
    assert ended == Exit(code=0)
