"""Host keys that are trusted: OpenSSH's known_hosts files, read once a run and indexed (sshd(8), SSH_KNOWN_HOSTS).

Nothing here needs an SSH library: keys stay the base64 they are in the file, so that ten thousand lines cost some
milliseconds and every transport can ask the same question, `KnownHosts.judge`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import IO

from fleetctl.transport.file_state import FileState

__all__ = [
    "Entry",
    "HostName",
    "Known",
    "KnownHosts",
    "Standing",
    "Verdict",
    "default_files",
    "fingerprint",
    "parse_entries",
    "read_entries",
]

_SSH_PORT = 22
_MARKERS = {"@cert-authority": "cert-authority", "@revoked": "revoked"}


def default_files() -> tuple[Path, ...]:
    """Return where OpenSSH looks: the user's file, then the machine's."""
    return Path.home() / ".ssh" / "known_hosts", Path("/etc/ssh/ssh_known_hosts")


def fingerprint(blob: bytes) -> str:
    """Return a public key's fingerprint as OpenSSH prints it: `SHA256:` and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a known_hosts file.

    Attributes:
        marker: empty, `cert-authority` or `revoked`.
        key_type: such as `ssh-ed25519`.
        key: the public key in base64, as written.
    """

    file: Path
    line: int
    marker: str
    names: str
    key_type: str
    key: str

    @property
    def blob(self) -> bytes:
        """The public key in SSH wire format; empty if the line is damaged."""
        try:
            return base64.b64decode(self.key, validate=True)
        except (binascii.Error, ValueError):
            return b""

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint."""
        blob = self.blob
        return fingerprint(blob) if blob else "(a damaged key)"

    @property
    def place(self) -> str:
        """Where it stands: `file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class HostName:
    """What a host is called in known_hosts.

    Attributes:
        name: DNS name, IP, or the HostKeyAlias.
        port: TCP port; an alias stands for itself, whatever the port (OpenSSH does the same).
        alias: whether `name` is a HostKeyAlias.
    """

    name: str
    port: int = _SSH_PORT
    alias: bool = False

    @property
    def token(self) -> str:
        """The name as a line carries it: `[web-1]:2222` where the port is not 22."""
        name = self.name.lower()
        return name if self.alias or self.port == _SSH_PORT else f"[{name}]:{self.port}"

    @property
    def fallback(self) -> str | None:
        """The second name under which a *matching* key is accepted: the one without the port."""
        return None if self.token == self.name.lower() else self.name.lower()

    def __str__(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Every line that names a host."""

    keys: tuple[Entry, ...] = ()
    authorities: tuple[Entry, ...] = ()
    revoked: tuple[Entry, ...] = ()


class Standing(StrEnum):
    """What known_hosts says of a key that a host offers."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A standing, and the lines it rests on: the trusted ones, those that differ, or those that revoke."""

    standing: Standing
    entries: tuple[Entry, ...] = ()


def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern) + r"\Z")


class _Patterns:
    """A comma list with wildcards or negation: one `!` that matches refuses the whole list."""

    def __init__(self, names: str) -> None:
        words = [word.strip().lower() for word in names.split(",") if word.strip()]
        self._for = [_pattern(word) for word in words if not word.startswith("!")]
        self._against = [_pattern(word[1:]) for word in words if word.startswith("!")]

    def match(self, name: str) -> bool:
        return not any(one.match(name) for one in self._against) and any(one.match(name) for one in self._for)


class _Hashed:
    """A hashed name, `|1|salt|digest` (HMAC-SHA1)."""

    def __init__(self, names: str) -> None:
        _, version, salt, digest = names.split("|")
        if version != "1":
            raise ValueError(version)
        self._salt, self._digest = base64.b64decode(salt), base64.b64decode(digest)

    def match(self, name: str) -> bool:
        return hmac.digest(self._salt, name.encode(), "sha1") == self._digest


