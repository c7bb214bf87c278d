"""One measurement of one client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from clients import Client, Order
from fleets import Target

__all__ = ["Figures", "measure", "meter"]

METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one measurement gave.

    Attributes:
        wall_seconds: from start to end of the client.
        cpu_seconds: user and system time of the client and all it started, start-up included.
        peak_tree_mb: the largest sum of resident memory over its processes; shared pages count in each.
        peak_process_mb: the largest resident memory of one process.
        most_processes: the most at one time.
        hosts: how many it was asked to reach.
        right: how many of them gave the right answer.
        server_cpu_seconds: what the SSH servers used meanwhile, the commands included.
        exit_code: the client's.
        last_success_seconds: fleetctl only: when the last host that succeeded was done, from the start of the run.
        reasons: fleetctl only: why hosts could not be reached, and how many.
        report_mb: `patch scan` only: size of the compliance report.
        connections, execs: `driven.py` only: how often hosts were connected to, and how many programs were started there.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_tree_mb: float
    peak_process_mb: float
    most_processes: int
    exit_code: int
    hosts: int = 0
    right: int = 0
    server_cpu_seconds: float = 0.0
    last_success_seconds: float = 0.0
    report_mb: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    execs: int = 0

    @property
    def cpu_ms_per_host(self) -> float:
        """Client CPU for one host, in milliseconds."""
        return 1000 * self.cpu_seconds / self.hosts if self.hosts else 0.0

    @property
    def over_floor(self) -> float:
        """Wall time over the time that the servers alone need on all cores; 1.0 cannot be beaten."""
        floor = self.server_cpu_seconds / (os.cpu_count() or 1)
        return self.wall_seconds / floor if floor else 0.0


def meter(argv: list[str], folder: Path, env: dict[str, str]) -> tuple[dict[str, float], str]:
    """Run a program under the meter: its figures, and its stdout and stderr together."""
    paths = [folder / name for name in ("figures.json", "stdout", "stderr")]
    full = {**os.environ, "NO_COLOR": "1", "HOME": str(folder), **env}
    subprocess.run(
        [sys.executable, "-I", "-S", str(METER), *map(str, paths), *argv], env=full, cwd=folder, check=True
    )
    figures: dict[str, float] = json.loads(paths[0].read_text())
    return figures, paths[1].read_text(errors="replace") + paths[2].read_text(errors="replace")


def measure(
    client: Client, target: Target, *, command: str, fanout: int, server_cpu: Callable[[], float]
) -> tuple[Figures, str]:
    """Let a client run a command on all hosts of a target, and look at what it cost and what it printed."""
    with tempfile.TemporaryDirectory(prefix="fleetctl-bench-") as name:
        scratch = Path(name)
        order = Order(target=target, command=command, fanout=fanout, scratch=scratch)
        env = {key: value.format(scratch=scratch) for key, value in client.env.items()}
        before = server_cpu()
        figures, _ = meter(client.argv(order), scratch, env)
        spent = server_cpu() - before
        out, err = ((scratch / part).read_text(errors="replace") for part in ("stdout", "stderr"))
        told = _report(scratch) | _driven(scratch)
    right = target.right(_answers(client, out, err))
    counted: dict[str, Any] = {**figures, **told, "hosts": len(target.hosts), "right": right}
    made = Figures(**counted, server_cpu_seconds=spent)
    return made, (out + err)[-2000:]


def _answers(client: Client, out: str, err: str) -> dict[str, str]:
    try:
        return dict(client.answers(out)) or dict(client.answers(err))
    except ValueError:  # not the JSON that was promised: no answer counts
        return {}


def _report(state: Path) -> dict[str, Any]:
    """What fleetctl's own report tells, if this was fleetctl."""
    for path in state.glob("runs/*/report.json"):
        report = json.loads(path.read_text())
        began = datetime.fromisoformat(report["RequestedDateTime"])
        ends = [it["ExecutionEndDateTime"] for it in report["Invocations"] if it["Status"] == "Success"]
        last = max(map(datetime.fromisoformat, ends), default=began)
        kept = [verdict.stat().st_size for verdict in state.glob("reports/compliance/*.json")]
        return {
            "last_success_seconds": (last - began).total_seconds(),
            "reasons": report["Reasons"],
            "report_mb": sum(kept) / 2**20,
        }
    return {}


def _driven(state: Path) -> dict[str, int]:
    """What `driven.py` counted, if it was that."""
    path = state / "driven.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}
