"""Push files to hosts, and pull files from them.

One round trip finds out what differs; only that is sent or fetched, and its SHA-256 is compared after. A file is replaced
whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Exit, Host, Outcome, Reason
from fleetctl.run.command import BecomeRule
from fleetctl.run.manifest import Item, Manifest, digest, safe_relative
from fleetctl.store.runs import file_name
from fleetctl.transport.protocol import ExecFailed

__all__ = ["PullTask", "PushTask"]

_AS_INVENTORY = BecomeRule()

_MOST_LISTING = 16 << 20
"""Bytes that a host's listing may take: some 100,000 files."""


class _Answer:
    """What a helper script printed; bounded."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def stdout(self, data: bytes) -> None:
        self.out += data[: max(0, _MOST_LISTING + 1 - len(self.out))]

    def stderr(self, data: bytes) -> None:
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


async def _ask(
    session: Session, name: str, args: tuple[str, ...], *, become: Become | None, stdin: bytes = b""
) -> tuple[_Answer, Exit]:
    script = (files("fleetctl.run") / "scripts" / name).read_text(encoding="utf-8")
    command = Command(script=script, args=args, stdin=stdin or None, become=become, tag=session.invocation_id)
    answer = _Answer()
    return answer, await session.connection.exec(command, answer)


async def _do(
    session: Session, name: str, args: tuple[str, ...], *, become: Become | None, stdin: bytes
) -> None:
    """Run a helper script that must succeed."""
    answer, end = await _ask(session, name, args, become=become, stdin=stdin)
    if not end.ok:
        raise ExecFailed(Reason.REMOTE, answer.said() or f"exit code {end.code}", started=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTask:
    """Brings files to a host.

    Attributes:
        manifest: what to bring; the same for all hosts.
        destination: as it was written; relative to the login folder, `~/` is the home of who writes it.
        mode: permission bits for every file, such as `0640`; None: a new file gets those of its source, one that is there
            keeps its own.
        owner: `user`, `user:group` or `:group`; None leaves it.
        become: the order's word on becoming another user.
        progress: told the host and the bytes that were just sent.
    """

    manifest: Manifest
    destination: str
    mode: str | None = None
    owner: str | None = None
    become: BecomeRule = _AS_INVENTORY
    progress: Callable[[Host, int], None] | None = None

    async def __call__(self, session: Session) -> Outcome:
        """Look, send what differs, settle mode and owner of the rest, tell."""
        become = session.becoming(self.become.of(session.host))
        arguments = (self.destination, self.manifest.kind, self.mode or "", self.owner or "")
        answer, end = await _ask(
            session, "push-look.sh", arguments, become=become, stdin=self.manifest.lines()
        )
        place = _Place.of(answer.values(session, end), self.manifest)
        changed = [
            item for index, item in enumerate(self.manifest.items) if index not in place.same | place.other
        ]
        await self._folders(session, place, become)
        sent = 0
        for item in changed:
            await self._send(session, item, place.path(item), become)
            sent += item.size
        settled = [item for index, item in enumerate(self.manifest.items) if index in place.other]
        if settled:
            lines = "".join(f"{place.path(item)}\n" for item in settled).encode("utf-8", "surrogateescape")
            await _do(
                session,
                "push-settle.sh",
                (self.mode or "", self.owner or ""),
                become=become,
                stdin=lines,
            )
        for item in settled:
            session.say(f"settled    {place.path(item)}  (mode or owner)")
        unchanged = [item for index, item in enumerate(self.manifest.items) if index in place.same]
        for item in unchanged:
            session.say(f"unchanged  {place.path(item)}")
        return _told(
            session,
            Destination=place.dest,
            Sent=len(changed),
            Settled=len(settled),
            Unchanged=len(unchanged),
            Bytes=sent,
        )

    async def _folders(self, session: Session, place: _Place, become: Become | None) -> None:
        wanted = [place.dest] if place.kind != "file" else []
        wanted += [f"{place.dest}/{name}" for name in self.manifest.folders]
        if not wanted or (place.exists and not self.manifest.folders):
            return
        lines = "".join(f"{path}\n" for path in wanted).encode("utf-8", "surrogateescape")
        await _do(session, "push-folders.sh", (), become=become, stdin=lines)

    async def _send(self, session: Session, item: Item, target: str, become: Become | None) -> None:
        from fleetctl.transport.files import put  # noqa: PLC0415

        progress = self.progress
        await put(
            session.connection,
            item.source,
            target,
            mode=self.mode,
            owner=self.owner,
            become=become,
            tag=session.invocation_id,
            progress=(lambda count: progress(session.host, count)) if progress else None,
        )
        session.say(f"sent       {target}  ({item.size} bytes)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What stands at the destination: its full path, how it is to be taken, and which items are right already."""

    dest: str
    kind: str
    exists: bool
    same: frozenset[int]
    other: frozenset[int]

    @classmethod
    def of(cls, values: Mapping[str, list[str]], manifest: Manifest) -> _Place:
        """Read the answer.

        Raises:
            ExecFailed: something that is not of the right kind is in the way.
        """
        dest, kind, there = values["dest"][0].rstrip("/") or "/", values["kind"][0], values["is"][0]
        if there == "other":
            raise ExecFailed(Reason.REMOTE, f"{dest} is neither a file nor a folder")
        if kind != "file" and there == "file":
            raise ExecFailed(
                Reason.REMOTE, f"{dest} is a file, and a folder is wanted there", hint="name another place"
            )
        looked = values.get("looked")
        # A sha256sum that prints other than one line for each file cannot be matched to them: then all are sent.
        trusted = looked is None or int(looked[0]) == len(manifest.items)

        def numbers(name: str) -> frozenset[int]:
            return frozenset(int(number) for number in values.get(name, ())) if trusted else frozenset()

        return cls(
            dest=dest,
            kind=kind,
            exists=there == "folder",
            same=numbers("same"),
            other=numbers("else"),
        )

    def path(self, item: Item) -> str:
        """Return where an item goes."""
        return self.dest if self.kind == "file" else f"{self.dest.rstrip('/')}/{item.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTask:
    """Fetches a file or folder from a host into `folder/HOST/`.

    Attributes:
        source: on the host; relative to the login folder.
        folder: where every host gets a folder of its own.
        become: the order's word on becoming another user.
        progress: told the host and the bytes that have just come.
    """

    source: str
    folder: Path
    become: BecomeRule = _AS_INVENTORY
    progress: Callable[[Host, int], None] | None = None

    async def __call__(self, session: Session) -> Outcome:
        """Look, fetch what differs, tell."""
        become = session.becoming(self.become.of(session.host))
        own = self.folder / file_name(session.host.name)
        compare = "yes" if own.exists() else "no"
        answer, end = await _ask(session, "pull-look.sh", (self.source, compare), become=become)
        values = answer.values(session, end)
        source = values["source"][0]
        names = _listing(values, answer, source)
        base = source.rstrip("/").rpartition("/")[2]
        if base == "..":
            raise ExecFailed(Reason.REMOTE, f"{source} has no name of its own", hint="name the folder itself")
        start = own / base if base not in {"", "."} else own
        fetched, unchanged, size = 0, 0, 0
        for wanted, name in names:
            local = start / name if name else start
            remote = f"{source}/{name}" if name else source
            if wanted and await asyncio.to_thread(_has, local, wanted):
                unchanged += 1
                session.say(f"unchanged  {local}")
                continue
            size += await self._fetch(session, remote, local, become)
            fetched += 1
        links = int(values.get("links", ["0"])[0])
        if links:
            session.say(f"left out   {links} link{'s' if links != 1 else ''}")
        return _told(session, Source=source, Fetched=fetched, Unchanged=unchanged, Bytes=size, LeftOut=links)

    async def _fetch(self, session: Session, remote: str, local: Path, become: Become | None) -> int:
        from fleetctl.transport.files import get  # noqa: PLC0415

        progress = self.progress
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            await get(
                session.connection,
                remote,
                local,
                become=become,
                tag=session.invocation_id,
                progress=(lambda count: progress(session.host, count)) if progress else None,
            )
            size = local.stat().st_size  # noqa: ASYNC240 - one call on a file that was just written
        except OSError as exc:
            raise ExecFailed(Reason.OUTPUT, f"{local} cannot be written: {exc.strerror}") from exc
        session.say(f"fetched    {local}  ({size} bytes)")
        return size


def _has(path: Path, wanted: str) -> bool:
    """Tell whether a local file has that content already."""
    try:
        return path.is_file() and digest(path) == wanted
    except OSError:
        return False


def _listing(values: Mapping[str, list[str]], answer: _Answer, source: str) -> list[tuple[str, str]]:
    """Return digest and relative name of every file to fetch.

    Raises:
        ExecFailed: there is nothing, or it cannot be read or named.
    """
    there = values["is"][0]
    if there == "nothing":
        raise ExecFailed(Reason.REMOTE, f"there is no {source}")
    if there == "other":
        raise ExecFailed(Reason.REMOTE, f"{source} is neither a file nor a folder")
    lines = values.get("file", [])
    if "incomplete" in lines:
        raise ExecFailed(
            Reason.REMOTE, f"not all of {source} can be read: {answer.said()}", hint="try it with --become"
        )
    names = []
    for line in lines:
        taken = safe_relative(line)
        if taken is None:
            raise ExecFailed(Reason.REMOTE, f"a file name in {source} cannot be taken: {line!r}")
        names.append(taken)
    return names


def _told(session: Session, **data: Any) -> Outcome:
    return replace(session.outcome(Exit(code=0)), data=data)
