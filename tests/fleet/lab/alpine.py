"""Plays Alpine on `tiny`: its files, a package list, and a stand-in for apk, which cannot be had on any Debian."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from pathlib import Path
from typing import Final, NamedTuple

from lab.machine import Machine
from lab.tiny import copy_program

__all__ = ["PACKAGES", "URL", "Played", "play_alpine"]

URL: Final = "http://mirror.test/alpine/v3.22/main"
_RELEASE: Final = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.2\nPRETTY_NAME="Alpine Linux v3.22"\n'
_TIME: Final = 1700000000


class Played(NamedTuple):
    """A package: the version that is installed (empty: none), and the one that the mirror has."""

    name: str
    first: str
    second: str
    needs: str = ""


PACKAGES: Final = (
    Played("fl-app", "1.0-r0", "1.1-r0"),
    Played("fl-broken", "1.0-r0", "1.0-r1"),
    Played("fl-held", "1.0-r0", "1.0-r1"),
    Played("fl-lib", "1.0_rc1-r0", "1.0-r0"),
    Played("fl-needs", "1.0-r0", "1.1-r0", "fl-newdep"),
    Played("fl-newdep", "", "1.0-r0"),
    Played("fl-same", "1.0-r0", "1.0-r0"),
    Played("musl", "1.2.5-r10", "1.2.5-r12"),
)


def play_alpine(machine: Machine, *packages: Played) -> None:
    """Make a `tiny` machine look like Alpine, with these packages (`PACKAGES` by default)."""
    root, known = machine.root, packages or PACKAGES
    texts = {
        "etc/os-release": _RELEASE,
        "etc/apk/arch": "x86_64\n",
        "etc/apk/repositories": f"{URL}\n",
        "etc/apk/world": "fl-app\nfl-held=1.0-r0\nfl-lib\nfl-needs\n",
        "lib/apk/db/lock": "",
        "lib/apk/db/installed": "".join(_entry(p, p.first, files=True) for p in known if p.first),
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    stand_in = root / "sbin/apk"
    shutil.copy(Path(__file__).with_name("stand_in_apk.sh"), stand_in)
    stand_in.chmod(0o755)
    (root / "bin/flock").unlink(missing_ok=True)
    copy_program(root, "/usr/bin/flock")
    cached = (
        root
        / f"var/cache/apk/APKINDEX.{hashlib.sha1(URL.encode(), usedforsecurity=False).hexdigest()[:8]}.tar.gz"
    )
    cached.parent.mkdir(parents=True)
    cached.write_bytes(_index("".join(_entry(p, p.second) for p in known)))


def _entry(package: Played, version: str, *, files: bool = False) -> str:
    """A package as a package list and the database of installed packages have it, but for its checksum."""
    lines = [
        f"C:Q1{'A' * 27}=",
        f"P:{package.name}",
        f"V:{version}",
        "A:x86_64",
        "S:1431",
        "I:4096",
        "T:fleetctl test package",
        "U:https://example.invalid",
        "L:MIT",
        f"o:{package.name}",
        f"t:{_TIME}",
        *([f"D:{package.needs}"] if package.needs and version == package.second else []),
        *([f"F:usr/lib/{package.name}", "R:version", f"Z:Q1{'B' * 27}="] if files else []),
    ]
    return "\n".join(lines) + "\n\n"


def _index(text: str) -> bytes:
    """A signed package list: two gzip streams that make one tar archive, the signature first."""
    parts = []
    for name, data in ((".SIGN.RSA.test.rsa.pub", b"signature"), ("APKINDEX", text.encode())):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            end = archive.offset
        parts.append(gzip.compress(raw.getvalue() if name == "APKINDEX" else raw.getvalue()[:end], mtime=0))
    return b"".join(parts)
