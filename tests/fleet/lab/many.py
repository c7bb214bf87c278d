"""`many`: hundreds of hosts behind one real sshd, which answers on every address of 127.0.0.0/8.

As root it runs in a mount namespace of its own, where `/etc/passwd` knows one more user, `fleet`, with an empty home
and `/bin/sh`: whatever the machine's root has in its shell start-up files stays out of the figures, and a command that
goes astray has no rights. Without root it serves the current user.
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lab import cgroups
from lab.host import LabHost
from lab.keys import new_key, public_key
from lab.loopback import addresses, free_port
from lab.processes import cpu_seconds, end, start, until

__all__ = ["ManyHosts"]

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
UID = 64077


@dataclass
class ManyHosts:
    """A real sshd on loopback.

    Args:
        folder: where keys, configuration and log live.
        network: second byte of the addresses: 127.`network`.x.y.
        settings: more lines for sshd_config, such as `MaxStartups 1:100:2`; the first of a name counts.
    """

    folder: Path
    network: int = 1
    settings: tuple[str, ...] = ()
    port: int = field(init=False, default=0)
    _group: str = field(init=False, default="")
    _sshd: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def user(self) -> str:
        """Who logs in."""
        return "fleet" if os.geteuid() == 0 else getpass.getuser()

    @property
    def key(self) -> Path:
        """The private key that logs in."""
        return self.folder / "id_ed25519"

    @property
    def home(self) -> Path:
        """The user's home folder on every host."""
        return self.folder / "home"

    def start(self) -> None:
        """Start sshd and wait until it answers."""
        assert SSHD, "there is no sshd: install openssh-server"
        self._prepare()
        self.port = free_port()
        config = self.folder / "sshd_config"
        config.write_text("\n".join([*self.settings, *self._config(), ""]))
        argv = [SSHD, "-D", "-e", "-f", str(config)]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            bind = 'mount --rbind /etc "$0/real" && mount --bind "$0/etc" /etc && exec "$@"'
            argv = ["unshare", "--mount", "--", "sh", "-c", bind, str(self.folder), *argv]
            if cgroups.available():
                self._group = f"fleetctl-many-{os.getpid()}-{self.port}"
                argv = cgroups.inside(self._group, argv)
        self._sshd = start(argv, self.folder / "sshd.log")
        until(self._listens, seconds=10, what=f"sshd answers (see {self.folder}/sshd.log)")

    def stop(self) -> None:
        """End sshd."""
        if self._sshd:
            end(self._sshd)
        if self._group:
            cgroups.remove(self._group)

    def hosts(self, count: int) -> list[LabHost]:
        """The first `count` hosts, `many-001` and so on; each with an address of its own."""
        host_key = public_key(self.folder / "host_ed25519")
        known_hosts = self.folder / "known_hosts"
        made = [
            LabHost(
                name=f"many-{number:03}",
                address=address,
                port=self.port,
                user=self.user,
                key=self.key,
                host_key=host_key,
                known_hosts=known_hosts,
            )
            for number, address in enumerate(addresses(self.network, count), 1)
        ]
        with known_hosts.open("w") as out:
            out.writelines(host.known_hosts_line for host in made)
        return made

    def cpu(self) -> float:
        """CPU seconds that sshd and all sessions have used so far, the commands they ran included.

        Without a control group of its own (no root) a fifth is missing: what sshd's grandchildren did not wait for.
        """
        if not self._sshd:
            return 0.0
        exact = cgroups.cpu_seconds(self._sshd.pid) if self._group else None
        return cpu_seconds(self._sshd.pid) if exact is None else exact

    def _prepare(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        new_key(self.key)
        new_key(self.folder / "host_ed25519")
        (self.folder / "authorized_keys").write_text(public_key(self.key) + "\n")
        if os.geteuid() == 0:
            self.folder.chmod(0o755)
            os.chown(self.home, UID, UID)
            _etc(self.folder, f"fleet:x:{UID}:{UID}:fleet:{self.home}:/bin/sh\n")

    def _config(self) -> list[str]:
        lines = [
            f"Port {self.port}",
            "ListenAddress 0.0.0.0",
            f"AllowUsers {self.user}@127.0.0.0/8",
            f"HostKey {self.folder}/host_ed25519",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "PidFile none",
            "PrintMotd no",
            "PrintLastLog no",
            "UseDNS no",
            "MaxStartups 1000",
            "LogLevel ERROR",
            "Subsystem sftp internal-sftp",
        ]
        if _version() >= (9, 8):
            lines.append("PerSourcePenalties no")  # every client comes from one address
        if os.geteuid() != 0 and pwd.getpwuid(os.geteuid()).pw_dir != str(self.home):
            lines.append(f"SetEnv HOME={self.home}")
        return lines

    def _listens(self) -> bool:
        assert self._sshd
        if self._sshd.poll() is not None:
            message = f"sshd ended: {(self.folder / 'sshd.log').read_text()}"
            raise RuntimeError(message)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _etc(folder: Path, user: str) -> None:
    """Make `folder/etc`, to be mounted over /etc: the same, but for one more user.

    A mount over /etc/passwd alone would be undone by whoever adds a user to the machine, for that renames the file.
    """
    (folder / "real").mkdir()
    made = folder / "etc"
    made.mkdir()
    for entry in Path("/etc").iterdir():
        target = entry.readlink() if entry.is_symlink() else folder / "real" / entry.name
        (made / entry.name).symlink_to(target)
    (made / "passwd").unlink()
    (made / "passwd").write_text(Path("/etc/passwd").read_text().rstrip("\n") + "\n" + user)


def _version() -> tuple[int, int]:
    text = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
