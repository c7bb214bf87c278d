"""Key files and agents, made by the real ssh-keygen, ssh-add and ssh-agent."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from lab.keys import new_key

from fleetctl.transport.keys import AgentKeys, KeyFileError, Keys
from fleetctl.transport.protocol import NoCredentials


class Phrase(NoCredentials):
    def __init__(self, phrase: str | None) -> None:
        self.phrase, self.asked = phrase, 0

    def passphrase(self, key_file: Path) -> str | None:
        self.asked += 1
        return self.phrase


def keys(phrase: str | None = None) -> Keys:
    return Keys(Phrase(phrase))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    socket = f"/tmp/fleetctl-agent-{os.getpid()}-{tmp_path.name[-12:]}"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    for _ in range(100):
        if Path(socket).exists():
            break
        subprocess.run(["sleep", "0.05"], check=True)
    yield socket
    process.terminate()
    process.wait()
    Path(socket).unlink(missing_ok=True)


def add(agent: str, *arguments: str | Path) -> None:
    subprocess.run(
        ["ssh-add", "-q", *arguments],
        check=True,
        env={**os.environ, "SSH_AUTH_SOCK": agent},
        stdin=subprocess.DEVNULL,
    )


def lock(path: Path) -> None:
    argv = ["ssh-keygen", "-q", "-p", "-N", "locked", "-f", path]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_plain_key_is_loaded_once(tmp_path, kind):
    path = new_key(tmp_path / "key", kind=kind)
    loader = keys()
    first = loader.load(path)
    path.unlink()
    assert loader.load(path) is first
    assert len(first.pairs) == 1


def test_a_pem_key_is_a_key_too(tmp_path):
    path = tmp_path / "pem"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", path], check=True)
    assert keys().load(path).pairs


def test_a_certificate_beside_the_key_comes_first(tmp_path):
    path, authority = new_key(tmp_path / "key"), new_key(tmp_path / "ca")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "deploy", f"{path}.pub"], check=True
    )
    pairs = keys().load(path).pairs
    assert [pair.has_cert for pair in pairs] == [True, False]


def test_a_certificate_of_another_key_is_passed_over(tmp_path):
    path, other, authority = new_key(tmp_path / "key"), new_key(tmp_path / "other"), new_key(tmp_path / "ca")
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "x", f"{other}.pub"], check=True)
    pairs = keys().load(path, (tmp_path / "other-cert.pub", tmp_path / "none")).pairs
    assert [pair.has_cert for pair in pairs] == [False]


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_an_encrypted_key_opens_with_its_passphrase_asked_for_once(tmp_path, kind):
    path = new_key(tmp_path / "key", passphrase="open sesame", kind=kind)
    loader = keys("open sesame")
    assert loader.load(path).pairs
    assert loader.load(path).pairs
    assert loader.credentials.asked == 1


def _folder(path: Path) -> None:
    path.mkdir()


def _text(path: Path) -> None:
    path.write_text("hello")
    path.chmod(0o600)


def _open_to_all(path: Path) -> None:
    new_key(path).chmod(0o644)


def _cut(path: Path) -> None:
    path.write_bytes(new_key(path).read_bytes()[:120])


@pytest.mark.parametrize(
    ("make", "says", "hint"),
    [
        (lambda _: None, "does not exist", "path"),
        (_folder, "is a folder", "key file"),
        (_text, "is not a private key", "private key"),
        (_open_to_all, r"can be read by other users \(mode 0644\)", "chmod 600"),
        (_cut, "not a private key that can be used", "whole"),
        (lambda path: new_key(path, passphrase="x"), "there is no passphrase", "ssh-add"),
    ],
)
def test_every_way_a_key_file_is_no_use_is_told(tmp_path, make, says, hint):
    make(tmp_path / "key")
    with pytest.raises(KeyFileError, match=says) as caught:
        keys().load(tmp_path / "key")
    assert str(tmp_path / "key") in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_wrong_passphrase_is_told(tmp_path, kind):
    path = new_key(tmp_path / "key", passphrase="right", kind=kind)
    with pytest.raises(KeyFileError, match=r"passphrase for .* is wrong"):
        keys("wrong").load(path)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_an_unreadable_key_is_told(tmp_path):
    path = new_key(tmp_path / "key")
    path.chmod(0)
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys().load(path)


async def test_the_agent_holds_what_was_added_and_is_asked_once(agent, tmp_path):
    path = new_key(tmp_path / "key")
    add(agent, path)
    view = AgentKeys(agent)
    assert len(await view.pairs()) == 1
    add(agent, "-D")
    assert len(await view.pairs()) == 1
    await view.close()


async def test_an_encrypted_key_that_the_agent_has_is_found_there(agent, tmp_path):
    path = new_key(tmp_path / "key")
    add(agent, path)
    lock(path)
    public = keys().encrypted(path)
    view = AgentKeys(agent)
    assert [pair.public_data for pair in await view.holding(public)] == [public]
    assert await view.holding(b"other") == ()
    await view.close()


async def test_a_request_that_is_cancelled_does_not_shift_the_agent_s_answers(agent, tmp_path):
    path = new_key(tmp_path / "key")
    add(agent, path)
    public = asyncssh.read_public_key(f"{path}.pub")
    view = AgentKeys(agent)
    (pair,) = await view.pairs()
    for turns in range(12):  # it is cut off before it is sent, while it is answered, and after
        cut = asyncio.create_task(pair.sign_async(b"one"))
        for _ in range(turns):
            await asyncio.sleep(0)
        cut.cancel()
        await asyncio.wait([cut])
        assert public.verify(b"two", await pair.sign_async(b"two"))
    await view.close()


async def test_a_public_key_file_names_a_key_of_the_agent(agent, tmp_path):
    path = new_key(tmp_path / "key")
    add(agent, path)
    file = keys().load(tmp_path / "key.pub")
    assert not file.pairs
    view = AgentKeys(agent)
    assert len(await view.holding(file.public)) == 1
    await view.close()


@pytest.mark.parametrize("path", ["", "/no/such/socket"])
async def test_no_agent_means_no_keys(path):
    view = AgentKeys(path)
    assert await view.pairs() == ()
    await view.close()
