"""Every registered transport against every kind of host it can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab.keys import new_key, public_key
from reach.people import People, people
from reach.servers import BUSYBOX_PASSWORD, Server, busybox, dropbear, openssh

from fleetctl.model import Command, Exit, Host
from fleetctl.spec import plugins
from fleetctl.transport.protocol import Connection, TransportOptions

GROUP = "fleetctl.transports"
KINDS = ("openssh", "dropbear", "busybox")
SSH = tuple(name for name in plugins.names(GROUP) if name != "local")
PLACES = (("local", "this machine"), *((name, kind) for name in SSH for kind in KINDS))


@dataclass
class Caught:
    """A sink that keeps everything."""

    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def stdout(self, data: bytes) -> None:
        self.out += data

    def stderr(self, data: bytes) -> None:
        self.err += data


@dataclass(frozen=True)
class Secrets:
    """Credentials that know one password of each kind."""

    login: str | None = None
    become: str | None = None

    def password(self, host: Host) -> str | None:
        return self.login

    def become_password(self, host: Host) -> str | None:
        return self.become

    def passphrase(self, key_file: Path) -> str | None:
        return None

    def secrets(self) -> frozenset[str]:
        return frozenset(filter(None, (self.login, self.become)))


@dataclass
class Scene:
    """The servers and accounts of a test session, started when first asked for."""

    folder: Path
    key: Path
    stack: ExitStack
    started: dict[str, Server] = field(default_factory=dict)
    who: People | None = None

    def people(self) -> People:
        if os.getuid() != 0:
            pytest.skip("making accounts needs root")
        for program in ("useradd", "chpasswd", "sudo", "doas", "su"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        if self.who is None:
            self.who = self.stack.enter_context(people(self.folder / "home", public_key(self.key)))
        return self.who

    def server(self, kind: str) -> Server:
        if kind not in self.started:
            self.started[kind] = self.stack.enter_context(self._start(kind))
        return self.started[kind]

    def _start(self, kind: str) -> Any:
        need = {"openssh": ["sshd"], "dropbear": ["dropbear"], "busybox": ["dropbear", "busybox", "openssl"]}
        for program in need.get(kind, ["sshd"]):
            if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
                pytest.skip(f"{program} is not installed")
        if os.getuid() != 0:
            pytest.skip("logging in as a throw-away account needs root")
        if kind == "dropbear":
            return dropbear(self.folder)
        if kind == "busybox":
            return busybox(self.folder, public_key(self.key))
        return openssh(self.folder, name=kind)


@dataclass
class Place:
    """One transport and one host to reach with it."""

    transport: str
    kind: str
    scene: Scene
    tmp: Path

    @property
    def server(self) -> Server:
        return self.scene.server(self.kind)

    @property
    def user(self) -> str:
        """The login user that nobody asks for a password."""
        return "root" if self.kind in {"busybox", "this machine"} else self.scene.people().free

    def host(self, **changes: Any) -> Host:
        if self.transport == "local":
            return Host(name="here", transport="local", **changes)
        given: dict[str, Any] = {
            "name": "there", "address": "127.0.0.1", "port": self.server.port, "user": self.user,
            "transport": self.transport, "identity_file": (str(self.scene.key),),
        }  # fmt: skip
        return Host(**{**given, **changes})

    def options(self, **changes: Any) -> TransportOptions:
        if self.transport == "local":
            return TransportOptions(**changes)
        assert self.server.port
        known, config = self.tmp / "known_hosts", self.tmp / "ssh_config"
        if not known.exists():
            known.write_text("".join(server.known_hosts_line for server in self.scene.started.values()))
            config.write_text("")
        given: dict[str, Any] = {"known_hosts": (known,), "ssh_config": config}
        return TransportOptions(**{**given, **changes})

    @asynccontextmanager
    async def connected(
        self, *, host: Host | None = None, options: TransportOptions | None = None
    ) -> AsyncIterator[Connection]:
        host = host or self.host()
        transport = plugins.load(GROUP, self.transport)(options or self.options())
        try:
            connection = await transport.connect(host)
            try:
                yield connection
            finally:
                await connection.close()
        finally:
            await transport.close()

    async def run(self, command: Command, **where: Any) -> tuple[Exit, bytes, bytes]:
        sink = Caught()
        async with self.connected(**where) as connection:
            ended = await connection.exec(command, sink)
        return ended, bytes(sink.out), bytes(sink.err)


@pytest.fixture(scope="session")
def scene() -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="fct"))
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            yield Scene(folder=folder, key=new_key(folder / "login.key"), stack=stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest, scene: Scene, tmp_path: Path) -> Place:
    transport, kind = request.param
    return Place(transport=transport, kind=kind, scene=scene, tmp=tmp_path)


@pytest.fixture(params=SSH)
def ssh(request: pytest.FixtureRequest, scene: Scene, tmp_path: Path) -> Place:
    """Every transport that speaks SSH, with OpenSSH at the other end."""
    return Place(transport=request.param, kind="openssh", scene=scene, tmp=tmp_path)


@pytest.fixture
def secrets() -> type[Secrets]:
    return Secrets


@pytest.fixture
def caught() -> type[Caught]:
    return Caught


@pytest.fixture(params=(PLACES[0], *((name, "busybox") for name in SSH)), ids="-".join)
def either(request: pytest.FixtureRequest, scene: Scene, tmp_path: Path) -> Place:
    """GNU tools and busybox's, for what only differs in these."""
    transport, kind = request.param
    return Place(transport=transport, kind=kind, scene=scene, tmp=tmp_path)


@pytest.fixture
def busybox_password() -> str:
    return BUSYBOX_PASSWORD
