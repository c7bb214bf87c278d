"""Run a small script of our own beside a copy, and read its answer."""

from __future__ import annotations

from importlib.resources import files

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.protocol import ExecFailed

__all__ = ["Answer", "ask", "do"]

_MOST_LISTING = 16 << 20
"""Bytes that a host's listing may take: some 100,000 files."""


class Answer:
    """What a helper script printed; bounded."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def stdout(self, data: bytes) -> None:
        """Take bytes."""
        self.out += data[: max(0, _MOST_LISTING + 1 - len(self.out))]

    def stderr(self, data: bytes) -> None:
        """Take messages."""
        self.err += data[: max(0, (1 << 14) - len(self.err))]

    def said(self) -> str:
        """Return the first line of its stderr."""
        lines = [line.strip() for line in self.err.decode(errors="replace").splitlines()]
        return next(filter(None, lines), "")

    def values(self, session: Session, end: Exit) -> dict[str, list[str]]:
        """Read its `name=value` lines.

        Raises:
            ExecFailed: it failed, or its end is missing.
        """
        if len(self.out) > _MOST_LISTING:
            raise ExecFailed(
                Reason.REMOTE, "there are too many files to list", hint="copy the folder in parts"
            )
        values: dict[str, list[str]] = {}
        for line in self.out.decode("utf-8", "surrogateescape").split("\n"):
            name, equals, value = line.partition("=")
            if equals:
                values.setdefault(name, []).append(value)
        if not end.ok or "end" not in values:
            how = f"signal {end.signal}" if end.code is None else f"exit code {end.code}"
            raise ExecFailed(
                Reason.REMOTE,
                f"looking at the files on {session.host.name} failed ({how}): {self.said()}".rstrip(": "),
            )
        return values


async def ask(
    session: Session, name: str, args: tuple[str, ...], *, become: Become | None, stdin: bytes = b""
) -> tuple[Answer, Exit]:
    """Run one of the scripts in `scripts/`; what it prints is for us, not for the run's stored output."""
    script = (files("fleetctl.run") / "scripts" / name).read_text(encoding="utf-8")
    command = Command(script=script, args=args, stdin=stdin or None, become=become, tag=session.invocation_id)
    answer = Answer()
    return answer, await session.connection.exec(command, answer)


async def do(
    session: Session, name: str, args: tuple[str, ...], *, become: Become | None, stdin: bytes
) -> None:
    """Run a helper script that must succeed."""
    answer, end = await ask(session, name, args, become=become, stdin=stdin)
    if not end.ok:
        raise ExecFailed(Reason.REMOTE, answer.said() or f"exit code {end.code}", started=True)
