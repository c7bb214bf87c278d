"""The firmware of one host: switches it on, again after each reboot, and off for good when its lab is gone.

Run as `python -I -S firmware.py FOLDER ARGV...` with a pipe on stdin that the lab holds open: when the lab dies, even by
SIGKILL, the pipe closes. `systemd-nspawn --keep-unit` exits 133 when the guest asks for a reboot. In FOLDER:

- `machine`: who runs now, as `pid:start`; empty while it is off,
- `boots.log`: one line for each time that it went off: the exit code,
- `no-reboot`: if it exists, the host never comes back from a reboot,
- `reboot-delay`: seconds that a reboot stays dark.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

REBOOT = 133
TIME_NAMESPACE = ("unshare", "--time", "--boottime=-{up}", "--monotonic=-{up}")


def main(folder: Path, argv: list[str]) -> None:
    """Run the host until it is switched off or the lab is gone."""
    os.setsid()
    while True:
        # A clock of its own: uptime begins at 0 at each boot, which needs-restarting and `uptime -s` look at.
        up = Path("/proc/uptime").read_text().partition(".")[0]
        clock = [part.format(up=up) for part in TIME_NAMESPACE]
        with (folder / "console.log").open("ab") as console:
            machine = subprocess.Popen(
                [*clock, *argv], stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        (folder / "machine").write_text(_identity(machine.pid))
        code = _watch(machine)
        (folder / "machine").write_text("")
        with (folder / "boots.log").open("a") as log:
            log.write(f"{code}\n")
        if code != REBOOT or (folder / "no-reboot").exists():
            break
        delay = folder / "reboot-delay"
        if select.select([0], [], [], float(delay.read_text()) if delay.exists() else 0)[0]:
            break


def _watch(machine: subprocess.Popen[bytes]) -> int:
    """Wait for the machine's end, or end it when the lab is gone."""
    ended = os.pidfd_open(machine.pid)
    ready, _, _ = select.select([ended, 0], [], [])
    if ended not in ready:
        pull_the_plug(machine.pid)
    os.close(ended)
    return machine.wait()


def pull_the_plug(pid: int) -> None:
    """End a machine as a power cut would: its init first, and the kernel ends everything else in it."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    init = [int(word) for word in tasks.read_text().split()] if tasks.exists() else []
    for victim in (*init, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


def _identity(pid: int) -> str:
    return f"{pid}:{Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
