"""Run folders: where everything about one run lies.

runs/<run-id>/run.json           who, when, what, selector, hosts, versions
              events.jsonl       append-only, hash-chained
              out/<host>/stdout  raw bytes, made with the first byte
              out/<host>/stderr
              out/<host>/<step>/stdout ...
              report.json        the result
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fleetctl.errors import NotFoundError, StateFolderError
from fleetctl.spec.pretty import pretty

__all__ = ["STEPS", "RunFolder", "Runs", "file_name", "new_run_id", "sync_folder", "to_bytes", "write_json"]

# File systems allow 255 bytes; `.out` and the like must still fit behind.
_LONGEST_NAME = 240

# Characters of a run's id that may stand for all of it.
_SHORTEST_PART = 3

# In a host's output folder: names of the steps that printed, in order. No step can have this name: leading dots are escaped.
STEPS = ".steps"


def new_run_id(now: datetime) -> str:
    """Return a name that sorts by time and that two controllers will not both choose: `20261123T204512.093-7f3a9c`."""
    utc = now.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%S}.{utc.microsecond // 1000:03}-{secrets.token_hex(3)}"


def file_name(name: str) -> str:
    """Make a host's or step's name one file name: `/`, `%`, control characters and leading dots are escaped.

    Different names get different file names. What is too long for a file system keeps its beginning, and a digest of the whole.
    """
    quoted = quote(name, safe="@:+,=[]{}() ~!$&';", errors="surrogatepass")
    quoted = "%2E" + quoted[1:] if quoted.startswith(".") else quoted
    if len(quoted) <= _LONGEST_NAME:
        return quoted
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{quoted[: _LONGEST_NAME - 34]}%~{digest}"  # no quoted name holds `%~`


def to_bytes(data: Any, *, indent: int | None = None) -> bytes:
    """Return JSON as UTF-8; names and arguments that are no text (bytes that came in as surrogates) are escaped."""
    try:
        return _text(data, indent, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _text(data, indent, ensure_ascii=True).encode()


def _text(data: Any, indent: int | None, *, ensure_ascii: bool) -> str:
    if indent is None:
        return json.dumps(data, ensure_ascii=ensure_ascii, separators=(",", ":"))
    return "".join(pretty(data, ensure_ascii=ensure_ascii))


def sync_folder(path: Path) -> None:
    """Bring the entries of a folder to disk: a file that was just made must still be there after a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: Path, data: Any, *, indent: int | None = 1) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one, also after a power cut.

    Args:
        path: the file.
        data: what it says.
        indent: for people; None makes it one line, which is faster still, for what is often written.

    Raises:
        StateFolderError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(to_bytes(data, indent=indent) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as exc:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}", hint="is the disk full?") from exc


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder. Reading a part that is not there raises NotFoundError."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's id, which is the folder's name."""
        return self.path.name

    @property
    def events(self) -> Path:
        """Path of the ledger."""
        return self.path / "events.jsonl"

    @property
    def report_path(self) -> Path:
        """Path of the report; absent while the run goes on, or was killed."""
        return self.path / "report.json"

    def output(self, host: str, step: str = "") -> Path:
        """Return the folder of one host's output; it may not exist."""
        folder = self.path / "out" / file_name(host)
        return folder / file_name(step) if step else folder

    def steps(self, host: str) -> list[str]:
        """Return the names of the steps whose output is kept apart for a host, in the order they began to print."""
        folder = self.output(host)
        try:
            found = [item for item in os.scandir(folder) if item.is_dir()]
        except OSError:
            return []
        with contextlib.suppress(OSError, ValueError):
            order = json.loads((folder / STEPS).read_bytes())
            return [name for name in order if any(item.name == file_name(name) for item in found)]
        # A killed controller left no list. A folder's ctime is that of its last new file: when the step first printed.
        return [
            unquote(item.name)
            for item in sorted(found, key=lambda item: (item.stat().st_ctime_ns, item.name))
        ]

    def output_files(self, host: str, stream: str) -> tuple[Path, ...]:
        """Return the files of a host's `stdout` or `stderr`, one per step in their order; they may not exist."""
        folder = self.output(host)
        steps = self.steps(host)
        return tuple(folder / file_name(step) / stream for step in steps) if steps else (folder / stream,)

    def read_output(self, host: str, stream: str, step: str = "") -> bytes:
        """Return stored bytes; empty if nothing was printed."""
        try:
            return (self.output(host, step) / stream).read_bytes()
        except FileNotFoundError:
            return b""

    def write_run(self, data: dict[str, Any]) -> None:
        """Write `run.json`."""
        write_json(self.path / "run.json", data)

    def write_report(self, data: dict[str, Any]) -> None:
        """Write `report.json`."""
        write_json(self.report_path, data)

    def run(self) -> dict[str, Any]:
        """Read `run.json`."""
        return self._read("run.json")

    def report(self) -> dict[str, Any]:
        """Read `report.json`."""
        return self._read("report.json")

    def _read(self, name: str) -> dict[str, Any]:
        try:
            data = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            hint = "the run is still going on, or was killed" if name == "report.json" else None
            raise NotFoundError(f"run {self.run_id} has no {name}", hint=hint) from None
        except OSError as exc:
            raise StateFolderError(f"{self.path / name} cannot be read: {exc.strerror}") from exc
        except ValueError as exc:
            raise StateFolderError(f"{self.path / name} is damaged: {exc}") from exc
        if not isinstance(data, dict):
            raise StateFolderError(f"{self.path / name} is damaged: it holds no object")
        return data


@dataclass(frozen=True, slots=True)
class Runs:
    """All run folders below one state folder."""

    path: Path

    def create(self, run_id: str) -> RunFolder:
        """Make the folder of a new run.

        Raises:
            StateFolderError: it cannot be written, or that run exists.
        """
        folder = self.path / run_id
        try:
            folder.mkdir(mode=0o700)
            (folder / "out").mkdir(mode=0o700)
            sync_folder(self.path)
        except OSError as exc:
            raise StateFolderError(f"{folder} cannot be made: {exc.strerror}") from exc
        return RunFolder(folder)

    def __iter__(self) -> Iterator[RunFolder]:
        """Yield runs, the newest first."""
        if not self.path.is_dir():
            return
        names = sorted((item.name for item in os.scandir(self.path) if item.is_dir()), reverse=True)
        for name in names:
            if (self.path / name / "run.json").is_file():
                yield RunFolder(self.path / name)

    def find(self, name: str) -> RunFolder:
        """Return the run of that id, or of that unambiguous part of one; `last` is the newest.

        Raises:
            NotFoundError: none, or several.
        """
        if name in {"last", "@last"}:
            for folder in self:
                return folder
            raise NotFoundError(
                "there are no runs yet", hint="start one with: fleetctl run TARGETS -- COMMAND"
            )
        if "/" not in name and (self.path / name / "run.json").is_file():
            return RunFolder(self.path / name)
        matching = [folder for folder in self if len(name) >= _SHORTEST_PART and name in folder.run_id]
        if len(matching) == 1:
            return matching[0]
        if matching:
            listed = ", ".join(folder.run_id for folder in matching[:5])
            raise NotFoundError(f"'{name}' fits {len(matching)} runs", hint=f"write more of it: {listed}")
        raise NotFoundError(f"no run '{name}'", hint="see them with: fleetctl runs list")

    def remove(self, folder: RunFolder) -> None:
        """Delete a run, with all it kept."""
        try:
            shutil.rmtree(folder.path)
        except OSError as exc:
            raise StateFolderError(f"{folder.path} cannot be removed: {exc.strerror}") from exc
