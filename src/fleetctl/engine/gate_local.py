"""A gate that is a shell line on the controller: `--gate-local './smoke-test.sh'`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from fleetctl.engine.gates import GateVerdict, GateView, first_line, one_line
from fleetctl.engine.output import OutputFiles, StoreFailed

__all__ = ["LocalGate"]

_PIECE: Final = 64 * 1024
# What is looked at for the line that is told; all of it is kept.
_HEAD: Final = 64 * 1024
_TERM_SECONDS: Final = 2.0
# A process left in the background may hold the output open; nobody waits for it longer than this.
_DRAIN_SECONDS: Final = 1.0
# Linux takes 128 KiB for one variable (execve(2), MAX_ARG_STRLEN).
_LONGEST_VARIABLE: Final = 100_000


@dataclass(frozen=True, slots=True)
class LocalGate:
    """A shell line on the controller; green when it exits with 0.

    It finds in its environment: `FLEETCTL_RUN`; `FLEETCTL_WAVE` and `FLEETCTL_WAVES`; `FLEETCTL_WAVE_HOSTS`, names with spaces
    between; `FLEETCTL_WAVE_HOSTS_FILE`, a file with one name a line; `FLEETCTL_OUTCOMES`, such as `Success=9 Failed=1`. Above 100,000
    characters there is only the file. It reads nothing from the terminal. Its process group is ended when it takes too long.

    Args:
        command: for `sh -c`.
        folder: where it starts; None: where fleetctl was started. On record, so that a resumed run finds `./check.sh` again.
    """

    command: str
    folder: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"local: {one_line(self.command)}"

    def record(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        record = {"Kind": "local", "Command": self.command}
        return record if self.folder is None else {**record, "Folder": self.folder}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LocalGate:
        """Read what `record` returned; KeyError or ValueError if it is something else."""
        command, folder = record["Command"], record.get("Folder")
        if not isinstance(command, str) or not isinstance(folder, str | None):
            raise ValueError("Command and Folder are text")  # noqa: TRY004 - callers take one kind of error
        return cls(command, folder)

    async def check(self, view: GateView) -> GateVerdict:
        """Run it."""
        files = OutputFiles(view.folder, view.label, filters=view.filters)
        head = _Head()
        try:
            try:
                code = await self._run(view, files, head)
            finally:
                files.close()
        except StoreFailed as exc:
            return GateVerdict(green=False, message=str(exc))
        except OSError as exc:
            where = f": {exc.filename}" if exc.filename else ""
            return GateVerdict(green=False, message=f"it could not be started: {exc.strerror}{where}")
        if code == 0:
            return GateVerdict(green=True, message="exit code 0", details={"code": 0})
        ended = f"still running after {view.seconds:g} s, killed" if code is None else _ending(code)
        said = first_line(bytes(head.err), bytes(head.out), redact=view.redact)
        return GateVerdict(green=False, message=f"{ended}: {said}" if said else ended, details={"code": code})

    async def _run(self, view: GateView, files: OutputFiles, head: _Head) -> int | None:
        """Return the exit code, negative for a signal; None if it took too long."""
        sink = files.step()
        async with _Pipe(head.out, sink.stdout) as out, _Pipe(head.err, sink.stderr) as err:
            process = await asyncio.create_subprocess_exec(
                "sh", "-c", self.command,
                stdin=asyncio.subprocess.DEVNULL, stdout=out.writing, stderr=err.writing,
                env=_environment(view), cwd=self.folder, start_new_session=True,
            )  # fmt: skip
            out.handed_over()
            err.handed_over()
            try:
                async with asyncio.timeout(view.seconds):
                    return await process.wait()
            except TimeoutError:
                await _end(process)
                return None
            except asyncio.CancelledError:
                await asyncio.shield(_end(process))
                raise


def _ending(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):  # realtime signals have no names
        return f"ended by signal {signal.Signals(-code).name.removeprefix('SIG')}"
    return f"ended by signal {-code}"


class _Head:
    """The beginning of what was printed."""

    __slots__ = ("err", "out")

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()


def _environment(view: GateView) -> dict[str, str]:
    names = [host.name for host in view.hosts]
    path = view.folder.path / f"wave-{view.wave}.hosts"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text("".join(f"{name}\n" for name in names))
    counts = Counter(outcome.status.value for outcome in view.outcomes)
    found = {
        **os.environ,
        "FLEETCTL_RUN": view.run_id,
        "FLEETCTL_WAVE": str(view.wave),
        "FLEETCTL_WAVES": str(view.of),
        "FLEETCTL_WAVE_HOSTS": " ".join(names),
        "FLEETCTL_WAVE_HOSTS_FILE": str(path.absolute()),
        "FLEETCTL_OUTCOMES": " ".join(f"{status}={count}" for status, count in counts.most_common()),
    }
    if len(found["FLEETCTL_WAVE_HOSTS"].encode()) > _LONGEST_VARIABLE:
        del found["FLEETCTL_WAVE_HOSTS"]
    return found


class _Pipe:
    """What a process prints, kept as it comes. A pipe of our own: asyncio's would be waited for as long as anybody holds it open.

    Args:
        head: takes the beginning.
        keep: takes all.
    """

    def __init__(self, head: bytearray, keep: Callable[[bytes], None]) -> None:
        self._head = head
        self._keep = keep
        self._transport: asyncio.ReadTransport | None = None
        self._pump: asyncio.Task[None] | None = None
        self.writing = -1

    async def __aenter__(self) -> Self:
        reading, self.writing = os.pipe()
        reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        self._pump = asyncio.create_task(self._read(reader))
        return self

    def handed_over(self) -> None:
        """Close our copy of the end that the process writes to."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    async def __aexit__(self, *_: object) -> None:
        self.handed_over()
        assert self._pump is not None and self._transport is not None  # noqa: S101, PT018 - made on entering
        try:
            await asyncio.wait([self._pump], timeout=_DRAIN_SECONDS)
        finally:
            self._pump.cancel()
            self._transport.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_PIECE):
            self._head += data[: max(0, _HEAD - len(self._head))]
            self._keep(data)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the whole process group: asked first, killed then."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _TERM_SECONDS)
        # Also when the shell has ended: what it started may not have.
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
