"""Real SSH servers on loopback, and small broken ones."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab.keys import new_key, public_key
from lab.loopback import free_port
from lab.processes import end, start, until

from fleetctl.model import Command, Exit, Host
from fleetctl.transport.asyncssh import AsyncSsh
from fleetctl.transport.protocol import TransportOptions

ADDRESS = "127.0.0.1"


def sshd_program() -> str:
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("sshd is not installed")
    return program


@dataclass
class Caught:
    """A sink that keeps everything."""

    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def stdout(self, data: bytes) -> None:
        self.out += data

    def stderr(self, data: bytes) -> None:
        self.err += data


@dataclass
class Sshd:
    """A running sshd, and what a client needs to trust it and to log in."""

    folder: Path
    port: int
    pid: int
    key: Path
    host_key: Path
    log: Path

    @property
    def host_line(self) -> str:
        return f"[{ADDRESS}]:{self.port} {public_key(self.host_key)}\n"

    def host(self, **changes: Any) -> Host:
        given = {
            "name": "web-1",
            "address": ADDRESS,
            "port": self.port,
            "user": getpass.getuser(),
            "identity_file": (str(self.key),),
        }
        return Host(**{**given, **changes})


@contextmanager
def running_sshd(
    folder: Path, *, extra: str = "", host_key: str = "ed25519", port: int = 0
) -> Iterator[Sshd]:
    """Run sshd for the user who runs the tests, without that user's shell start-up files."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    key, own = new_key(folder / "login.key"), new_key(folder / f"host_{host_key}", kind=host_key)
    authorized = folder / "authorized_keys"
    if not authorized.exists():
        authorized.write_text(public_key(key) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = port or free_port()
    config, log = folder / "sshd.conf", folder / "sshd.log"
    config.write_text(
        f"{extra}\nListenAddress {ADDRESS}:{port}\nHostKey {own}\nPidFile none\nUsePAM no\nStrictModes no\nUseDNS no\n"
        f"AuthorizedKeysFile {authorized}\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxSessions 100\n"
        f"SetEnv HOME={home} SHLVL=3\n{'' if 'MaxStartups' in extra else 'MaxStartups 100'}\n"
    )
    process = start([sshd_program(), "-D", "-e", "-f", config], log)
    try:
        until(lambda: "Server listening" in log.read_text(), seconds=10, what="sshd listens")
        yield Sshd(folder=folder, port=port, pid=process.pid, key=key, host_key=own, log=log)
    finally:
        end(process)


@pytest.fixture(scope="session")
def sshd_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fctu"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sshd(sshd_folder: Path) -> Iterator[Sshd]:
    with running_sshd(sshd_folder / "shared") as server:
        yield server


@pytest.fixture
def another_sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    with ExitStack() as stack:
        count = iter(range(100))
        yield lambda **given: stack.enter_context(running_sshd(tmp_path / f"sshd{next(count)}", **given))


@dataclass
class Client:
    """A transport with nothing of this machine's user in it."""

    folder: Path
    opened: list[AsyncSsh] = field(default_factory=list)

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def trust(self, *servers: Sshd) -> None:
        with self.known_hosts.open("a") as file:
            file.writelines(server.host_line for server in servers)

    def options(self, *, config: str = "", **changes: Any) -> TransportOptions:
        path = self.folder / "ssh_config"
        path.write_text(config)
        given: dict[str, Any] = {
            "known_hosts": (self.known_hosts,),
            "ssh_config": path,
            "connect_timeout": 10.0,
        }
        return TransportOptions(**{**given, **changes})

    def transport(self, **given: Any) -> AsyncSsh:
        transport = AsyncSsh(self.options(**given))
        self.opened.append(transport)
        return transport

    async def run(
        self, host: Host, script: str, *, stdin: Any = None, **given: Any
    ) -> tuple[Exit, bytes, bytes]:
        sink = Caught()
        connection = await self.transport(**given).connect(host)
        try:
            ended = await connection.exec(Command(script=script, stdin=stdin), sink)
        finally:
            await connection.close()
        return ended, bytes(sink.out), bytes(sink.err)


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    home = tmp_path / "nobodys-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made = Client(tmp_path)
    yield made
    for transport in made.opened:
        await transport.close()


@asynccontextmanager
async def serving(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """Serve TCP on a free port of loopback."""
    writers: list[asyncio.StreamWriter] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await answer(reader, writer)

    server = await asyncio.start_server(note, ADDRESS, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


@pytest.fixture
def serve() -> Callable[..., Any]:
    return serving
