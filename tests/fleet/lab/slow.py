"""`slow`: a thousand hosts that each take their time and cost next to nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lab.host import LabHost
from lab.keys import new_key, public_key
from lab.loopback import addresses, free_port
from lab.processes import cpu_seconds, end, start, until

__all__ = ["SlowHosts"]


@dataclass
class SlowHosts:
    """One asyncssh process that is a thousand hosts: whatever they run takes `delay` seconds and prints `out-of-ADDRESS`.

    Args:
        folder: where keys and log live.
        delay: seconds.
        network: second byte of the addresses: 127.`network`.x.y.
    """

    folder: Path
    delay: float = 1.0
    network: int = 2
    port: int = field(init=False, default=0)
    _server: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key, host_key = new_key(self.folder / "id_ed25519"), new_key(self.folder / "host_ed25519")
        self.port = free_port()
        program = Path(__file__).with_name("slow_server.py")
        argv = [sys.executable, str(program), str(self.port), str(self.delay), str(host_key), f"{key}.pub"]
        self._server = start(argv, self.folder / "slow.log")
        until(self._listens, seconds=20, what=f"the slow server answers (see {self.folder}/slow.log)")

    def stop(self) -> None:
        """End the server."""
        if self._server:
            end(self._server)

    def hosts(self, count: int) -> list[LabHost]:
        """The first `count` hosts, `slow-0001` and so on."""
        host_key = public_key(self.folder / "host_ed25519")
        known_hosts = self.folder / "known_hosts"
        made = [
            LabHost(
                name=f"slow-{number:04}",
                address=address,
                port=self.port,
                user="fleet",
                key=self.folder / "id_ed25519",
                host_key=host_key,
                known_hosts=known_hosts,
            )
            for number, address in enumerate(addresses(self.network, count), 1)
        ]
        with known_hosts.open("w") as out:
            out.writelines(host.known_hosts_line for host in made)
        return made

    def cpu(self) -> float:
        """CPU seconds that the server has used so far."""
        return cpu_seconds(self._server.pid) if self._server else 0.0

    def _listens(self) -> bool:
        assert self._server
        if self._server.poll() is not None:
            message = f"the slow server ended: {(self.folder / 'slow.log').read_text()}"
            raise RuntimeError(message)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