class _Index:
    """Lines by exact name, and those that have to be tried one by one; hashed ones also by the key they carry."""

    def __init__(self) -> None:
        self.exact: dict[str, list[Entry]] = {}
        self.patterns: list[tuple[_Patterns, Entry]] = []
        self.hashed: list[tuple[_Hashed, Entry]] = []
        self.hashed_by_key: dict[str, list[tuple[_Hashed, Entry]]] = {}

    def add(self, entry: Entry) -> None:
        if entry.names.startswith("|"):
            try:
                pair = _Hashed(entry.names), entry
            except ValueError:
                return
            self.hashed.append(pair)
            self.hashed_by_key.setdefault(entry.key, []).append(pair)
        elif any(char in entry.names for char in "*?!"):
            self.patterns.append((_Patterns(entry.names), entry))
        else:
            for name in entry.names.split(","):
                self.exact.setdefault(name.strip().lower(), []).append(entry)

    def in_clear(self, name: str) -> list[Entry]:
        found = list(self.exact.get(name, ()))
        found += [entry for pattern, entry in self.patterns if pattern.match(name)]
        return found

    def all(self, name: str) -> list[Entry]:
        return self.in_clear(name) + [entry for hashed, entry in self.hashed if hashed.match(name)]

    def with_key(self, name: str, key: str) -> list[Entry]:
        found = [entry for entry in self.in_clear(name) if entry.key == key]
        return found + [entry for hashed, entry in self.hashed_by_key.get(key, ()) if hashed.match(name)]


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the lines of a known_hosts file; lines that say nothing are passed over, as OpenSSH does.

    Raises:
        OSError: it cannot be read.
    """
    yield from parse_entries(path, path.read_bytes())


def parse_entries(path: Path, data: bytes, *, first: int = 1) -> Iterator[Entry]:
    """Yield the lines of a known_hosts file, or of its end, which begins with line number `first`."""
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), first):
        words = line.split(None, 4)
        if not words or words[0].startswith("#"):
            continue
        marker = ""
        if words[0].startswith("@"):
            marker = _MARKERS.get(words[0], "")
            if not marker:
                continue
            words = words[1:]
        if len(words) >= 3:
            yield Entry(
                file=path, line=number, marker=marker, names=words[0], key_type=words[1], key=words[2]
            )


class KnownHosts:
    """The known_hosts files of a run.

    Args:
        files: in order; one that does not exist is empty, one that cannot be read is named in `unreadable`.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = tuple(files)
        self.unreadable: dict[Path, str] = {}
        self._known: dict[HostName, Known] = {}
        self._states: dict[Path, FileState] = {}

    @cached_property
    def _index(self) -> _Index:
        index = _Index()
        for path in self.files:
            try:
                with path.open("rb") as file:
                    status, data = os.fstat(file.fileno()), file.read()
            except FileNotFoundError:
                continue
            except OSError as exc:
                self.unreadable[path] = exc.strerror or str(exc)
                continue
            self._states[path] = FileState().after(status, data)
            for entry in parse_entries(path, data):
                index.add(entry)
        return index

    def catch_up(self, path: Path, file: IO[bytes]) -> int:
        """Take in what others have written to a file since it was read, and return how many lines it has.

        Args:
            path: one of `files`.
            file: the same, open and locked.
        """
        index, seen, status = self._index, self._states.get(path, FileState()), os.fstat(file.fileno())
        if seen.is_now(status):
            return seen.lines
        if seen.has_grown(status):
            file.seek(seen.size)
            data = file.read()
            for entry in parse_entries(path, data, first=seen.lines + 1):
                index.add(entry)
            self._states[path] = seen.after(status, data)
        else:
            self.__dict__.pop("_index", None)
            index = self._index
        self._known.clear()
        return self._states.get(path, FileState()).lines

    def note(self, entry: Entry, file: IO[bytes]) -> None:
        """Take in a line that was just written to the end of a file, which is still locked."""
        status = os.fstat(file.fileno())
        self._index.add(entry)
        self._states[entry.file] = FileState(
            identity=(status.st_dev, status.st_ino),
            size=status.st_size,
            changed=status.st_mtime_ns,
            lines=entry.line,
        )
        self._known.clear()

    def known(self, host: HostName) -> Known:
        """Return every line that names a host. Hashed lines cost an HMAC each, once per host."""
        if host not in self._known:
            found = self._index.all(host.token)
            self._known[host] = Known(
                keys=tuple(entry for entry in found if not entry.marker),
                authorities=self._marked(host, "cert-authority", found),
                revoked=self._marked(host, "revoked", found),
            )
        return self._known[host]

    def _marked(self, host: HostName, marker: str, found: list[Entry]) -> tuple[Entry, ...]:
        names = [found]
        if host.fallback:
            names.append(self._index.in_clear(host.fallback))
        return tuple(dict.fromkeys(entry for entries in names for entry in entries if entry.marker == marker))

    def in_clear(self, host: HostName) -> Known:
        """Return the lines that name a host openly; cheap whatever the size of the files.

        Where nothing names it with its port, the lines without a port stand in: it only orders algorithms.
        """
        found = self._index.in_clear(host.token)
        if not any(not entry.marker for entry in found) and host.fallback:
            found = found + self._index.in_clear(host.fallback)
        return Known(
            keys=tuple(entry for entry in found if not entry.marker),
            authorities=self._marked(host, "cert-authority", found),
            revoked=self._marked(host, "revoked", found),
        )

    def judge(self, host: HostName, blob: bytes) -> Verdict:
        """Judge a plain key that a host offers.

        A key of another type than those recorded is `CHANGED` too: types on record are offered first, so a host
        that still had its old key would have used it.
        """
        key = base64.b64encode(blob).decode("ascii")
        revoked = [
            entry
            for name in (host.token, host.fallback)
            if name
            for entry in self._index.with_key(name, key)
            if entry.marker == "revoked"
        ]
        if revoked:
            return Verdict(standing=Standing.REVOKED, entries=tuple(revoked))
        trusted = self._trusted(host.token, key)
        if not trusted and host.fallback:
            # Without its port a host is only looked for where nothing is recorded with the port (OpenSSH: HOST_NEW).
            trusted = self._trusted(host.fallback, key)
            if trusted and self.known(host).keys:
                trusted = []
        if trusted:
            return Verdict(standing=Standing.TRUSTED, entries=tuple(trusted))
        others = self.known(host).keys
        return Verdict(standing=Standing.CHANGED if others else Standing.UNKNOWN, entries=others)

    def _trusted(self, name: str, key: str) -> list[Entry]:
        return [entry for entry in self._index.with_key(name, key) if not entry.marker]
