"""Faults of the lab do what they say, and can be undone."""

import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.lab import Lab
from lab.loopback import black_hole, closed_port
from lab.machine import Machine
from lab.processes import until


def knock(address: str, port: int = 22, *, seconds: float = 1.0) -> str:
    """What becomes of a TCP connection: `open`, or the name of the error."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except OSError as problem:
        return type(problem).__name__
    return "open"


def test_dropped_packets_are_silence_and_heal(fresh_tiny: Machine) -> None:
    fresh_tiny.drop()
    assert knock(fresh_tiny.address) == "TimeoutError"
    fresh_tiny.heal()
    assert knock(fresh_tiny.address) == "open"


def test_rejected_connections_are_refused_and_heal(fresh_tiny: Machine) -> None:
    fresh_tiny.reject()
    assert knock(fresh_tiny.address) == "ConnectionRefusedError"
    fresh_tiny.heal()
    assert knock(fresh_tiny.address) == "open"


def test_pulled_cable_is_silence_until_it_is_back(fresh_tiny: Machine) -> None:
    fresh_tiny.link_down()
    assert knock(fresh_tiny.address) == "TimeoutError"
    fresh_tiny.link_up()
    fresh_tiny.wait(seconds=10)


@pytest.mark.parametrize("kind", ["deb12", "deb13", "tiny"])
def test_killed_sshd_takes_its_sessions_along_and_stays_away(
    kind: str, new_machine: Callable[..., Machine]
) -> None:
    machine = new_machine(kind)
    ended: list[int] = []
    session = threading.Thread(
        target=lambda: ended.append(machine.run("echo in > /tmp/in; sleep 60").returncode)
    )
    session.start()
    until(
        lambda: machine.inside("test", "-s", "/tmp/in", check=False).returncode == 0,
        seconds=10,
        what="it is in",
    )
    machine.kill_sshd()
    session.join(10)
    assert ended == [255]
    assert knock(machine.address) == "ConnectionRefusedError"
    machine.restart_sshd()
    assert machine.output("echo back") == "back"


@pytest.mark.parametrize("kind", ["deb12", "tiny"])
def test_full_disk_takes_no_byte_more(kind: str, new_machine: Callable[..., Machine]) -> None:
    machine = new_machine(kind)
    machine.fill_disk("/var/tmp")
    done = machine.run("echo more > /var/tmp/more && cat /var/tmp/more")
    assert done.returncode != 0
    assert "No space left" in done.stderr
    machine.free_disk("/var/tmp")
    assert machine.output("echo more > /var/tmp/more; cat /var/tmp/more") == "more"


def test_reboot_is_a_new_boot_with_a_new_clock(fresh_debian: Machine) -> None:
    fresh_debian.output("touch /run/gone /var/tmp/kept")
    before = fresh_debian.boot_id()
    fresh_debian.reboot()
    assert fresh_debian.boot_id() != before
    assert fresh_debian.output("ls /run/gone /var/tmp/kept 2>/dev/null || true") == "/var/tmp/kept"
    assert float(fresh_debian.output("cut -d' ' -f1 /proc/uptime")) < 60


def test_reboot_asked_for_over_ssh_works_too(fresh_deb12: Machine) -> None:
    before = fresh_deb12.boot_id()
    fresh_deb12.run("systemctl reboot", user="root")
    until(
        lambda: fresh_deb12.run("cat /proc/sys/kernel/random/boot_id").stdout.strip() not in {"", before},
        seconds=60,
        what="it is back",
    )


def test_machine_that_never_comes_back_stays_off_until_switched_on(fresh_deb12: Machine) -> None:
    fresh_deb12.no_reboot()
    fresh_deb12.inside("systemctl", "reboot")
    until(lambda: not fresh_deb12.is_on, seconds=30, what="it is off")
    assert not fresh_deb12.answers(timeout=1)
    fresh_deb12.power_on()
    assert fresh_deb12.output("hostname") == fresh_deb12.name


def test_slow_boot_stays_dark(fresh_deb12: Machine) -> None:
    fresh_deb12.slow_boot(600)
    fresh_deb12.inside("systemctl", "reboot")
    until(lambda: not fresh_deb12.is_on, seconds=30, what="it is off")
    assert not fresh_deb12.answers(timeout=1)


def test_power_cut_leaves_nothing_running(fresh_tiny: Machine) -> None:
    fresh_tiny.power_cut()
    assert not fresh_tiny.is_on
    assert not fresh_tiny.answers(timeout=1)


def test_changes_stay_in_the_overlay_of_one_machine(new_machine: Callable[..., Machine]) -> None:
    one, other = new_machine("tiny"), new_machine("tiny")
    one.output("echo mine > /root/mine")
    assert (one.overlay / "upper/root/mine").read_text() == "mine\n"
    assert other.run("cat /root/mine").returncode != 0


def test_killed_test_run_leaves_nothing_that_the_next_lab_does_not_clear(lab: Lab, tmp_path: Path) -> None:
    program = """
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from lab.lab import Lab
        lab = Lab.open()
        machine = lab.machine("tiny", "orphan")
        machine.wait()
        print(lab.network.number, machine.overlay, flush=True)
        time.sleep(600)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program), str(Path(__file__).parent)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        number, overlay = other.stdout.readline().split()
        state = Path(overlay, "machine")
        assert state.read_text()
        other.send_signal(signal.SIGKILL)
    until(lambda: state.read_text() == "", seconds=10, what="its firmware switches it off")
    assert int(number) != lab.network.number
    Lab.open().close()
    assert not Path(overlay).exists()
    assert f"/{overlay}/" not in Path("/proc/self/mounts").read_text()
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert f"fl{number}-orphan" not in spaces


def test_black_hole_and_closed_port_on_loopback() -> None:
    with black_hole() as port:
        assert knock("127.0.0.1", port, seconds=0.5) == "TimeoutError"
    with closed_port() as port:
        assert knock("127.0.0.1", port, seconds=0.5) == "ConnectionRefusedError"
