"""What the doctor says of real hosts: embedded SSH servers, whole and broken on purpose."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from fleetctl.demo.server import EmbeddedHost, Listening, serve, write_key
from fleetctl.doctor.examine import examine_hosts
from fleetctl.doctor.model import Finding, State, exit_code
from fleetctl.engine.budget import Limits
from fleetctl.model import Become, Host
from fleetctl.transport.protocol import TransportOptions

PATH = os.environ["PATH"]
LIMITS = Limits(connect_timeout=5.0, connect_attempts=1)


class Clinic:
    """One embedded host, and what is needed to look at it."""

    def __init__(self, listening: Listening, folder: Path) -> None:
        self.listening = listening
        self.folder = folder
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{listening.port} {listening.host_key}\n")
        (folder / "ssh_config").write_text("IdentityAgent none\nIdentitiesOnly yes\n")

    async def examine(
        self, *, user: str = "demo", become: Callable[[Host], Become | None] = lambda _: None
    ) -> dict[str, Finding]:
        host = Host(
            name="web-1",
            address="127.0.0.1",
            port=self.listening.port,
            user=user,
            identity_file=(str(self.folder / "key"),),
        )
        options = TransportOptions(
            known_hosts=(self.known_hosts,), ssh_config=self.folder / "ssh_config", connect_timeout=5.0
        )
        findings = await examine_hosts([host], options=options, limits=LIMITS, become=become)
        assert len({finding.check for finding in findings}) == len(findings)
        return {finding.check: finding for finding in findings}


@pytest.fixture
def clinic(tmp_path: Path) -> Callable[..., object]:
    @asynccontextmanager
    async def open_clinic(
        *, down: bool = False, path: str = PATH, programs: Mapping[str, str] | None = None
    ) -> AsyncIterator[Clinic]:
        key = write_key(tmp_path / "key")
        tools = tmp_path / "tools"
        tools.mkdir()
        for name, text in (programs or {}).items():
            (tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (tools / name).chmod(0o755)
        host = EmbeddedHost(
            name="web-1", home=tmp_path, down=down, env={"PATH": f"{tools}:{path}" if programs else path}
        )
        async with serve([host], authorized=key) as listening:
            yield Clinic(listening["web-1"], tmp_path)

    return open_clinic


async def test_a_healthy_host_passes_every_check(clinic) -> None:
    async with clinic() as one:
        found = await one.examine()
    assert [*found] == [
        "dns",
        "connect",
        "ssh",
        "host-key",
        "authentication",
        "shell",
        "space",
        "clock",
    ]
    assert exit_code(found.values()) == 0
    assert all(
        finding.state is State.OK and finding.reached for name, finding in found.items() if name != "space"
    )


async def test_a_host_that_is_down_fails_at_connecting_and_nowhere_else(clinic) -> None:
    async with clinic(down=True) as one:
        found = await one.examine()
    assert [*found] == ["dns", "connect"]
    assert found["connect"].state is State.FAIL
    assert "refused" in found["connect"].message
    assert found["connect"].remedy
    assert exit_code(found.values()) == 4


async def test_an_unknown_host_key_names_the_command_that_settles_it(clinic) -> None:
    async with clinic() as one:
        one.known_hosts.write_text("")
        found = await one.examine()
    assert [*found][-1] == "host-key"
    assert "fleetctl hosts trust web-1" in found["host-key"].remedy
    assert exit_code(found.values()) == 4


async def test_a_changed_host_key_is_told_as_such(clinic) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    async with clinic() as one:
        one.known_hosts.write_text(f"[127.0.0.1]:{one.listening.port} {other}\n")
        found = await one.examine()
    assert "fleetctl hosts trust --replace web-1" in found["host-key"].remedy


async def test_a_user_who_may_not_log_in_fails_at_authentication(clinic) -> None:
    async with clinic() as one:
        found = await one.examine(user="stranger")
    assert [*found] == ["dns", "connect", "ssh", "host-key", "authentication"]
    assert found["authentication"].state is State.FAIL
    assert not found["authentication"].reached


async def test_a_host_without_a_shell_is_reached_but_failed(clinic) -> None:
    async with clinic(path="/nowhere") as one:
        found = await one.examine(become=lambda _: Become())
    assert found["shell"].state is State.FAIL
    assert "exit code 127" in found["shell"].message
    assert "become" not in found
    assert exit_code(found.values()) == 3


async def test_a_clock_that_is_wrong_is_told_with_its_distance(clinic) -> None:
    past = int(time.time()) - 3 * 86400
    async with clinic(programs={"date": f"echo {past}"}) as one:
        found = await one.examine()
    assert found["clock"].state is State.WARN
    assert "3 days behind" in found["clock"].message
    assert exit_code(found.values()) == 0


async def test_little_space_for_detached_jobs_is_a_warning(clinic) -> None:
    df = "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo '/dev/sda1 9 9 512 99% /'"
    async with clinic(programs={"df": df}) as one:
        found = await one.examine()
    if "cannot be written" not in found["space"].message:
        assert "100 MB" in found["space"].message
    assert found["space"].state is State.WARN


async def test_becoming_a_user_who_is_not_there_fails_that_check(clinic) -> None:
    async with clinic() as one:
        found = await one.examine(become=lambda _: Become(user="nobody-of-that-name"))
    assert found["become"].state is State.FAIL
    assert found["shell"].state is State.OK
    assert exit_code(found.values()) == 3


async def test_findings_come_in_the_order_of_the_hosts_and_progress_is_told(tmp_path: Path) -> None:
    hosts = [Host(name=f"here-{number}", transport="local") for number in range(5)]
    done: list[int] = []
    findings = await examine_hosts(
        hosts, options=TransportOptions(), limits=LIMITS, become=lambda _: None, progress=done.append
    )
    assert list(dict.fromkeys(finding.subject for finding in findings)) == [host.name for host in hosts]
    assert done == [1, 2, 3, 4, 5]
