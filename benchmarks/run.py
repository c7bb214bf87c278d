"""Measure fleetctl beside its peers: `make bench`, or `make bench BENCH_ARGS=--quick`.

All clients of a scenario are measured in turn, in a new order each time round, so that whatever else the machine does
meets them all alike; the table shows medians. See README.md for what is measured and how.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests/fleet")]

from clients import FLEETCTL, PEERS, Client  # noqa: E402 - after the path is set
from measure import Figures, measure, meter  # noqa: E402
from results import write  # noqa: E402
from scenarios import Scenario, scenarios  # noqa: E402

START_UPS = {
    "fleetctl --help": [str(FLEETCTL), "--help"],
    "ansible --help": [f"{PEERS}/ansible", "--help"],
    "pyinfra --help": [f"{PEERS}/pyinfra", "--help"],
    "clush --help": ["clush", "--help"],
}


def main() -> None:
    """Measure and write the results."""
    options = _options()
    sizes = (10, 50) if options.quick else (10, 100, 500)
    rounds = options.rounds or (1 if options.quick else 3)
    measured: dict[str, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
    titles = {"start-up": "Start-up: what `--help` costs (CPU in ms)"}
    for _ in range(0 if options.only not in "start-up" else 3 if options.quick else 10):
        _start_ups(measured["start-up"])
    with scenarios(sizes=sizes, slow=100 if options.quick else 1000, only=options.only) as found:
        titles |= {one.name: one.title for one in found}
        for number in range(rounds):
            for scenario in found:
                if options.only in scenario.name:
                    _round(scenario, measured[scenario.name], number=number, only=options.client)
    name = "quick" if options.quick else "results"
    write(HERE / "results", measured, about=_about(rounds), titles=titles, name=options.name or name)
    print((HERE / "results" / f"{options.name or name}.md").read_text())


def _round(scenario: Scenario, row: dict[str, list[Figures]], *, number: int, only: str) -> None:
    clients = [
        client for client in scenario.clients if only in client.name and _due(client, scenario, number=number)
    ]
    for client in random.sample(clients, len(clients)):
        if not client.installed:
            print(f"{scenario.name}: {client.name} is not installed: left out")
            continue
        figures, said = measure(
            client,
            scenario.target,
            command=scenario.command,
            fanout=scenario.fanout,
            server_cpu=scenario.server_cpu,
        )
        row[client.name].append(figures)
        print(
            f"{scenario.name}: {client.name}: {figures.wall_seconds:.2f} s, {figures.cpu_ms_per_host:.1f} ms a host, "
            f"{figures.peak_tree_mb:.0f} MB, {figures.right} of {figures.hosts} right",
            flush=True,
        )
        if not figures.right:
            print(said[-500:])


def _due(client: Client, scenario: Scenario, *, number: int) -> bool:
    """Slow peers are measured once where there are many hosts: their figure dwarfs any spread."""
    return number == 0 or not client.once or len(scenario.target.hosts) < 100


def _start_ups(row: dict[str, list[Figures]]) -> None:
    for name, argv in START_UPS.items():
        with tempfile.TemporaryDirectory() as folder:
            if Path(argv[0]).exists() or not argv[0].startswith("/"):
                figures, _ = meter(argv, Path(folder), {})
                row[name].append(Figures(**figures, hosts=1, right=1))  # type: ignore[arg-type]


def _about(rounds: int) -> dict[str, Any]:
    def version(*argv: str) -> str:
        if not shutil.which(argv[0]):
            return "not installed"
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).partition("\n")[0].strip()

    return {
        "when": datetime.now(tz=UTC).isoformat(timespec="minutes"),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "rounds": rounds,
        "fleetctl": version(str(FLEETCTL), "--version"),
        "OpenSSH": version("ssh", "-V"),
        "ansible": version(f"{PEERS}/ansible", "--version"),
        "pyinfra": version(f"{PEERS}/pyinfra", "--version"),
        "clush": version("clush", "--version"),
        "pssh": version("parallel-ssh", "--version"),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few hosts, once: to see whether it works, not how fast it is"
    )
    parser.add_argument(
        "--rounds", type=int, default=0, help="how often each client is measured (3; 1 with --quick)"
    )
    parser.add_argument("--only", default="", help="only scenarios whose name holds this, such as many-500")
    parser.add_argument("--client", default="", help="only clients whose name holds this, such as fleetctl")
    parser.add_argument("--name", default="", help="name of the result files (results; quick with --quick)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
