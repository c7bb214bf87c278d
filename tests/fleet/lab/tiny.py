"""`tiny`: the poorest host there is. busybox and dropbear; no bash, Python, systemd, sftp, sudo or package manager."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["START_SSH", "STOP_SSH", "boot", "build", "copy_program", "prepare"]

PASSWD = "root:x:0:0:root:/root:/bin/sh\ndeploy:x:1000:1000:deploy:/home/deploy:/bin/sh\n"
GROUP = "root:x:0:\ndeploy:x:1000:\n"
INIT = """\
#!/bin/sh
# Process 1: mounts what a shell expects, starts dropbear, reaps what is left behind.
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp -o mode=1777
mount -t tmpfs tmpfs /dev -o mode=755
for d in 'null 1 3' 'zero 1 5' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do set -- $d; mknod -m 666 /dev/$1 c $2 $3; done
mkdir /dev/pts && mount -t devpts devpts /dev/pts -o newinstance,ptmxmode=666 && ln -s pts/ptmx /dev/ptmx
hostname -F /etc/hostname
cat /proc/sys/kernel/random/uuid > /dev/boot_id  # the kernel is shared; a boot of our own is not
mount -o bind /dev/boot_id /proc/sys/kernel/random/boot_id
/sbin/start-ssh
while :; do wait; sleep 1; done
"""
SSH = "#!/bin/sh\nexec /usr/sbin/dropbear -E -R -p 22 -r /etc/dropbear/host_key < /dev/null > /run/ssh.log 2>&1\n"
START_SSH = ("/sbin/start-ssh",)
STOP_SSH = ("true",)  # nothing looks after dropbear: killing it is enough
#: Programs that busybox could be but a host this poor does not have.
ABSENT = ("bash", "sudo", "dpkg", "dpkg-deb", "rpm", "rpm2cpio", "ssl_client")


def build(root: Path) -> None:
    """Make the root file system."""
    for folder in (
        "bin",
        "sbin",
        "usr/sbin",
        "usr/bin",
        "etc/dropbear",
        "proc",
        "dev",
        "tmp",
        "var/tmp",
        "run",
        "root",
    ):
        (root / folder).mkdir(parents=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    (root / "home/deploy").mkdir(parents=True)
    os.chown(root / "home/deploy", 1000, 1000)
    (root / "root").chmod(0o700)
    _busybox(root)
    copy_program(root, "/usr/sbin/dropbear")
    for name, text in {"passwd": PASSWD, "group": GROUP, "shells": "/bin/sh\n"}.items():
        (root / "etc" / name).write_text(text)
    for path, text in {"sbin/init": INIT, "sbin/start-ssh": SSH}.items():
        (root / path).unlink(missing_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)


def prepare(root: Path, *, name: str, address: str, gateway: str, login: str) -> str:
    """Make a root file system somebody: its name, its keys. Returns its host key."""
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n")
    for home, owner in (("root", 0), ("home/deploy", 1000)):
        keys = root / home / ".ssh/authorized_keys"
        keys.parent.mkdir(mode=0o700)
        keys.write_text(login + "\n")
        keys.chmod(0o600)
        for path in (keys.parent, keys):
            os.chown(path, owner, owner)
    argv = ["dropbearkey", "-t", "ed25519", "-f", str(root / "etc/dropbear/host_key")]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^ssh-ed25519 \S+", told, re.MULTILINE)
    assert found, told
    return found[0]


def boot(root: Path, *, namespace: str, name: str) -> list[str]:
    """The argv that boots it."""
    spaces = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    return ["ip", "netns", "exec", namespace, "unshare", *spaces, f"--root={root}", "--wd=/", "/sbin/init"]


def _busybox(root: Path) -> None:
    shutil.copy(_which("busybox"), root / "bin/busybox")
    applets = subprocess.run(
        [root / "bin/busybox", "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    for applet in applets:
        if applet not in {*ABSENT, "busybox"}:
            (root / "bin" / applet).symlink_to("busybox")


def copy_program(root: Path, path: str) -> None:
    """Copy a program with its shared libraries."""
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    for file in (path, *re.findall(r"(/\S+) \(0x", told)):
        (root / file.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / file.lstrip("/"))


def _which(name: str) -> str:
    found = shutil.which(name)
    assert found, f"there is no {name}"
    return found
