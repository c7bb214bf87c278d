"""Ten thousand hosts in one run: it comes to its end, in bounded memory, and what it left can be looked at.

The hosts are simulated by a transport that is plugged in as a stranger's package would be: a folder on PYTHONPATH with an entry point.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("fleetctl")
HOSTS = 10_000
# Simulated: each answers after a moment; one in a thousand fails, one in a thousand cannot be reached.
TRANSPORT = """
import asyncio
from fleetctl.model import Exit, Reason
from fleetctl.transport.protocol import Unreachable

class Simulated:
    def __init__(self, options):
        pass
    async def prepare(self, host):
        pass
    async def connect(self, host, *, on_answer=None):
        await asyncio.sleep(0.01)
        if int(host.name[4:]) % 1000 == 1:
            raise Unreachable(Reason.REFUSED, f"{host.name} refused")
        return Open(host)
    async def close(self):
        pass

class Open:
    def __init__(self, host):
        self.host, self.unended = host, []
    async def exec(self, command, sink):
        await asyncio.sleep(0.01)
        number = int(self.host.name[4:])
        sink.stdout(b"a line\\n" * (1 + number % 40) + f"release {number % 7}\\n".encode())
        return Exit(code=1 if number % 1000 == 2 else 0)
    async def close(self):
        pass
"""
# Runs a program and prints what it cost. A process of its own, and a small one: memory is that of the program alone.
METER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cost = [done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.stdout.decode(), done.stderr.decode()]
print(json.dumps(cost))
"""


@dataclass(frozen=True)
class Cost:
    code: int
    cpu_seconds: float
    peak_mb: float
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Cost]:
    """Run the installed program in a project of ten thousand simulated hosts, and measure what it costs."""
    folder = tmp_path_factory.mktemp("scale")
    plugged = folder / "plugged" / "simulated-1.0.dist-info"
    plugged.mkdir(parents=True)
    (plugged.parent / "simulated_hosts.py").write_text(textwrap.dedent(TRANSPORT))
    (plugged / "METADATA").write_text("Metadata-Version: 2.1\nName: simulated\nVersion: 1.0\n")
    (plugged / "entry_points.txt").write_text(
        "[fleetctl.transports]\nsimulated = simulated_hosts:Simulated\n"
    )
    (folder / "hosts.yaml").write_text(
        f'defaults: {{transport: simulated}}\ngroups: {{sim: {{hosts: {{"sim-[00000-{HOSTS - 1:05}]": }}}}}}\n'
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FLEETCTL", "XDG_"))}
    env |= {"PYTHONPATH": str(plugged.parent), "HOME": str(folder)}

    def run(*args: str) -> Cost:
        argv = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            METER,
            str(PROGRAM),
            "--state",
            str(folder / "state"),
            *args,
        ]
        done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, check=True)
        return Cost(*json.loads(done.stdout))

    return run


@pytest.fixture(scope="module")
def finished(metered: Callable[..., Cost]) -> Cost:
    return metered("-i", "hosts.yaml", "run", "all", "--", "release")


@pytest.mark.slow
def test_ten_thousand_hosts_come_to_their_end_in_bounded_memory(finished: Cost) -> None:
    assert finished.code == 3, finished.stderr[-2000:]
    assert "9980 Success, 10 Failed, 10 Undeliverable" in finished.stderr
    assert finished.peak_mb < 400, finished


@pytest.mark.slow
@pytest.mark.parametrize(
    "args",
    [("show", "last"), ("show", "last", "--format", "json"), ("list",)],
    ids=" ".join,
)
def test_what_they_left_can_be_looked_at_at_once(
    args: tuple[str, ...], finished: Cost, metered: Callable[..., Cost]
) -> None:
    shown = metered("runs", *args)
    assert shown.code == 0, shown.stderr
    if args[-1] == "json":
        told: dict[str, Any] = json.loads(shown.stdout)
        assert len(told["Invocations"]) == HOSTS
    # CPU, not time on the clock; measured: 0.3 s.
    assert shown.cpu_seconds < 1, shown.cpu_seconds
    assert shown.peak_mb < 400, shown.peak_mb


@pytest.mark.slow
def test_their_ledger_verifies(finished: Cost, metered: Callable[..., Cost]) -> None:
    assert finished.code == 3
    verified = metered("runs", "verify", "last")
    assert verified.code == 0, verified.stdout
    assert verified.peak_mb < 400, verified.peak_mb
