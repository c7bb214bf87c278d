"""Jump hosts and proxy commands: shared, chained, reopened, and named when they fail."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import pytest
from lab.keys import new_key, public_key
from lab.loopback import black_hole, closed_port
from lab.processes import children

from fleetctl.model import Exit, Host, Reason
from fleetctl.transport.protocol import Unreachable

OK = (Exit(code=0), b"ok\n", b"")


async def unreachable(client, host: Host, **given) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await client.transport(**given).connect(host)
    return caught.value


def logins(server) -> int:
    return server.log.read_text().count("Accepted publickey")


@pytest.fixture
def bastion(another_sshd, sshd, client):
    server = another_sshd()
    client.trust(server, sshd)
    return server


async def test_hundreds_of_hosts_share_one_connection_to_the_jump_host(bastion, sshd, client):
    inventory = {"bastion": bastion.host(name="bastion")}
    transport = client.transport(inventory=inventory)
    opened = await asyncio.gather(*(transport.connect(sshd.host(jump="bastion")) for _ in range(20)))
    for connection in opened:
        await connection.close()
    assert logins(bastion) == 1


async def test_a_jump_host_may_be_written_out(bastion, sshd, client):
    me = sshd.host().user
    host = sshd.host(jump=f"{me}@127.0.0.1:{bastion.port}")
    assert await client.run(host, "echo ok", identity_file=(bastion.key, sshd.key)) == OK
    assert logins(bastion) == 1


async def test_a_chain_goes_from_the_first_hop_to_the_last(another_sshd, bastion, sshd, client):
    second = another_sshd()
    client.trust(second)
    inventory = {"one": bastion.host(name="one"), "two": second.host(name="two", jump="elsewhere")}
    assert await client.run(sshd.host(jump="one, two"), "echo ok", inventory=inventory) == OK
    assert (logins(bastion), logins(second)) == (1, 1)
    assert f"port {second.port}" in second.log.read_text()


async def test_a_jump_host_has_a_jump_host_of_its_own(another_sshd, bastion, sshd, client):
    second = another_sshd()
    client.trust(second)
    inventory = {"one": bastion.host(name="one"), "two": second.host(name="two", jump="one")}
    assert await client.run(sshd.host(jump="two"), "echo ok", inventory=inventory) == OK
    assert logins(bastion) == 1


async def test_ssh_config_s_proxy_jump_is_honoured_and_the_inventory_beats_it(bastion, sshd, client):
    config = f"""
        Host web-alias
            HostName 127.0.0.1
            Port {sshd.port}
            ProxyJump the-bastion
        Host the-bastion
            HostName 127.0.0.1
            Port {bastion.port}
            IdentityFile {bastion.key}
    """
    host = sshd.host(address="web-alias", port=None)
    assert await client.run(host, "echo ok", config=config) == OK
    assert logins(bastion) == 1
    assert await client.run(sshd.host(address="web-alias", jump="none"), "echo ok", config=config) == OK
    assert logins(bastion) == 1


async def test_a_jump_host_that_died_is_opened_again(bastion, sshd, client):
    transport = client.transport(inventory={"bastion": bastion.host(name="bastion")})
    await (await transport.connect(sshd.host(jump="bastion"))).close()
    for pid in children(bastion.pid):
        os.kill(pid, signal.SIGKILL)
    await (await transport.connect(sshd.host(jump="bastion"))).close()
    assert logins(bastion) == 2


async def test_a_jump_host_that_cannot_be_reached_is_named_with_its_own_reason(sshd, client):
    client.trust(sshd)
    with closed_port() as port:
        inventory = {"bastion": Host(name="bastion", address="127.0.0.1", port=port)}
        found = await unreachable(client, sshd.host(jump="bastion"), inventory=inventory)
    assert found.reason is Reason.JUMP_HOST
    assert found.message.startswith("jump host bastion cannot be reached (refused)")


async def test_an_unknown_key_of_a_jump_host_says_how_to_trust_it(another_sshd, sshd, client):
    client.trust(sshd)
    inventory = {"bastion": another_sshd().host(name="bastion")}
    found = await unreachable(client, sshd.host(jump="bastion"), inventory=inventory)
    assert found.reason is Reason.JUMP_HOST
    assert "(host-key-unknown)" in found.message
    assert found.hint == "fleetctl hosts trust bastion"


async def test_hosts_behind_a_dead_jump_host_share_one_timeout(sshd, client):
    client.trust(sshd)
    with black_hole() as port:
        inventory = {"bastion": Host(name="bastion", address="127.0.0.1", port=port)}
        transport = client.transport(inventory=inventory, connect_timeout=0.5)
        before = asyncio.get_running_loop().time()
        for _ in range(3):
            with pytest.raises(Unreachable, match="connect-timeout"):
                await transport.connect(sshd.host(jump="bastion"))
        assert asyncio.get_running_loop().time() - before < 1.4


@pytest.mark.parametrize("chain", ["first,second", "second-by-itself"])
async def test_of_several_slow_jump_hosts_the_one_that_uses_up_the_time_is_named(
    client, bastion, sshd, chain
):
    with black_hole() as port:
        inventory = {
            "first": bastion.host(name="first"),
            "second": Host(name="second", address="127.0.0.1", port=port),
            "second-by-itself": Host(name="second", address="127.0.0.1", port=port, jump="first"),
        }
        transport = client.transport(inventory=inventory, connect_timeout=2)
        await transport.connect(sshd.host(jump="first"))
        # As if the first had been so slow that nothing is left for the second.
        transport._options = replace(transport._options, connect_timeout=-0.5)
        with pytest.raises(Unreachable) as caught:
            await transport.connect(sshd.host(jump=chain))
    assert caught.value.reason is Reason.JUMP_HOST
    assert caught.value.message.startswith(f"jump host {chain.split(',')[-1]} was not connected within")


async def test_a_jump_host_is_looked_up_once_however_many_hosts_are_behind_it(client, monkeypatch):
    inventory = {"outer": Host(name="outer"), "inner": Host(name="inner", jump="outer")}
    transport = client.transport(inventory=inventory)
    looked_up, resolve = [], transport._targets.resolve

    async def counted(host):
        looked_up.append(host.name)
        return await resolve(host)

    monkeypatch.setattr(transport._targets, "resolve", counted)
    await asyncio.gather(*(transport.prepare(Host(name=f"web-{n}", jump="inner")) for n in range(30)))
    assert sorted(looked_up) == sorted(["inner", "outer", *(f"web-{n}" for n in range(30))])


async def test_preparing_jump_hosts_in_a_circle_comes_to_an_end(client):
    inventory = {"a": Host(name="a", jump="b"), "b": Host(name="b", jump="a")}
    await client.transport(inventory=inventory).prepare(Host(name="web", jump="a"))


async def test_a_host_that_gives_up_leaves_the_jump_host_to_the_others(bastion, sshd, client):
    transport = client.transport(inventory={"bastion": bastion.host(name="bastion")})
    first = asyncio.create_task(transport.connect(sshd.host(jump="bastion")))
    second = asyncio.create_task(transport.connect(sshd.host(jump="bastion")))
    await asyncio.sleep(0)
    first.cancel()
    await (await second).close()
    assert logins(bastion) == 1


async def test_jump_hosts_in_a_circle_are_noticed_whoever_asks_first(client):
    inventory = {"a": Host(name="a", jump="b"), "b": Host(name="b", jump="a,x")}
    transport = client.transport(inventory=inventory)
    jumps = ["a", "b", "x,b", "a,b"]
    found = await asyncio.gather(
        *(transport.connect(Host(name="web", jump=jump, address="127.0.0.1")) for jump in jumps),
        return_exceptions=True,
    )
    assert {exc.reason for exc in found} == {Reason.JUMP_HOST}
    assert sum("circle" in exc.message for exc in found) == 3


async def test_a_jump_host_in_its_own_group_is_reached_straight(sshd, client):
    client.trust(sshd)
    host = sshd.host(name="bastion", jump="bastion")
    assert await client.run(host, "echo ok", inventory={"bastion": host}) == OK


@pytest.mark.parametrize("jump", ["host:many", "[::1]:x"])
async def test_what_is_no_jump_host_is_told(client, jump):
    found = await unreachable(client, Host(name="web", jump=jump))
    assert found.reason is Reason.JUMP_HOST


async def test_what_the_jump_host_cannot_reach_is_the_host_s_trouble(bastion, client):
    inventory = {"bastion": bastion.host(name="bastion")}
    with closed_port() as port:
        found = await unreachable(
            client, Host(name="web", address="127.0.0.1", port=port, jump="bastion"), inventory=inventory
        )
    assert found.reason is Reason.REFUSED
    assert "from jump host bastion" in found.message
    found = await unreachable(client, Host(name="no-such.invalid", jump="bastion"), inventory=inventory)
    assert found.reason is Reason.DNS


async def test_a_jump_host_that_does_not_forward_says_so(another_sshd, sshd, client):
    server = another_sshd(extra="AllowTcpForwarding no")
    client.trust(server, sshd)
    inventory = {"bastion": server.host(name="bastion")}
    found = await unreachable(client, sshd.host(jump="bastion"), inventory=inventory)
    assert found.reason is Reason.JUMP_HOST
    assert "AllowTcpForwarding" in found.hint


async def test_the_key_behind_a_jump_host_is_checked_under_the_host_s_name(bastion, sshd, client):
    other = new_key(client.folder / "other")
    client.known_hosts.write_text(bastion.host_line + f"[127.0.0.1]:{sshd.port} {public_key(other)}\n")
    inventory = {"bastion": bastion.host(name="bastion")}
    found = await unreachable(client, sshd.host(jump="bastion"), inventory=inventory)
    assert found.reason is Reason.HOST_KEY_CHANGED


PROXY = """exec python3 -c '
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def pump(take, give):
    while data := take(65536): give(data)
    os._exit(0)
