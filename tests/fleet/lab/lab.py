"""One lab: a network, a repository and the hosts that a test process has started."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import IO, Final

from lab import bases, cache, cgroups, debian, distros, tiny
from lab.firmware import pull_the_plug
from lab.keys import new_key, public_key
from lab.machine import Machine
from lab.mirror import Mirror
from lab.network import Network
from lab.processes import alive, until

__all__ = ["KINDS", "Lab"]

KINDS: Final[dict[str, ModuleType]] = {
    "deb12": debian,
    "deb13": debian,
    "tiny": tiny,
    **dict.fromkeys(distros.DISTROS, debian),
}
INOTIFY = Path(
    "/proc/sys/fs/inotify/max_user_instances"
)  # each systemd takes a handful; 128 serve about 20 hosts


@dataclass
class Lab:
    """Starts hosts, and takes them down again.

    `Lab.open()` takes a free number under a lock that the kernel gives back when this process ends, however it ends,
    and clears away what an earlier holder of that number left behind.
    """

    network: Network
    folder: Path
    mirror: Mirror
    _lock: IO[str]
    _slots: int = 1
    _power: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    def open(cls) -> Lab:
        """Open a lab of our own."""
        runs = cache.folder() / "run"
        taken = None
        for number in range(256):
            held = cache.try_lock(runs / f"{number}.lock")
            if held is None:
                continue
            _clear(Network(number), runs / str(number))
            if taken is None:
                taken = cls(
                    network=Network(number),
                    folder=runs / str(number),
                    mirror=Mirror(bases.repository()),
                    _lock=held,
                )
            else:
                held.close()
            if not (runs / f"{number + 1}.lock").exists():
                break
        assert taken, "all 256 networks of the test fleet are in use"
        taken._start()
        return taken

    def machine(self, kind: str, name: str = "") -> Machine:
        """Switch on a host of a kind (one of `KINDS`) with an overlay of its own; it may take a while to answer.

        Args:
            kind: what it is built from.
            name: its name, unique in this lab; made from the kind if empty.
        """
        root = bases.base(kind)
        if kind in distros.DISTROS:
            self.mirror.distros = distros.repository()
        with self._guard:
            self._slots += 1
            slot = self._slots
        name = name or f"{kind}-{slot}"
        overlay = self.folder / "hosts" / name
        _mount(root, overlay)
        maker, address = KINDS[kind], self.network.address(slot)
        login = public_key(self.key)
        here = overlay / "merged"
        host_key = maker.prepare(here, name=name, address=address, gateway=self.network.gateway, login=login)
        namespace = self.network.attach(name, slot)
        argv = maker.boot(here, namespace=namespace, name=name)
        machine = Machine(
            name=name,
            address=address,
            port=22,
            user="root",
            key=self.key,
            host_key=host_key,
            known_hosts=self.folder / "known_hosts",
            namespace=namespace,
            cable=self.network.cable(slot),
            overlay=overlay,
            start_ssh=maker.START_SSH,
            stop_ssh=maker.STOP_SSH,
            power=lambda: self._switch_on(name, overlay, argv),
            mirror=self.mirror,
            tags={"kind": kind},
        )
        with machine.known_hosts.open("a") as out:
            out.write(machine.known_hosts_line)
        machine.power()
        return machine

    def remove(self, machine: Machine) -> None:
        """Switch a host off and forget it."""
        self._switch_off(machine.name)
        self.network.detach(machine.name)
        cgroups.remove(machine.namespace)
        _unmount(machine.overlay)
        shutil.rmtree(machine.overlay)

    def close(self) -> None:
        """Take everything down."""
        self._closing.close()
        for name in list(self._power):
            self._switch_off(name)
        _clear(self.network, self.folder)
        self._lock.close()

    @property
    def key(self) -> Path:
        """The private key that logs in everywhere."""
        return self.folder / "id_ed25519"

    def _start(self) -> None:
        self.folder.mkdir(parents=True)
        new_key(self.key)
        if int(INOTIFY.read_text()) < 1024:
            INOTIFY.write_text("1024")
        self.network.up()
        self._closing.enter_context(self.mirror.serving(self.network.gateway))

    def _switch_on(self, name: str, overlay: Path, argv: list[str]) -> None:
        self._switch_off(name)
        program = Path(__file__).with_name("firmware.py")
        with (overlay / "firmware.log").open("ab") as log:
            self._power[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", str(program), str(overlay), *argv],
                stdin=subprocess.PIPE,  # its end of the lifeline: closed by us, or by the kernel when we die
                stdout=log,
                stderr=log,
            )
        state = overlay / "machine"
        until(lambda: state.exists() and bool(state.read_text()), seconds=10, what=f"{name} is switched on")

    def _switch_off(self, name: str) -> None:
        if power := self._power.pop(name, None):
            power.communicate(timeout=20)  # closes the lifeline first


def _mount(root: Path, overlay: Path) -> None:
    for part in ("upper", "work", "merged"):
        (overlay / part).mkdir(parents=True)
        (overlay / part).chmod(0o755)
    layers = f"lowerdir={root},upperdir={overlay}/upper,workdir={overlay}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(overlay / "merged")], check=True)


def _unmount(overlay: Path) -> None:
    for lazy in ([], ["-l"]):
        if not (overlay / "merged").is_mount():
            return
        subprocess.run(["umount", *lazy, str(overlay / "merged")], capture_output=True, check=False)


def _clear(network: Network, folder: Path) -> None:
    """Take away what a lab of this number left behind; whoever calls holds its lock."""
    for state in folder.glob("hosts/*/machine"):
        if alive(who := state.read_text()):
            pull_the_plug(int(who.partition(":")[0]))
    network.clear()
    cgroups.remove(network.namespace("*"))
    for overlay in folder.glob("hosts/*"):
        _unmount(overlay)
    shutil.rmtree(folder, ignore_errors=True)
