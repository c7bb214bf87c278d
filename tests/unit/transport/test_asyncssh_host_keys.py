"""Host keys are always checked: unknown, changed, revoked, certificates, aliases, accept-new."""

from __future__ import annotations

import subprocess

import pytest
from lab.keys import new_key, public_key

from fleetctl.model import Exit, Reason
from fleetctl.transport.protocol import Unreachable

OK = (Exit(code=0), b"ok\n", b"")


async def refused(client, host, **given) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await client.run(host, "echo ok", **given)
    return caught.value


def told(path) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]


async def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_remedy(sshd, client):
    found = await refused(client, sshd.host())
    assert found.reason is Reason.HOST_KEY_UNKNOWN
    assert told(sshd.host_key) in found.message
    assert found.hint == "fleetctl hosts trust web-1"
    assert not found.retry
    assert not client.known_hosts.exists()


@pytest.mark.parametrize("policy", ["strict", "accept-new"])
async def test_a_changed_key_is_refused_with_both_fingerprints(sshd, client, policy):
    other = new_key(client.folder / "other")
    client.known_hosts.write_text(f"# first\n[127.0.0.1]:{sshd.port} {public_key(other)}\n")
    found = await refused(client, sshd.host(), host_keys=policy)
    assert found.reason is Reason.HOST_KEY_CHANGED
    assert told(sshd.host_key) in found.message
    assert told(other) in found.message
    assert f"{client.known_hosts}:2" in found.message
    assert "fleetctl hosts trust --replace web-1" in found.hint


async def test_a_revoked_key_is_refused_even_if_it_is_trusted_too(sshd, client):
    client.trust(sshd)
    with client.known_hosts.open("a") as file:
        file.write(f"@revoked * {public_key(sshd.host_key)}\n")
    assert (await refused(client, sshd.host())).reason is Reason.HOST_KEY_REVOKED


async def test_accept_new_records_an_unknown_host_once(sshd, client):
    for _ in range(2):
        assert await client.run(sshd.host(), "echo ok", host_keys="accept-new") == OK
    assert client.known_hosts.read_text() == sshd.host_line
    assert await client.run(sshd.host(), "echo ok") == OK


async def test_accept_new_hashes_names_where_ssh_config_says_so(sshd, client):
    assert await client.run(sshd.host(), "echo ok", host_keys="accept-new", config="HashKnownHosts yes") == OK
    assert client.known_hosts.read_text().startswith("|1|")
    assert await client.run(sshd.host(), "echo ok") == OK


async def test_accept_new_without_a_place_to_record_refuses(sshd, client):
    client.known_hosts.mkdir()
    found = await refused(client, sshd.host(), host_keys="accept-new")
    assert found.reason is Reason.HOST_KEY_UNKNOWN
    assert "cannot be recorded" in found.message


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_the_type_on_record_is_asked_for_though_the_host_has_others(another_sshd, client, kind, hashed):
    second = new_key(client.folder / "second", kind=kind)
    server = another_sshd(extra=f"HostKey {second}")
    client.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public_key(second)}\n")
    if hashed:
        hash_names(client.known_hosts)
    assert await client.run(server.host(), "echo ok") == OK


async def test_a_lost_type_is_a_changed_key(another_sshd, client):
    server = another_sshd(host_key="ecdsa")
    old = new_key(client.folder / "old", kind="rsa")
    client.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public_key(old)}\n")
    assert (await refused(client, server.host())).reason is Reason.HOST_KEY_CHANGED


def hash_names(path):
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)


def certify(server_folder, authority, names: str, *arguments: str):
    """Sign a host key; it has to exist before sshd starts."""
    own = new_key(server_folder / "host_ed25519")
    argv = ["ssh-keygen", "-q", "-s", authority, "-h", "-I", "host", "-n", names, *arguments, f"{own}.pub"]
    subprocess.run(argv, check=True)
    return f"HostCertificate {own}-cert.pub"


async def test_a_host_certificate_of_a_known_authority_is_trusted(another_sshd, client):
    authority = new_key(client.folder / "ca")
    server = another_sshd(extra=certify(client.folder / "sshd0", authority, "127.0.0.1"))
    client.known_hosts.write_text(f"@cert-authority * {public_key(authority)}\n")
    assert await client.run(server.host(), "echo ok") == OK


@pytest.mark.parametrize(
    ("names", "arguments"), [("other.example.net", ()), ("127.0.0.1", ("-V", "-2d:-1d"))]
)
async def test_a_certificate_for_another_name_or_time_is_refused(another_sshd, client, names, arguments):
    authority = new_key(client.folder / "ca")
    server = another_sshd(extra=certify(client.folder / "sshd0", authority, names, *arguments))
    client.known_hosts.write_text(f"@cert-authority * {public_key(authority)}\n")
    found = await refused(client, server.host())
    assert found.reason is Reason.HOST_KEY_UNKNOWN
    assert "certificate" in found.message


async def test_a_certificate_of_a_revoked_authority_is_refused(another_sshd, client):
    authority = new_key(client.folder / "ca")
    server = another_sshd(extra=certify(client.folder / "sshd0", authority, "127.0.0.1"))
    line = public_key(authority)
    client.known_hosts.write_text(f"@cert-authority * {line}\n@revoked * {line}\n")
    assert (await refused(client, server.host())).reason is Reason.HOST_KEY_REVOKED


async def test_an_alias_is_what_the_key_is_recorded_under(sshd, client):
    client.known_hosts.write_text(f"the-alias {public_key(sshd.host_key)}\n")
    assert await client.run(sshd.host(), "echo ok", config="HostKeyAlias the-alias") == OK


async def test_ssh_config_names_the_known_hosts_file(sshd, client):
    (client.folder / "elsewhere").write_text(sshd.host_line)
    config = f"UserKnownHostsFile {client.folder}/elsewhere\nStrictHostKeyChecking no\n"
    assert await client.run(sshd.host(), "echo ok", known_hosts=(), config=config) == OK


async def test_strict_host_key_checking_no_does_not_switch_the_check_off(sshd, client):
    found = await refused(client, sshd.host(), config="StrictHostKeyChecking no\n")
    assert found.reason is Reason.HOST_KEY_UNKNOWN
