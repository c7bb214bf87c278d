"""Scanning host keys of real servers, and recording those that a person accepts."""

from __future__ import annotations

import subprocess

import pytest
from lab.keys import new_key, public_key
from lab.loopback import closed_port

from fleetctl.errors import HostKeyError
from fleetctl.model import Exit, Host, Reason
from fleetctl.transport.known_hosts import Standing
from fleetctl.transport.trust import record, scan

OK = (Exit(code=0), b"ok\n", b"")


def told(path) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]


async def one(client, host, **given):
    (found,) = await scan([host], client.options(**given))
    return found


async def test_every_type_that_a_host_offers_is_shown_as_ssh_keygen_shows_it(another_sshd, client):
    second = new_key(client.folder / "rsa", kind="rsa")
    server = another_sshd(extra=f"HostKey {second}")
    found = await one(client, server.host())
    assert {key.fingerprint for key in found.keys} == {told(server.host_key), told(second)}
    assert {key.standing for key in found.keys} == {Standing.UNKNOWN}
    assert str(found.known_as) == f"[127.0.0.1]:{server.port}"
    assert "Accepted" not in server.log.read_text()


async def test_what_is_recorded_is_trusted_by_us_and_by_ssh(sshd, client):
    found = await one(client, sshd.host())
    assert record([found]) == len(found.keys)
    assert await client.run(sshd.host(), "echo ok") == OK
    options = [
        "-F",
        "none",
        "-o",
        f"UserKnownHostsFile={client.known_hosts}",
        "-o",
        "StrictHostKeyChecking=yes",
    ]
    target = [f"-p{sshd.port}", f"-i{sshd.key}", f"{sshd.host().user}@127.0.0.1", "echo ok"]
    done = ssh(*options, *target)
    assert done.stdout == "ok\n", done.stderr


def ssh(*arguments: str):
    argv = ["ssh", "-o", "BatchMode=yes", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


async def test_a_known_host_has_nothing_to_record(sshd, client):
    client.trust(sshd)
    before = client.known_hosts.read_text()
    found = await one(client, sshd.host())
    assert found.standing is Standing.TRUSTED
    assert record([found], replace=True) == 0
    assert client.known_hosts.read_text() == before


@pytest.mark.parametrize("old", ["ed25519", "rsa"])
async def test_a_changed_key_is_replaced_only_when_asked_to(another_sshd, client, old):
    server = another_sshd()
    other = new_key(client.folder / "old", kind=old)
    client.known_hosts.write_text(
        f"# kept\n[127.0.0.1]:{server.port} {public_key(other)}\nweb-9 {public_key(other)}\n"
    )
    found = await one(client, server.host())
    assert found.standing is Standing.CHANGED
    assert told(other) == found.keys[0].recorded[0].fingerprint
    assert record([found]) == 0
    assert record([found], replace=True) == 1
    assert client.known_hosts.read_text() == f"# kept\nweb-9 {public_key(other)}\n{server.host_line}"
    assert await client.run(server.host(), "echo ok") == OK


async def test_a_revoked_key_is_never_recorded(sshd, client):
    client.known_hosts.write_text(f"@revoked * {public_key(sshd.host_key)}\n")
    found = await one(client, sshd.host())
    assert found.standing is Standing.REVOKED
    assert record([found], replace=True) == 0


async def test_hosts_that_cannot_be_asked_do_not_stop_the_others(sshd, client):
    with closed_port() as port:
        hosts = [Host(name="dead", address="127.0.0.1", port=port), sshd.host()]
        seen = []
        dead, living = await scan(hosts, client.options(), on_done=lambda done: seen.append(done.host.name))
    assert dead.failed.reason is Reason.REFUSED
    assert living.keys
    assert sorted(seen) == ["dead", "web-1"]
    assert record([dead, living]) == len(living.keys)


async def test_a_host_behind_a_jump_host_is_asked_through_it(another_sshd, sshd, client):
    bastion = another_sshd()
    client.trust(bastion)
    inventory = {"bastion": bastion.host(name="bastion")}
    found = await one(client, sshd.host(jump="bastion"), inventory=inventory)
    assert [key.fingerprint for key in found.keys] == [told(sshd.host_key)]


async def test_names_are_hashed_where_ssh_config_says_so(sshd, client):
    record([await one(client, sshd.host(), config="HashKnownHosts yes")])
    assert client.known_hosts.read_text().startswith("|1|")
    assert await client.run(sshd.host(), "echo ok") == OK


async def test_a_place_that_cannot_be_written_is_an_error(sshd, client):
    found = await one(client, sshd.host(), known_hosts=(client.folder / "dir",))
    (client.folder / "dir").mkdir()
    with pytest.raises(HostKeyError, match="cannot be recorded"):
        record([found])