threading.Thread(target=pump, args=(s.recv, lambda d: os.write(1, d)), daemon=True).start()
pump(lambda n: os.read(0, n), s.sendall)
' %h %p"""


async def test_a_proxy_command_carries_the_connection_and_is_ended(sshd, client):
    client.trust(sshd)
    script = client.folder / "proxy"
    script.write_text("#!/bin/sh\n" + PROXY.replace("%h %p", '"$1" "$2"') + "\n")
    script.chmod(0o755)
    config = f"ProxyCommand {script} %h %p\n"
    assert await client.run(sshd.host(), "echo ok", config=config) == OK


async def test_a_proxy_command_that_talks_much_goes_on(sshd, client):
    client.trust(sshd)
    script = client.folder / "proxy"
    loud = "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x >&2\n"
    script.write_text(loud + PROXY.replace("%h %p", '"$1" "$2"') + "\n")
    script.chmod(0o755)
    assert await client.run(sshd.host(), "echo ok", config=f"ProxyCommand {script} %h %p\n") == OK


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
async def test_a_proxy_command_that_fails_is_quoted(sshd, client, monkeypatch, shell):
    monkeypatch.setenv("SHELL", shell)
    client.trust(sshd)
    found = await unreachable(
        client, sshd.host(), config="ProxyCommand sh -c 'echo the proxy is down >&2; exit 1'\n"
    )
    assert found.reason is Reason.TRANSPORT
    assert "the proxy is down" in found.message
