"""Keys, agent, known_hosts and ssh_config of this machine, whole and broken."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from fleetctl.doctor.model import Finding, State
from fleetctl.doctor.ssh import examine_ssh
from fleetctl.model import Host
from fleetctl.transport.protocol import NoCredentials, TransportOptions

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC = KEY.export_public_key().decode().strip()


@dataclass
class Passphrase(NoCredentials):
    """Knows one passphrase for every key."""

    text: str

    def passphrase(self, key_file: Path) -> str:
        return self.text


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def write_key(path: Path, *, passphrase: str | None = None, mode: int = 0o600) -> Path:
    path.write_bytes(KEY.export_private_key(passphrase=passphrase))
    path.chmod(mode)
    return path


async def look(check: str, options: TransportOptions | None = None, *hosts: Host) -> list[Finding]:
    return [one for one in await examine_ssh(options or TransportOptions(), hosts) if one.check == check]


def web(key: Path) -> Host:
    return Host(name="web-1", identity_file=(str(key),))


async def test_a_usable_key_of_the_inventory_is_ok(home: Path) -> None:
    (found,) = await look("key", None, web(write_key(home / "key")))
    assert (found.state, found.subject) == (State.OK, str(home / "key"))


async def test_a_named_key_that_does_not_exist_is_a_fault(home: Path) -> None:
    (found,) = await look("key", None, web(home / "key"))
    assert found.state is State.FAIL
    assert "does not exist" in found.message


async def test_a_key_that_others_can_read_comes_with_the_command_that_mends_it(home: Path) -> None:
    (found,) = await look("key", None, web(write_key(home / "key", mode=0o644)))
    assert found.state is State.FAIL
    assert found.remedy == f"chmod 600 {home / 'key'}"


async def test_an_encrypted_key_needs_its_passphrase(home: Path) -> None:
    host = web(write_key(home / "key", passphrase="correct horse"))
    (without,) = await look("key", None, host)
    (wrong,) = await look("key", TransportOptions(credentials=Passphrase("battery")), host)
    (right,) = await look("key", TransportOptions(credentials=Passphrase("correct horse")), host)
    assert [without.state, wrong.state, right.state] == [State.FAIL, State.FAIL, State.OK]
    assert "no passphrase" in without.message
    assert "wrong" in wrong.message


async def test_a_default_key_that_cannot_be_used_is_only_a_warning(home: Path) -> None:
    write_key(home / ".ssh" / "id_ed25519", mode=0o644)
    (found,) = await look("key")
    assert found.state is State.WARN


async def test_no_key_at_all_says_how_to_make_one() -> None:
    (found,) = await look("key")
    assert found.state is State.WARN
    assert "ssh-keygen" in found.remedy


async def test_hosts_that_are_not_reached_over_ssh_ask_for_no_key_and_no_known_hosts() -> None:
    here = Host(name="here", transport="local")
    assert not await look("key", None, here)
    assert not await look("known-hosts", None, here)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not shutil.which("ssh-agent"):
        pytest.skip("there is no ssh-agent: install openssh-client")
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    yield
    process.terminate()
    process.wait()
    process.stdout.close()


async def test_the_agents_keys_are_counted_and_stand_in_for_passphrases(home: Path, agent: None) -> None:
    (empty,) = await look("agent")
    assert empty.state is State.INFO
    plain = write_key(home / "plain")
    adding = await asyncio.create_subprocess_exec("ssh-add", "-q", str(plain))
    assert await adding.wait() == 0
    host = web(write_key(home / "key", passphrase="nobody knows"))
    assert [one.message for one in await look("agent", None, host)] == ["holds 1 key"]
    assert [one.state for one in await look("key", None, host)] == [State.OK]


async def test_an_agent_that_is_gone_is_a_warning(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "gone"))
    (found,) = await look("agent")
    assert found.state is State.WARN
    assert "ssh-agent" in found.remedy


async def test_damaged_lines_of_known_hosts_are_named(home: Path) -> None:
    path = home / "known_hosts"
    path.write_text(
        f"# a comment\n\nweb-1 {PUBLIC}\nweb-2 ssh-ed25519 AAAA%%%\nweb-3 ssh-rsa {PUBLIC.split()[1]}\nweb-4\n"
        f"@cert-authority *.example.net {PUBLIC}\n|1|broken {PUBLIC}\n"
    )
    found = await look("known-hosts", TransportOptions(known_hosts=(path,)))
    assert [one.subject for one in found if one.state is State.WARN] == [
        f"{path}:{number}" for number in (4, 5, 6, 8)
    ]
    assert found[-1].message == "2 host keys"


async def test_known_hosts_that_others_can_write_is_a_warning(home: Path) -> None:
    path = home / "known_hosts"
    path.write_text(f"web-1 {PUBLIC}\n")
    path.chmod(0o666)
    found = await look("known-hosts", TransportOptions(known_hosts=(path,)))
    assert [one.remedy for one in found if one.state is State.WARN] == [f"chmod go-w {path}"]


async def test_a_missing_known_hosts_file_says_how_to_fill_it(home: Path) -> None:
    (found,) = await look("known-hosts", TransportOptions(known_hosts=(home / "none",)))
    assert found.state is State.WARN
    assert "fleetctl hosts trust" in found.remedy


async def test_a_wrong_ssh_config_is_a_fault_with_its_line(home: Path) -> None:
    path = home / "config"
    path.write_text("Host web\n  Port twenty-two\nHost *\n  Port eighty\n")
    (found,) = await look("ssh-config", TransportOptions(ssh_config=path))
    assert found.state is State.FAIL
    assert f"{path}:4" in found.message
