"""Logging in: keys named and not, agents, certificates, passphrases, passwords; and how a refusal is told."""

from __future__ import annotations

import asyncio
import getpass
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from lab.keys import new_key, public_key
from lab.processes import end, start, until

from fleetctl.errors import CredentialError
from fleetctl.model import Exit, Host, Reason
from fleetctl.transport.asyncssh import AsyncSsh
from fleetctl.transport.asyncssh_login import Identities
from fleetctl.transport.asyncssh_target import Targets
from fleetctl.transport.fabric import FabricSsh
from fleetctl.transport.protocol import NoCredentials, TransportOptions, Unreachable

OK = (Exit(code=0), b"ok\n", b"")


class Secrets(NoCredentials):
    def __init__(self, *, password: str | None = None, passphrase: str | None = None) -> None:
        self._password, self._passphrase = password, passphrase
        self.asked: list[str] = []

    def password(self, host: Host) -> str | None:
        self.asked.append("password")
        return self._password

    def passphrase(self, key_file: Path) -> str | None:
        self.asked.append(key_file.name)
        return self._passphrase


async def refused(client, host, **given) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await client.run(host, "echo ok", **given)
    return caught.value


@pytest.fixture
def agent(tmp_path, monkeypatch) -> Iterator[str]:
    socket = f"/tmp/fleetctl-login-{os.getpid()}-{abs(hash(tmp_path)) % 10**8}"
    process = start(["ssh-agent", "-D", "-a", socket], tmp_path / "agent.log")
    until(Path(socket).exists, seconds=10, what="the agent listens")
    yield socket
    end(process)
    Path(socket).unlink(missing_ok=True)


def add(agent: str, *paths: Path) -> None:
    subprocess.run(["ssh-add", "-q", *paths], check=True, env={**os.environ, "SSH_AUTH_SOCK": agent})


async def test_a_key_of_the_command_line_comes_before_that_of_the_inventory(sshd, client):
    client.trust(sshd)
    wrong = new_key(client.folder / "wrong")
    host = sshd.host(identity_file=(str(wrong),))
    assert await client.run(host, "echo ok", identity_file=(sshd.key,)) == OK
    assert (await refused(client, host)).reason is Reason.AUTHENTICATION


async def test_a_home_relative_key_and_one_of_ssh_config_are_found(sshd, client):
    client.trust(sshd)
    (Path.home() / "k").write_bytes(sshd.key.read_bytes())
    (Path.home() / "k").chmod(0o600)
    assert await client.run(sshd.host(identity_file=("~/k",)), "echo ok") == OK
    config = f"IdentityFile {client.folder}/missing\nIdentityFile ~/k\n"
    assert await client.run(sshd.host(identity_file=()), "echo ok", config=config) == OK


async def test_default_keys_are_tried_and_an_encrypted_one_is_passed_over_silently(sshd, client):
    client.trust(sshd)
    folder = Path.home() / ".ssh"
    new_key(folder / "id_ed25519", passphrase="locked")
    (folder / "id_rsa").write_bytes(sshd.key.read_bytes())
    (folder / "id_rsa").chmod(0o600)
    secrets = Secrets()
    assert await client.run(sshd.host(identity_file=()), "echo ok", credentials=secrets) == OK
    assert "id_ed25519" not in secrets.asked


async def test_hosts_that_want_one_key_file_at_once_get_it_in_one_turn_of_the_loop(tmp_path):
    path = new_key(tmp_path / "key")
    identities = Identities(NoCredentials())
    target = await Targets(TransportOptions()).resolve(Host(name="web", identity_file=(str(path),)))
    turn, got = 0, list[int]()

    async def want() -> None:
        assert await identities.find(path, target=target)
        got.append(turn)

    waiting = asyncio.gather(*(want() for _ in range(100)))
    while not waiting.done():
        turn += 1
        await asyncio.sleep(0)
    await identities.close()
    assert max(got) - min(got) <= 1


async def test_the_agent_s_keys_are_tried_where_none_is_named(sshd, client, agent, monkeypatch):
    client.trust(sshd)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    add(agent, sshd.key)
    assert await client.run(sshd.host(identity_file=()), "echo ok") == OK


