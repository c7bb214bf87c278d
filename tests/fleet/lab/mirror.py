"""The mirror of a lab: serves every package repository to its hosts, and lies to those that a test names."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from lab.chroots import PORT

__all__ = ["FAULTS", "Mirror"]

#: What a mirror may do to a host. `bad-signature`: its index is not what was signed. `files-gone`: the index is right, but
#: the packages are not there. `moved-on`: newer versions of fl-app and fl-lib took the place of the ones in the tables.
FAULTS: Final = frozenset({"bad-signature", "files-gone", "moved-on"})
#: The signed files, and bytes that change them without making them unreadable.
SIGNED: Final = {
    "InRelease": (b"\nOrigin: ", b"\nX-Added: by somebody else\nOrigin: "),
    "repomd.xml": (b"</repomd>", b"<!-- by somebody else -->\n</repomd>"),
    "fleet.db": (b"", b"by somebody else"),
}
PACKAGES: Final = (".deb", ".rpm", ".pkg.tar.gz")


@dataclass
class Mirror:
    """Serves http://ADDRESS:18077/ from a thread.

    Args:
        apt: folder of the apt repository: what is at `/`.
    """

    apt: Path
    distros: Path | None = None  # of rpm and pacman: what is at `/rpm/` and `/pac/`; once it is built
    _faults: dict[str, str] = field(default_factory=dict)
    _misled: set[str] = field(default_factory=set)

    def tell(self, address: str, fault: str) -> None:
        """Lie to one host from now on; an empty fault is the truth again.

        Raises:
            ValueError: there is no such fault.
        """
        if fault and fault not in FAULTS:
            message = f"{fault}: choose from {', '.join(sorted(FAULTS))}"
            raise ValueError(message)
        self._faults[address] = fault
        self._misled.add(address)

    @contextmanager
    def serving(self, address: str) -> Iterator[None]:
        """Serve until the block ends."""
        mirror = self

        class Answer(_Answer):
            """Answers for this mirror."""

            def __init__(self, *args: object, **options: object) -> None:
                self.mirror = mirror
                super().__init__(*args, **options)  # type: ignore[arg-type]

        with http.server.ThreadingHTTPServer((address, PORT), Answer) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield
            server.shutdown()

    def fault(self, address: str) -> str:
        """What is told to a host instead of the truth; empty is the truth."""
        return self._faults.get(address, "")

    def was_misled(self, address: str) -> bool:
        """Whether a host may have kept what it was told in bad times, under the same date."""
        return address in self._misled

    def file(self, path: str, *, fault: str) -> Path:
        """Where the file behind a path is."""
        parts = [part for part in path.partition("?")[0].split("/") if part not in {"", ".", ".."}]
        root = self.distros if self.distros and parts[:1] in (["rpm"], ["pac"]) else self.apt
        if fault == "moved-on":
            parts = ["later", *parts]
        return root.joinpath(*parts)


class _Answer(http.server.SimpleHTTPRequestHandler):
    mirror: Mirror

    def translate_path(self, path: str) -> str:
        """Find the file, by what its host is to believe."""
        return str(self.mirror.file(unquote(path), fault=self._fault))

    def do_GET(self) -> None:
        """Answer as the host's fault wants it."""
        name = self.path.rpartition("/")[2]
        if self.mirror.was_misled(self.client_address[0]):
            del self.headers["If-Modified-Since"]
        if self._fault == "files-gone" and name.endswith(PACKAGES):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif self._fault == "bad-signature" and name in SIGNED:
            self._tampered(name)
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing: the test's own output is what matters."""

    @property
    def _fault(self) -> str:
        return self.mirror.fault(self.client_address[0])

    def _tampered(self, name: str) -> None:
        path = Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        old, new = SIGNED[name]
        content = path.read_bytes()
        changed = content.replace(old, new, 1) if old else content + new
        assert changed != content, path
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(changed)))
        self.end_headers()
        self.wfile.write(changed)
