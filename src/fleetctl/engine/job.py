"""Detached jobs: work on a host that goes on when the connection, sshd or the controller is gone.

A job has a directory of its own on the host, `/var/tmp/fleetctl-<uid>/<job id>/`, and a supervisor there that nobody's session takes along
when it ends. However often and from wherever it is started, it runs once: the supervisor that links the name `claimed` first runs it, the
others leave. `docs/explanation/detached-jobs.md` tells the whole story.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Final, Literal

from fleetctl.engine.job_endings import lost, refused
from fleetctl.engine.job_frames import Frames, JobStarted
from fleetctl.errors import UsageError
from fleetctl.model import Command, Exit, Reason
from fleetctl.transport.protocol import Connection, ExecFailed, OutputSink
from fleetctl.transport.shell import kill_script, wire

__all__ = ["Job", "JobStarted", "check_id", "job_script", "own_tag"]

_ID: Final = re.compile(r"[A-Za-z0-9_:@%+][A-Za-z0-9._:@%+-]{0,127}")
_PIECE: Final = 16 * 1024
"""Characters of input per argument: where printf is a program (mksh) an argument is at most 128 KB."""


def job_script(name: str) -> str:
    """Return the text of `scripts/job-<name>.sh`, with what all of them begin with."""
    folder = resources.files("fleetctl.engine").joinpath("scripts")
    place, verb = (folder.joinpath(f"job-{part}.sh").read_text(encoding="utf-8") for part in ("place", name))
    return place + verb


def own_tag(job_id: str, what: str) -> str:
    """Make a tag for what we run about a job: cancelling that must end neither the job nor another look at it."""
    return f"{job_id[:96]}.{what}-{secrets.token_hex(4)}"


def check_id(job_id: str) -> None:
    """Refuse what cannot name a job.

    Raises:
        UsageError: it is empty, too long, begins with a dot or a dash, or holds an odd character.
    """
    if not _ID.fullmatch(job_id):
        raise UsageError(
            f"'{job_id}' cannot name a job",
            hint="use letters, digits and . _ : @ % + - and begin with none of . and -",
        )


class Job:
    """One detached job on one host.

    Args:
        job_id: names it on the host, and tags its processes: at most 128 characters.
        command: complete, environment and become included. Its stdin, if a path, must be a file that stays as it is.

    Attributes:
        started: how it runs there; None until a following has seen that.

    Raises:
        UsageError: an id that cannot be.
    """

    __slots__ = ("_read", "command", "job_id", "started")

    def __init__(self, job_id: str, command: Command) -> None:
        check_id(job_id)
        self.job_id = job_id
        self.command = command
        self.started: JobStarted | None = None
        self._read = {"stdout": 0, "stderr": 0}

    async def follow(
        self,
        connection: Connection,
        sink: OutputSink,
        *,
        must_exist: bool = False,
        on_started: Callable[[JobStarted], None] | None = None,
    ) -> Exit:
        """Start the job unless it exists, pass its output on until it ends, and return how it ended.

        All in one exec. When the connection is lost, call it again with a new one: output goes on at the byte where it stopped. Cancelling
        it ends the following; the job goes on.

        Args:
            connection: an open one.
            sink: takes the output.
            must_exist: it is known to have been started: start nothing.
            on_started: told, each time, how it runs; called within the event loop.

        Raises:
            ExecFailed: CONNECTION_LOST: call again. JOB_LOST: it was started, and no result will come. READ_ONLY, DISK_FULL, PRECONDITION:
                nothing was started. REMOTE: the host's answer cannot be read, or it cannot start jobs. And what `Connection.exec` raises.
        """
        known = must_exist or self.started is not None
        frames, ended = await self._ask(connection, sink, "yes" if known else "no", on_started=on_started)
        return self._result(frames, ended, place=connection.host.name)

    async def start(
        self,
        connection: Connection,
        sink: OutputSink,
        *,
        on_started: Callable[[JobStarted], None] | None = None,
    ) -> None:
        """Start the job unless it exists, and leave it to itself.

        Raises:
            ExecFailed: as `follow`; CONNECTION_LOST: whether it was started is not known.
        """
        frames, ended = await self._ask(connection, sink, "leave", on_started=on_started)
        if frames.started is None or frames.fault:
            self._result(frames, ended, place=connection.host.name)

    async def _ask(
        self,
        connection: Connection,
        sink: OutputSink,
        how: Literal["yes", "no", "leave"],
        *,
        on_started: Callable[[JobStarted], None] | None,
    ) -> tuple[Frames, Exit]:
        def note(started: JobStarted) -> None:
            self.started = started
            if on_started:
                on_started(started)

        nonce = secrets.token_hex(8)
        frames = Frames(mark=f"@@fleetctl-job {nonce}", sink=sink, on_started=note, read=self._read)
        return frames, await connection.exec(self._follower(nonce, how), frames)

    def _follower(self, nonce: str, how: Literal["yes", "no", "leave"]) -> Command:
        known = how == "yes"
        pieces: list[str] = []
        line, size, stdin = "", 0, None
        if not known:
            inner = wire(replace(self.command, become=None, tag=self.job_id), password=None, announce=False)
            text = inner.prologue.decode("utf-8", "surrogateescape")
            pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
            line, stdin = inner.command_line, self.command.stdin
            size = len(inner.prologue) + _size(stdin)
        unit = "fleetctl-" + re.sub(r"[^A-Za-z0-9:_.]", "_", self.job_id)
        supervisor = (
            resources.files("fleetctl.engine")
            .joinpath("scripts/job-supervise.sh")
            .read_text(encoding="utf-8")
        )
        offsets = (str(self._read["stdout"]), str(self._read["stderr"]))
        return Command(
            script=job_script("follow"),
            args=(self.job_id, nonce, how, *offsets, unit, str(size),
                  supervisor if not known else "", line, *pieces),
            stdin=stdin,
            become=self.command.become,
            tag=own_tag(self.job_id, "follow"),
        )  # fmt: skip

    def _result(self, frames: Frames, ended: Exit, *, place: str) -> Exit:
        if frames.fault:
            raise ExecFailed(
                Reason.REMOTE,
                f"what {place} says about the job cannot be read: {frames.fault}",
                hint="follow it again: the job goes on",
                started=True,
            )
        if frames.refused:
            raise refused(frames.refused, place=place)
        if frames.lost:
            raise lost(frames.lost, place=place)
        if frames.end is None:
            raise _unfinished(frames, ended, place=place)
        if frames.cut:
            raise _cut(frames.end, place=place)
        return frames.end

    async def kill(self, connection: Connection) -> bool:
        """End the job with all its processes: TERM, a second of grace, KILL. What never started never will.

        Returns:
            True when it is proven that nothing is left.

        Raises:
            ExecFailed: the host could not be asked.
        """
        nonce = secrets.token_hex(8)
        answer = _Text()
        script = job_script("kill").replace(": KILL-SCRIPT", kill_script(self.job_id))
        await connection.exec(
            Command(
                script=script,
                args=(self.job_id, nonce),
                become=self.command.become,
                tag=own_tag(self.job_id, "kill"),
            ),
            answer,
        )
        return f"@@fleetctl-killed {nonce}" in answer.text


class _Text:
    """Keeps the first bytes of an answer."""

    def __init__(self) -> None:
        self._out = bytearray()

    def stdout(self, data: bytes) -> None:
        self._out += data[: max(0, (1 << 20) - len(self._out))]

    def stderr(self, data: bytes) -> None: ...

    @property
    def text(self) -> str:
        return self._out.decode("utf-8", "replace")


def _size(stdin: bytes | Path | None) -> int:
    if not isinstance(stdin, Path):
        return len(stdin or b"")
    try:
        if not stdin.is_file():
            raise ExecFailed(Reason.PRECONDITION, f"cannot send {stdin} to a detached job: it is not a file")
        return stdin.stat().st_size
    except OSError as exc:
        raise ExecFailed(Reason.PRECONDITION, f"cannot read {stdin}: {exc.strerror}") from exc


def _last(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    return next(filter(None, reversed(lines)), "")


def _unfinished(frames: Frames, ended: Exit, *, place: str) -> ExecFailed:
    """The follower ended without a last word: somebody ended it (a session that was closed), or it cannot run there."""
    if ended.signal is not None or frames.started is not None:
        return ExecFailed(
            Reason.CONNECTION_LOST,
            f"the session on {place} was ended while it followed the job",
            started=True,
        )
    said = _last(frames.said)
    return ExecFailed(
        Reason.REMOTE,
        f"{place} cannot look after a detached job (exit code {ended.code})" + (f": {said}" if said else ""),
        started=False,
    )


def _cut(end: Exit, *, place: str) -> ExecFailed:
    how = f"exit code {end.code}" if end.signal is None else f"signal {end.signal}"
    return ExecFailed(
        Reason.DISK_FULL,
        f"the job ended with {how}, and some of its output is lost: its disk on {place} was full",
        hint="make room on the host; the job itself was not stopped by this",
        started=True,
    )