async def test_the_agent_opens_an_encrypted_key_without_asking(another_sshd, client, agent, monkeypatch):
    server = another_sshd()
    client.trust(server)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    add(agent, server.key)
    argv = ["ssh-keygen", "-q", "-p", "-N", "locked", "-f", server.key]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221 - takes no time
    secrets = Secrets(passphrase="wrong")
    assert await client.run(server.host(), "echo ok", credentials=secrets) == OK
    assert secrets.asked == []


async def test_identities_only_leaves_the_agent_aside(sshd, client, agent, monkeypatch):
    client.trust(sshd)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    add(agent, sshd.key)
    wrong = new_key(client.folder / "wrong")
    host = sshd.host(identity_file=(str(wrong),))
    assert await client.run(host, "echo ok") == OK
    assert (await refused(client, host, config="IdentitiesOnly yes")).reason is Reason.AUTHENTICATION


@pytest.mark.parametrize("kind", [AsyncSsh, FabricSsh])
async def test_typing_a_passphrase_slowly_costs_no_host_its_connection(another_sshd, client, tmp_path, kind):
    new_key(tmp_path / "sshd0" / "login.key", passphrase="open sesame")
    server = another_sshd()
    client.trust(server)

    class Typist(Secrets):
        def passphrase(self, key_file: Path) -> str | None:
            time.sleep(2.5)
            return super().passphrase(key_file)

    secrets = Typist(passphrase="open sesame")
    options = client.transport(credentials=secrets, connect_timeout=2.0)._options
    transport, host = kind(options), server.host()
    await asyncio.gather(*(transport.prepare(host) for _ in range(3)))
    asked = len(secrets.asked)
    assert asked
    connection = await transport.connect(host)
    assert len(secrets.asked) == asked
    assert connection.host.user == server.host().user
    await connection.close()
    await transport.close()


async def test_an_encrypted_key_is_opened_with_its_passphrase(another_sshd, client, tmp_path):
    new_key(tmp_path / "sshd0" / "login.key", passphrase="open sesame")
    server = another_sshd()
    client.trust(server)
    secrets = Secrets(passphrase="open sesame")
    transport = client.transport(credentials=secrets)
    for _ in range(2):
        connection = await transport.connect(server.host())
        await connection.close()
    assert secrets.asked == ["login.key"]


@pytest.mark.parametrize("phrase", [None, "wrong"])
async def test_a_named_key_that_cannot_be_opened_is_told_by_who_named_it(
    another_sshd, client, tmp_path, phrase
):
    new_key(tmp_path / "sshd0" / "login.key", passphrase="open sesame")
    server = another_sshd()
    client.trust(server)
    found = await refused(client, server.host(), credentials=Secrets(passphrase=phrase))
    assert found.reason is Reason.CREDENTIALS
    assert "passphrase" in found.message
    with pytest.raises(CredentialError, match="passphrase"):
        await client.run(
            server.host(identity_file=()),
            "echo ok",
            identity_file=(server.key,),
            credentials=Secrets(passphrase=phrase),
        )


async def test_a_user_certificate_logs_in(another_sshd, client, tmp_path):
    authority, key = new_key(tmp_path / "ca"), new_key(tmp_path / "user")
    me = getpass.getuser()
    argv = ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", me, f"{key}.pub"]
    subprocess.run(argv, check=True)  # noqa: ASYNC221 - takes no time
    server = another_sshd(extra=f"TrustedUserCAKeys {authority}.pub")
    client.trust(server)
    assert await client.run(server.host(identity_file=(str(key),)), "echo ok") == OK
    (tmp_path / "elsewhere.pub").write_text((tmp_path / "user-cert.pub").read_text())
    (tmp_path / "user-cert.pub").unlink()
    assert (await refused(client, server.host(identity_file=(str(key),)))).reason is Reason.AUTHENTICATION
    config = f"CertificateFile {tmp_path}/elsewhere.pub"
    assert await client.run(server.host(identity_file=(str(key),)), "echo ok", config=config) == OK


