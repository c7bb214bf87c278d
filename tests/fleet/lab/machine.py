"""A host with a root file system, a network and processes of its own, and everything that can go wrong with one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import locks
from lab.chroots import PORT
from lab.host import LabHost
from lab.mirror import Mirror
from lab.network import ip, nft
from lab.processes import alive, children, until

__all__ = ["BOOT_SECONDS", "Machine"]

BOOT_SECONDS = 60.0  # a boot takes 2-4 s on an idle machine; this is for a busy one
NO_FAULTS = "add table inet faults\ndelete table inet faults\n"
CHAIN = "add chain inet faults {hook} {{ type filter hook {hook} priority 0; policy {policy}; }}\n"
NO_MIRROR_FAULTS = "add table inet mirror\ndelete table inet mirror\n"
SSH_DAEMONS = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear"})


@dataclass(frozen=True, kw_only=True)
class Machine(LabHost):
    """A machine that is switched on.

    Attributes:
        namespace: its network namespace, as `ip netns` names it.
        cable: the controller's end of its network cable.
        overlay: its folder: `upper/` holds what it changed, `merged/` is its `/`, `console.log` what it said.
        start_ssh: argv that starts its SSH daemon from inside.
        stop_ssh: argv that stops it from inside; processes that are left are killed.
        power: switches it on; for `power_on`.
        mirror: where its packages come from.
    """

    namespace: str
    cable: str
    overlay: Path
    start_ssh: tuple[str, ...]
    stop_ssh: tuple[str, ...]
    power: Callable[[], None] = field(repr=False, compare=False)
    mirror: Mirror = field(repr=False, compare=False)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Its root file system, as the controller sees it: read it, or prepare it, without asking the host."""
        return self.overlay / "merged"

    def entry(self) -> dict[str, Any]:
        """Its keys in a fleetctl inventory."""
        return {**super().entry(), **({"tags": dict(self.tags)} if self.tags else {})}

    # Power

    @property
    def is_on(self) -> bool:
        """Whether it is running at all."""
        state = self.overlay / "machine"
        return state.exists() and alive(state.read_text())

    def wait(self, *, seconds: float = BOOT_SECONDS) -> None:
        """Wait until it answers over SSH."""
        until(self.answers, seconds=seconds, what=f"{self.name} answers (see {self.overlay}/console.log)")

    def boot_id(self) -> str:
        """The kernel's name for this boot; only a new one proves a reboot."""
        return self.output("cat /proc/sys/kernel/random/boot_id")

    def reboot(self) -> None:
        """Reboot it and wait until the new boot answers."""
        before = self.boot_id()
        self.inside("systemctl", "reboot")
        changed = "cat /proc/sys/kernel/random/boot_id"

        def new_boot() -> bool:
            done = self.run(changed)
            return done.returncode == 0 and done.stdout.strip() not in {"", before}

        until(new_boot, seconds=BOOT_SECONDS, what=f"{self.name} is back from its reboot")

    def power_cut(self) -> None:
        """Switch it off without a word; it stays off until `power_on`."""
        (init,) = self._init()
        os.kill(init, signal.SIGKILL)
        until(lambda: not self.is_on, seconds=10, what=f"{self.name} is off")

    def power_on(self) -> None:
        """Switch it on again and wait until it answers."""
        self.power()
        self.wait()

    def no_reboot(self) -> None:
        """Make its next reboot its last: it goes down and never comes back."""
        (self.overlay / "no-reboot").touch()

    def slow_boot(self, seconds: float) -> None:
        """Make its reboots stay dark for some seconds."""
        (self.overlay / "reboot-delay").write_text(str(seconds))

    # Network

    def drop(self) -> None:
        """Swallow every packet from and to it, as a dead machine or a silent firewall does."""
        self._filter(*(CHAIN.format(hook=hook, policy="drop") for hook in ("input", "output")))

    def reject(self) -> None:
        """Refuse every TCP connection to it; those that are open are reset."""
        rule = "add rule inet faults input meta l4proto tcp reject with tcp reset\n"
        self._filter(CHAIN.format(hook="input", policy="accept"), rule)

    def heal(self) -> None:
        """Undo `drop`, `reject` and `link_down`."""
        nft(self.namespace, NO_FAULTS)
        self.link_up()

    def link_down(self) -> None:
        """Pull its network cable."""
        ip("link", "set", self.cable, "down")

    def link_up(self) -> None:
        """Plug its network cable in again."""
        ip("link", "set", self.cable, "up")

    def _filter(self, *rules: str) -> None:
        nft(self.namespace, NO_FAULTS + "add table inet faults\n" + "".join(rules))

    # Packages

    def mirror_down(self) -> None:
        """Make the mirror refuse its connections; everything else of the network stays."""
        reject = f"add rule inet mirror output tcp dport {PORT} reject with tcp reset\n"
        hook = "add chain inet mirror output { type filter hook output priority 0; policy accept; }\n"
        nft(self.namespace, f"{NO_MIRROR_FAULTS}add table inet mirror\n{hook}{reject}")

    def mirror_fault(self, fault: str) -> None:
        """Make the mirror tell it something wrong: one of `lab.mirror.FAULTS`."""
        self.mirror.tell(self.address, fault)

    def mirror_up(self) -> None:
        """Undo `mirror_down` and `mirror_fault`."""
        nft(self.namespace, NO_MIRROR_FAULTS)
        self.mirror.tell(self.address, "")

    def hold_lock(self, seconds: float) -> int:
        """Keep its package manager busy, in the middle of an installation, for some seconds; fl-slow stays installed.

        Returns:
            The process that holds the lock, as the host counts.
        """
        tool = locks.TOOLS[self.tags["kind"]]
        self.inside("sh", "-c", locks.START, "sh", f"{seconds:.0f}", *tool)
        busy = ("test", "-e", "/run/fl-slow.on")
        until(
            lambda: self.inside(*busy, check=False).returncode == 0,
            seconds=30,
            what=f"the package manager of {self.name} is busy",
        )
        return int(self.inside("systemctl", "show", "--value", "-p", "MainPID", locks.UNIT).stdout)

    def release_lock(self) -> None:
        """End what `hold_lock` began, at once and in good order."""
        self.inside("sh", "-c", locks.RELEASE)
        until(
            lambda: self.inside("systemctl", "is-active", locks.UNIT, check=False).stdout != "active\n",
            seconds=30,
            what=f"the package manager of {self.name} has ended",
        )

    # Inside

    def inside(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program on it as root, not over SSH but from below: works whatever its network does."""
        (init,) = self._init()
        enter = (
            "nsenter",
            "-t",
            str(init),
            "-m",
            "-u",
            "-i",
            "-n",
            "-p",
            f"--root=/proc/{init}/root",
            "--wd=/",
        )
        done = subprocess.run([*enter, *argv], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{self.name}: {argv}: {done.stdout}{done.stderr}"
        return done

    def kill_sshd(self) -> None:
        """Kill its SSH daemon and every session; it does not come back until `restart_sshd`."""
        self.inside(*self.stop_ssh)

        def none_left() -> bool:
            left = self._processes(SSH_DAEMONS)  # one may have forked while it was looked for
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        until(none_left, seconds=60, what=f"no sshd is left on {self.name}")

    def restart_sshd(self) -> None:
        """Start its SSH daemon again and wait until it answers."""
        self.inside(*self.start_ssh)
        self.wait(seconds=15)

    def fill_disk(self, folder: str = "/var/tmp") -> None:
        """Put a small file system on a folder and fill it to the last byte."""
        self.inside("mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", folder)
        self.inside("sh", "-c", f"cat /dev/zero > {folder}/full", check=False)

    def free_disk(self, folder: str = "/var/tmp") -> None:
        """Undo `fill_disk`."""
        self.inside("umount", folder)

    def _init(self) -> list[int]:
        """Its first process, as the controller counts; empty while it is off."""
        state = (self.overlay / "machine").read_text()
        return children(int(state.partition(":")[0])) if alive(state) else []

    def _processes(self, names: frozenset[str]) -> list[int]:
        (init,) = self._init()
        space = Path(f"/proc/{init}/ns/pid").readlink()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "comm").read_text().strip() in names and (folder / "ns/pid").readlink() == space:
                    found.append(int(folder.name))
            except OSError:
                continue  # it ended while we looked
        return found
