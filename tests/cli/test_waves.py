"""A run in waves as its operator meets it: red gates, pauses, bakes, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

MANY = """\
defaults: {transport: local}
groups:
  eu: {zone: eu, hosts: {"eu-[01-60]": }}
  us: {zone: us, hosts: {"us-[01-40]": }}
"""


@pytest.fixture
def many(project: Path) -> Path:
    """A hundred hosts in two zones, each of which leaves a file in the folder `done` when it is worked on."""
    (project / "inventories" / "hosts.yaml").write_text(MANY)
    (project / "done").mkdir()
    return project


def worked_on(project: Path) -> list[str]:
    """Return the hosts that were worked on, as often as they were."""
    return sorted(path.name for path in (project / "done").iterdir() for _ in path.read_text().splitlines())


TOUCH = "echo >>done/$FLEETCTL_HOST"


def test_a_red_gate_on_the_canary_of_a_hundred_hosts_leaves_ninety_nine_untouched(
    fleetctl: Any, many: Path
) -> None:
    done = fleetctl(
        "run", "all", "--waves", "1,10%,100%", "--gate", "echo no answer >&2; exit 7", "--format", "json",
        "--", TOUCH,
    )  # fmt: skip
    assert done.code == 7
    assert worked_on(many) == ["eu-01"]
    statuses = [(item["Status"], item.get("Reason")) for item in done.json["Invocations"]]
    assert statuses[0] == ("Success", None)
    assert statuses[1:] == [("Pending", "gate")] * 99
    assert (
        "gate RED: hosts: echo no answer >&2; exit 7: failed on 1 of 1 host: eu-01: exit code 7: no answer"
        in done.stderr
    )
    assert "99 Pending, 1 Success" in done.stderr


def test_a_run_that_a_gate_stopped_goes_on_with_the_next_wave_once_somebody_says_so(
    fleetctl: Any, many: Path
) -> None:
    gate = "[ -e ready ]"
    assert fleetctl("run", "all", "--waves", "1,10%,100%", "--gate-local", gate, "--", TOUCH).code == 7
    asked = fleetctl("runs", "resume", "last")
    assert asked.code == 2
    assert "needs-confirmation" in asked.stderr
    assert len(worked_on(many)) == 1
    assert fleetctl("runs", "resume", "last", "--yes").code == 7
    assert len(worked_on(many)) == 10
    (many / "ready").touch()
    done = fleetctl("runs", "resume", "last", "--yes")
    assert done.code == 0
    assert "wave 3/3: 90 hosts" in done.stderr
    names = worked_on(many)
    assert len(names) == len(set(names)) == 100
    assert fleetctl("runs", "verify", "last").code == 0


def test_waves_are_balanced_over_zones(fleetctl: Any, many: Path) -> None:
    args = ("run", "all", "--waves", "10,50%,100%", "--spread-by", "zone")
    shown = fleetctl(*args, "--dry-run", "--", TOUCH).stdout
    assert "wave 1/3: 10 hosts: eu-[01-06],us-[01-04]\n" in shown
    assert worked_on(many) == []
    assert fleetctl(*args, "--gate-local", "false", "--", TOUCH).code == 7
    assert [name[:2] for name in worked_on(many)] == ["eu"] * 6 + ["us"] * 4


def test_without_a_terminal_a_pause_ends_the_run_until_it_is_resumed(fleetctl: Any, many: Path) -> None:
    done = fleetctl("run", "all", "--waves", "1,50%,100%", "--pause", "--format", "json", "--", TOUCH)
    assert len(worked_on(many)) == 1
    assert {item.get("Reason") for item in done.json["Invocations"][1:]} == {"paused"}
    assert fleetctl("runs", "resume", "last").code == done.code
    assert len(worked_on(many)) == 50
    assert fleetctl("runs", "resume", "last").code == 0
    assert len(worked_on(many)) == 100


def test_at_a_terminal_a_pause_asks(terminal: Any, many: Path) -> None:
    screen = terminal("run", "all", "--waves", "1,50%,100%", "--pause", "--yes", "--", TOUCH)
    screen.wait_for(b"wave 1/3 is done. Begin wave 2/3? [y/N]: ")
    assert len(worked_on(many)) == 1
    screen.type(b"y\n")
    screen.wait_for(b"wave 2/3 is done. Begin wave 3/3? [y/N]: ")
    assert len(worked_on(many)) == 50
    screen.type(b"n\n")
    assert screen.end() != 0
    assert len(worked_on(many)) == 50
    assert "go on with: fleetctl runs resume" in screen.text


def test_an_interrupt_at_the_question_ends_the_run(terminal: Any, many: Path) -> None:
    screen = terminal("run", "all", "--waves", "1,100%", "--pause", "--", TOUCH)
    screen.wait_for(b"Begin wave 2/2? [y/N]: ")
    os.kill(screen.pid, signal.SIGINT)
    assert screen.end() == 130
    assert len(worked_on(many)) == 1
    assert "Traceback" not in screen.text
    assert "Fatal Python error" not in screen.text


def test_a_bake_is_counted_down_and_ended_by_an_interrupt(terminal: Any, many: Path) -> None:
    screen = terminal("run", "all", "--waves", "10,100%", "--bake", "1h", "--", TOUCH)
    screen.wait_for(" · baking 59:5".encode())
    os.kill(screen.pid, signal.SIGINT)
    assert screen.end() == 130
    assert "wave 1/2 · 10 hosts" in screen.text
    assert len(worked_on(many)) == 10


def test_into_a_pipe_every_wave_and_gate_is_a_line(start: Any, many: Path) -> None:
    child = start(
        "run", "all", "--waves", "10,100%", "--gate", "true", "--gate-local", "echo $FLEETCTL_OUTCOMES; exit 1",
        "--", TOUCH,
    )  # fmt: skip
    _, err = child.communicate(timeout=60)
    assert child.returncode == 7
    assert [line for line in err.decode().splitlines() if line.startswith("wave 1")][:4] == [
        "wave 1/2: 10 hosts: eu-[01-10]",
        "wave 1/2 ended: 10 Success",
        "wave 1: gate green: hosts: true: ok on 10 hosts",
        "wave 1: gate RED: local: echo $FLEETCTL_OUTCOMES; exit 1: exit code 1: Success=10",
    ]


def test_a_local_gate_ends_with_the_run_that_asks_it(start: Any, many: Path) -> None:
    child = start(
        "run", "all", "--waves", "1,100%", "--gate-local", "echo $$ >gate; exec sleep 600", "--", TOUCH
    )
    watch = threading.Event()
    for _ in range(1000):
        if (many / "gate").exists() and (many / "gate").read_text().strip():
            break
        watch.wait(0.02)
    pid = int((many / "gate").read_text())
    child.send_signal(signal.SIGINT)
    watch.wait(0.3)
    while child.poll() is None:
        child.send_signal(signal.SIGINT)
        watch.wait(0.3)
    assert child.returncode == 130
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
    assert len(worked_on(many)) == 1


def test_a_controller_that_is_killed_between_waves_is_followed_by_one_that_goes_on(
    start: Any, fleetctl: Any, many: Path
) -> None:
    # A gate that passes once `go` is there; the one that the killed controller leaves behind ends then too.
    gate = "echo $$ >>gate; while [ ! -e go ]; do sleep 0.1; done"
    child = start("run", "all", "--waves", "10,50%,100%", "--gate-local", gate, "--", TOUCH)
    pause = threading.Event()
    for _ in range(1000):
        if (many / "gate").exists() and (many / "gate").read_text().strip():
            break
        pause.wait(0.02)
    child.kill()
    child.wait()
    (many / "go").touch()
    assert len(worked_on(many)) == 10
    done = fleetctl("runs", "resume", "last")
    assert done.code == 0
    names = worked_on(many)
    assert len(names) == len(set(names)) == 100
    assert (
        len((many / "gate").read_text().splitlines()) == 4
    )  # asked again after the wave it was cut short in
    assert fleetctl("runs", "verify", "last").code == 0


class Health(BaseHTTPRequestHandler):
    """A page that is well from the third time on."""

    def do_GET(self) -> None:
        self.server.asked += 1
        well = self.server.asked >= 3
        self.send_response(200 if well else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "up"}' if well else b"starting")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def page() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    server.asked = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_service_is_given_time_to_come_up(
    fleetctl: Any, many: Path, page: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://127.0.0.1:{page.server_port}/health"
    args = ("--gate-http", url, "--gate-http-body", "up", "--gate-interval", "0")
    assert fleetctl("run", "all", "--waves", "1,100%", *args, "--", TOUCH).code == 7
    done = fleetctl("run", "all", "--waves", "1,100%", *args, "--gate-retries", "3", "--", TOUCH)
    assert done.code == 0
    records = [
        json.loads(line)
        for line in next(iter(sorted((many / ".fleetctl/runs").iterdir(), reverse=True)))
        .joinpath("events.jsonl")
        .read_text()
        .splitlines()
    ]
    gates = [record for record in records if record["type"] == "gate"]
    assert [(record["green"], record.get("attempts"), record["code"]) for record in gates] == [
        (True, 2, 200),
        (True, None, 200),
    ]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--waves", "1,10%"], "hint: write --waves 1,10%,100%"),
        (["--gate", "true"], "--gate says nothing without --waves"),
        (["--waves", "1,100%", "--spread-by", "zoen"], "did you mean 'zone'?"),
        (["--waves", "1,100%", "--bake", "soon"], "is no duration"),
    ],
)
def test_what_cannot_be_meant_touches_no_host(fleetctl: Any, many: Path, flags: list[str], says: str) -> None:
    done = fleetctl("run", "all", *flags, "--", TOUCH)
    assert done.code == 2
    assert says in done.stderr
    assert worked_on(many) == []