async def test_a_refused_login_says_user_what_was_tried_and_what_is_taken(sshd, client):
    client.trust(sshd)
    wrong = new_key(client.folder / "wrong")
    found = await refused(client, sshd.host(identity_file=(str(wrong),)))
    assert found.reason is Reason.AUTHENTICATION
    assert f"user '{getpass.getuser()}'" in found.message
    assert f"tried key {wrong}" in found.message
    assert "it takes publickey" in found.message
    assert "authorized_keys" in found.hint
    assert not found.retry


async def test_too_many_keys_are_told_as_such(another_sshd, client, agent, monkeypatch):
    server = another_sshd(extra="MaxAuthTries 2")
    client.trust(server)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    add(agent, *(new_key(client.folder / f"k{number}") for number in range(4)))
    found = await refused(client, server.host(identity_file=()))
    assert found.reason is Reason.AUTHENTICATION
    assert "IdentitiesOnly" in found.hint


class Passwords(asyncssh.SSHServer):
    """A server that takes a password, by one of the two ways there are."""

    way = "password"
    tries: list[str]

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return False

    def password_auth_supported(self) -> bool:
        return self.way == "password"

    def kbdint_auth_supported(self) -> bool:
        return self.way != "password"

    def validate_password(self, username: str, password: str) -> bool:
        self.tries.append(password)
        return password == "right"

    def get_kbdint_challenge(self, username, lang, submethods):
        prompts = [("Verification code: ", True)] if self.way == "code" else [("Password: ", False)]
        return "", "", "", prompts

    def validate_kbdint_response(self, username, responses):
        self.tries += responses
        return list(responses) == ["right"]


def answer(process) -> None:
    """Do as the shell of a command that ends at once."""
    process.stderr.write(f"[fleetctl ready {process.command.split()[-1]}]\n")
    process.exit(0)


async def password_server(client, way: str):
    tries: list[str] = []
    kind = type("Server", (Passwords,), {"way": way, "tries": tries})
    key = new_key(client.folder / "server")
    server = await asyncssh.create_server(
        kind, "127.0.0.1", 0, server_host_keys=[str(key)], process_factory=answer
    )
    port = server.get_port()
    client.known_hosts.write_text(f"[127.0.0.1]:{port} {public_key(key)}\n")
    return server, Host(name="web-1", address="127.0.0.1", port=port, user="me"), tries


@pytest.mark.parametrize("way", ["password", "questions"])
async def test_a_password_logs_in(client, way):
    server, host, tries = await password_server(client, way)
    ended, _, _ = await client.run(host, "true", credentials=Secrets(password="right"))
    assert (ended, tries) == (Exit(code=0), ["right"])
    server.close()


@pytest.mark.parametrize("way", ["password", "questions"])
async def test_a_wrong_password_is_sent_once(client, way):
    server, host, tries = await password_server(client, way)
    found = await refused(client, host, credentials=Secrets(password="wrong"))
    assert found.reason is Reason.AUTHENTICATION
    assert "tried password" in found.message
    assert "wrong" not in found.message
    assert tries == ["wrong"]
    server.close()


async def test_a_host_that_takes_passwords_only_says_so_when_there_is_none(client):
    server, host, _ = await password_server(client, "password")
    found = await refused(client, host)
    assert found.reason is Reason.AUTHENTICATION
    assert "--ask-pass" in found.hint
    server.close()


async def test_a_second_factor_is_not_answered_with_the_password(client):
    server, host, tries = await password_server(client, "code")
    assert (
        await refused(client, host, credentials=Secrets(password="right"))
    ).reason is Reason.AUTHENTICATION
    assert tries == []
    server.close()


async def test_a_password_command_that_fails_is_that_host_s_trouble(client):
    class Broken(Secrets):
        def password(self, host: Host) -> str | None:
            raise CredentialError("the password command 'vault' failed", hint="look")

    server, host, _ = await password_server(client, "password")
    found = await refused(client, host, credentials=Broken())
    assert (found.reason, found.message) == (Reason.CREDENTIALS, "the password command 'vault' failed")
    server.close()
