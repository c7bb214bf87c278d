"""The installed program, as its users call it: with a home and a state folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PATIENCE", "Done", "Program", "ended", "program_in"]

PROGRAM = Path(sys.executable).with_name("fleetctl")
# Seconds after which a controller hangs.
PATIENCE = 240.0


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        assert self.stdout, f"exit code {self.code}, and nothing on stdout: {self.stderr}"
        return json.loads(self.stdout)


@dataclass(kw_only=True)
class Program:
    """Starts it.

    Attributes:
        folder: its home; `state` in it is its state folder.
        env: its environment: ours, without what would lead it elsewhere.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def runs(self) -> Path:
        """Where its runs are."""
        return self.folder / "state" / "runs"

    def ids(self) -> set[str]:
        """The runs there are."""
        return {path.name for path in self.runs.iterdir()} if self.runs.exists() else set()

    def report(self, run_id: str) -> dict[str, Any]:
        """The report of a run."""
        told: dict[str, Any] = json.loads((self.runs / run_id / "report.json").read_bytes())
        return told

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start it, in its home."""
        started = subprocess.Popen(
            [str(PROGRAM), "--state", str(self.folder / "state"), *args],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(started)
        return started

    def run(self, *args: str) -> Done:
        """Run it to its end; any exit code is taken."""
        return ended(self.start(*args))

    def close(self) -> None:
        """End what still runs."""
        for started in self._started:
            if started.poll() is None:
                started.kill()
                started.communicate()


def ended(started: subprocess.Popen[str], *, seconds: float = PATIENCE) -> Done:
    """Wait for its end.

    Raises:
        TimeoutExpired: it has not ended by then.
    """
    out, err = started.communicate(timeout=seconds)
    return Done(code=started.returncode, stdout=out, stderr=err)


@contextmanager
def program_in(folder: Path) -> Iterator[Program]:
    """Have the program in a folder, and nothing of it running afterwards."""
    leads = ("FLEETCTL", "SSH_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(leads)}
    env |= {"HOME": str(folder), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    program = Program(folder=folder, env=env)
    try:
        yield program
    finally:
        program.close()
