"""The command line as its users meet it: the program itself, on this machine as host, and behind a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetctl.cli.main import main

PROGRAM = Path(sys.executable).with_name("fleetctl")
INVENTORY = """\
defaults: {transport: local}
groups:
  web:
    tags: {env: prod}
    vars: {port: 80}
    hosts:
      web-[1-3]:
  db:
    hosts:
      db-1:
  dead:
    hosts:
      dead-1: {transport: ssh, address: 127.0.0.1, port: 1}
"""


@dataclass(frozen=True)
class Done:
    """What a command left: bytes are decoded as far as they are text."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of hosts that are all this machine, but for one that is dead; the current folder is in it."""
    home, folder = tmp_path / "home", tmp_path / "project"
    for path in (home, folder / "inventories"):
        path.mkdir(parents=True)
    (folder / "fleetctl.yaml").write_text("# nothing said\n")
    (folder / "inventories" / "hosts.yaml").write_text(INVENTORY)
    for name in [name for name in os.environ if name.startswith(("FLEETCTL", "SSH_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fleetctl(project: Path, capfdbinary: Any) -> Callable[..., Done]:
    """Run the program in this process: `fleetctl("run", "web", "--", "uptime")`; any exit code is taken."""

    def run(*args: str) -> Done:
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(arg) for arg in args])
        out, err = capfdbinary.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return Done(code, out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape"))

    return run


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the installed program; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*args: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        }
        child = subprocess.Popen([str(PROGRAM), *map(str, args)], **options)
        started.append(child)
        return child

    yield run
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()


@pytest.fixture
def program(start: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., Done]:
    """Run the installed program to its end."""

    def run(*args: str, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        child = start(*args, env={**os.environ, **(env or {})}, **options)
        out, err = child.communicate(timeout=60)
        return Done(child.returncode, (out or b"").decode(), (err or b"").decode())

    return run


@dataclass
class Terminal:
    """The program behind a terminal, and all it has drawn so far."""

    pid: int
    fd: int
    seen: bytes = b""

    def wait_for(self, text: bytes, *, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} was not drawn, but {self.seen[-2000:]!r}"
            assert self._read(0.1), f"ended without {text!r}: {self.seen[-2000:]!r}"

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def end(self, *, seconds: float = 30) -> int:
        """Read to the end and return the exit code."""
        end = time.monotonic() + seconds
        while self._read(0.2):
            assert time.monotonic() < end, f"did not end: {self.seen[-2000:]!r}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def text(self) -> str:
        """What was drawn, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen.decode(errors="replace")).replace("\r\n", "\n")

    def _read(self, seconds: float) -> bool:
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # EIO: nobody holds the other side any more
            return False
        self.seen += data
        return bool(data)


@pytest.fixture
def terminal(project: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the installed program with a terminal as stdin, stdout and stderr."""
    opened: list[Terminal] = []

    def run(*args: str, **env: str) -> Terminal:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        child = subprocess.Popen(
            [str(PROGRAM), *args],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **env},
        )
        os.close(follower)
        child.returncode = 0  # waited for here, not by Popen
        opened.append(Terminal(child.pid, leader))
        return opened[-1]

    yield run
    for one in opened:
        os.close(one.fd)
        try:
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
