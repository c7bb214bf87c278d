"""Mirrors that fail or lie, and package managers that are busy."""

import threading
from collections.abc import Callable

import pytest
from lab.locks import TOOLS
from lab.machine import Machine

KINDS = tuple(TOOLS)
APT_GET = "LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get"
REFRESH = {
    "deb12": f"{APT_GET} update --error-on=any",
    "deb13": f"{APT_GET} update --error-on=any",
    "rocky": "dnf -y --refresh makecache",
    "fedora": "dnf -y --refresh makecache",
    "suse": "zypper -n refresh --force",
    "arch": "pacman --noconfirm -Syy",
}
INSTALL = {
    "deb12": f"{APT_GET} -y install fl-app",
    "deb13": f"{APT_GET} -y install fl-app",
    "rocky": "dnf -y upgrade fl-app",
    "fedora": "dnf -y upgrade fl-app",
    "suse": "zypper -n update fl-app",
    "arch": "pacman --noconfirm -S fl-app",
}
REFUSED = {"apt": "Could not connect", "dnf": "onnect", "suse": "onnect", "arch": "onnect"}
BAD = {
    "apt": "signature verification",
    "dnf": "GPG",
    "suse": "ignature verification failed",
    "arch": "PGP signature",
}
BUSY = {
    "apt": (f"{APT_GET} install -y fl-lib", "Could not get lock"),
    "rocky": ("timeout 5 dnf -y upgrade fl-lib", "Waiting for process with pid"),
    "fedora": ("timeout 5 dnf -y upgrade fl-lib", ""),
    "suse": ("ZYPP_LOCK_TIMEOUT=0 zypper -n update fl-lib", "System management is locked by the application"),
    "arch": ("pacman --noconfirm -S fl-lib", "unable to lock database"),
}


def family(kind: str) -> str:
    return {"deb12": "apt", "deb13": "apt", "rocky": "dnf", "fedora": "dnf"}.get(kind, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_mirror_fails_lies_and_is_right_again(kind: str, new_machine: Callable[..., Machine]) -> None:
    machine = new_machine(kind)
    machine.mirror_down()
    down = machine.run(REFRESH[kind])
    assert down.returncode != 0
    assert REFUSED[family(kind)] in down.stdout + down.stderr
    machine.mirror_up()
    machine.mirror_fault("bad-signature")
    forged = machine.run(REFRESH[kind])
    assert forged.returncode != 0
    assert BAD[family(kind)] in forged.stdout + forged.stderr
    machine.mirror_up()
    assert machine.run(REFRESH[kind]).returncode == 0
    machine.mirror_fault("files-gone")
    gone = machine.run(INSTALL[kind])
    assert gone.returncode != 0
    assert "404" in gone.stdout + gone.stderr or "not found" in gone.stdout + gone.stderr
    machine.mirror_fault("moved-on")
    assert machine.run(REFRESH[kind]).returncode == 0
    machine.output(INSTALL[kind])
    shown = "pacman -Q fl-app" if kind == "arch" else "rpm -q fl-app"
    assert "1.2-1" in machine.output("dpkg-query -W fl-app" if family(kind) == "apt" else shown)


@pytest.mark.parametrize("kind", KINDS)
def test_busy_package_manager_holds_its_lock_until_it_is_let_go(
    kind: str, new_machine: Callable[..., Machine]
) -> None:
    machine = new_machine(kind)
    pid = machine.hold_lock(300)
    assert machine.output(f"cat /proc/{pid}/comm")[:3].lower() in {"apt", "dnf", "zyp", "pac"}
    command, says = BUSY[family(kind) if family(kind) == "apt" else kind]
    refused = machine.run(command)
    assert refused.returncode != 0
    assert says in refused.stdout + refused.stderr
    machine.release_lock()
    assert machine.run(command).returncode == 0


def test_lock_holder_ends_by_itself(new_machine: Callable[..., Machine]) -> None:
    machine = new_machine("suse")
    pid = machine.hold_lock(1)
    done = threading.Event()
    waits = threading.Thread(
        target=lambda: (machine.run(f"while [ -e /proc/{pid} ]; do sleep 1; done"), done.set())
    )
    waits.start()
    waits.join(60)
    assert done.is_set()
    assert machine.run("rpm -q fl-slow").returncode == 0
