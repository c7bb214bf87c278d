"""Real SSH servers on 127.0.0.1: OpenSSH, dropbear, and dropbear in a host that is nothing but busybox."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.keys import new_key, public_key
from lab.loopback import free_port
from lab.processes import end, start

__all__ = ["BUSYBOX_PASSWORD", "Server", "busybox", "dropbear", "openssh"]

BUSYBOX_PASSWORD = "open sesame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    kind: str
    port: int
    pid: int
    host_key: str
    log: Path
    root: Path = Path("/")

    @property
    def known_hosts_line(self) -> str:
        """The line that trusts it."""
        return f"[127.0.0.1]:{self.port} {self.host_key}\n"


@contextmanager
def openssh(folder: Path, *, name: str = "openssh", extra: str = "") -> Iterator[Server]:
    """Run sshd."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program
    key, port = new_key(folder / f"{name}.key"), free_port()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    config = folder / f"{name}.conf"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nListenAddress 127.0.0.2:{port}\nHostKey {key}\nPidFile none\nUsePAM no\nStrictModes no\nUseDNS no\n"
        f"AuthorizedKeysFile .ssh/authorized_keys\nMaxStartups 100\nMaxSessions 100\nLogLevel VERBOSE\n"
        f"PasswordAuthentication yes\nPrintMotd no\nPrintLastLog no\n{extra}\n"
    )
    with _running([program, "-D", "-e", "-f", config], folder / f"{name}.log", port) as pid:
        yield Server(kind=name, port=port, pid=pid, host_key=public_key(key), log=folder / f"{name}.log")


@contextmanager
def dropbear(folder: Path) -> Iterator[Server]:
    """Run dropbear."""
    key, port, log = _dropbear_key(folder / "dropbear.key"), free_port(), folder / "dropbear.log"
    argv = ["dropbear", "-F", "-E", "-r", folder / "dropbear.key", "-p", f"127.0.0.1:{port}", "-P", ""]
    with _running(argv, log, port) as pid:
        yield Server(kind="dropbear", port=port, pid=pid, host_key=key, log=log)


@contextmanager
def busybox(folder: Path, authorized_key: str) -> Iterator[Server]:
    """Run dropbear in a root folder with one static busybox: no bash, sudo, doas, sftp or sha256sum of coreutils."""
    root, port, log = folder / "busybox", free_port(), folder / "busybox.log"
    program = _tree(root, authorized_key)
    key = _dropbear_key(root / "etc/key")
    # Mounts live in a namespace of their own and are gone with the process.
    script = (
        f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && "
        f"exec chroot {root} {program} -F -E -r /etc/key -p 127.0.0.1:{port} -P ''"
    )
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", script]
    with _running(argv, log, port) as pid:
        yield Server(kind="busybox", port=port, pid=pid, host_key=key, log=log, root=root)


def _tree(root: Path, authorized_key: str) -> str:
    for name in (
        "bin",
        "etc",
        "proc",
        "dev",
        "root/.ssh",
        "home/tester/.ssh",
        "tmp",
        "usr",
        "var/log",
        "var/run",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
    os.chown(root / "bin/busybox", 0, 0)
    (root / "bin/busybox").chmod(0o4755)
    subprocess.run(["chroot", root, "/bin/busybox", "--install", "-s", "/bin"], check=True)
    (root / "usr/bin").symlink_to("../bin")
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", BUSYBOX_PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\ntester:x:2001:2001::/home/tester:/bin/sh\napp:x:2002:2002::/tmp:/bin/false\n"
    )
    (root / "etc/group").write_text("root:x:0:\ntester:x:2001:\napp:x:2002:\n")
    (root / "etc/shadow").write_text(
        "".join(f"{name}:{hashed}:19000::::::\n" for name in ("root", "tester", "app"))
    )
    (root / "etc/shadow").chmod(0o600)
    for home, uid in (("root", 0), ("home/tester", 2001)):
        (root / home / ".ssh/authorized_keys").write_text(f"{authorized_key}\n")
        for path in (root / home, root / home / ".ssh", root / home / ".ssh/authorized_keys"):
            os.chown(path, uid, uid)
            path.chmod(0o700)
    return _with_libraries(str(shutil.which("dropbear")), root)


def _with_libraries(program: str, root: Path) -> str:
    """Copy a program with the libraries that it is linked to."""
    linked = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    libraries = [word for line in linked.splitlines() for word in line.split() if word.startswith("/")]
    for path in (program, *libraries):
        target = root / "opt" / Path(path).name if path == program else root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    nss = Path("/lib/x86_64-linux-gnu/libnss_files.so.2")
    if nss.exists():
        shutil.copy(nss, root / nss.relative_to("/"))
    return f"/opt/{Path(program).name}"


def _dropbear_key(path: Path) -> str:
    made = subprocess.run(
        ["dropbearkey", "-t", "ed25519", "-f", path], check=True, capture_output=True, text=True
    ).stdout
    return " ".join(next(line for line in made.splitlines() if line.startswith("ssh-")).split()[:2])


@contextmanager
def _running(argv: list[str | Path], log: Path, port: int) -> Iterator[int]:
    process = start(argv, log)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                break
            time.sleep(0.05)
        if process.poll() is not None:
            raise RuntimeError(f"{argv[0]} did not start: {log.read_text()}")
        yield process.pid
    finally:
        end(process)
