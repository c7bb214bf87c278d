"""Push files to hosts, and pull files from them.

One round trip finds out what differs; only that is sent or fetched, and its SHA-256 is compared after. A file is replaced
whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleetctl.engine.task import Session
from fleetctl.model import Become, Exit, Host, Outcome, Reason
from fleetctl.run.ask import Answer, ask, do
from fleetctl.run.command import BecomeRule
from fleetctl.run.manifest import Item, Manifest, digest, safe_relative
from fleetctl.store.runs import file_name
from fleetctl.transport.protocol import ExecFailed

__all__ = ["PullTask", "PushTask"]

_AS_INVENTORY = BecomeRule()

_MOST_NAMES = 20


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
        answer, end = await ask(
            session, "push-look.sh", arguments, become=become, stdin=self.manifest.lines()
        )
        place = _Place.of(answer.values(session, end), self.manifest, written=self.destination)
        changed = [
            item for index, item in enumerate(self.manifest.items) if index not in place.same | place.other
        ]
        await self._folders(session, place, become)
        sent = 0
        for item in changed:
            await self._send(session, item, place, become)
            sent += item.size
        settled = [item for index, item in enumerate(self.manifest.items) if index in place.other]
        if settled:
            lines = "".join(f"{place.path(item)}\n" for item in settled).encode("utf-8", "surrogateescape")
            await do(
                session,
                "push-settle.sh",
                (self.mode or "", self.owner or ""),
                become=become,
                stdin=lines,
            )
        for item in settled:
            session.say(f"settled    {place.shown(item)}  (mode or owner)")
        unchanged = [
            place.shown(item) for index, item in enumerate(self.manifest.items) if index in place.same
        ]
        _say_unchanged(session, unchanged)
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
        await do(session, "push-folders.sh", (), become=become, stdin=lines)

    async def _send(self, session: Session, item: Item, place: _Place, become: Become | None) -> None:
        from fleetctl.transport.files import put  # noqa: PLC0415

        progress = self.progress
        await put(
            session.connection,
            item.source,
            place.path(item),
            mode=self.mode,
            owner=self.owner,
            become=become,
            tag=session.invocation_id,
            progress=(lambda count: progress(session.host, count)) if progress else None,
        )
        session.say(f"sent       {place.shown(item)}  ({item.size} bytes)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What stands at the destination, how it is to be taken, and which items are right already.

    Attributes:
        dest: its full path.
        written: as the operator wrote it: the same for all hosts, so that equal results are shown once.
    """

    dest: str
    written: str
    kind: str
    exists: bool
    same: frozenset[int]
    other: frozenset[int]

    @classmethod
    def of(cls, values: Mapping[str, list[str]], manifest: Manifest, *, written: str) -> _Place:
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
            written=written.rstrip("/") or "/",
            kind=kind,
            exists=there == "folder",
            same=numbers("same"),
            other=numbers("else"),
        )

    def path(self, item: Item) -> str:
        """Return where an item goes."""
        return self.dest if self.kind == "file" else f"{self.dest.rstrip('/')}/{item.name}"

    def shown(self, item: Item) -> str:
        """Return where an item goes, for people."""
        return self.written if self.kind == "file" else f"{self.written.rstrip('/')}/{item.name}"


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
        answer, end = await ask(session, "pull-look.sh", (self.source, compare), become=become)
        values = answer.values(session, end)
        source = values["source"][0]
        names = _listing(values, answer, source)
        # The name is the operator's, not one that the host told: it must not choose where things are written.
        base = self.source.rstrip("/").rpartition("/")[2]
        start = own if base in {"", ".", "..", "~"} else own / base
        if start == own and values["is"][0] == "file":
            raise ExecFailed(Reason.REMOTE, f"{source} is a file")
        fetched, unchanged, size = 0, list[str](), 0
        for wanted, name in names:
            local = start / name if name else start
            shown = str(local.relative_to(own))
            if wanted and await _has(local, wanted):
                unchanged.append(shown)
                continue
            count = await self._fetch(session, f"{source}/{name}" if name else source, local, become)
            session.say(f"fetched    {shown}  ({count} bytes)")
            size += count
            fetched += 1
        _say_unchanged(session, unchanged)
        links = int(values.get("links", ["0"])[0])
        if links:
            session.say(f"left out   {links} link{'s' if links != 1 else ''}")
        return _told(
            session, Source=source, Fetched=fetched, Unchanged=len(unchanged), Bytes=size, LeftOut=links
        )

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
        return size


async def _has(path: Path, wanted: str) -> bool:
    """Tell whether a local file has that content already."""
    if not path.is_file():  # noqa: ASYNC240 - one call
        return False
    try:
        return await asyncio.to_thread(digest, path) == wanted
    except OSError:
        return False


def _say_unchanged(session: Session, names: Sequence[str]) -> None:
    """Name what was right already, unless that is a long list that nobody needs."""
    if len(names) > _MOST_NAMES:
        session.say(f"unchanged  {len(names)} files")
        return
    for name in names:
        session.say(f"unchanged  {name}")


def _listing(values: Mapping[str, list[str]], answer: Answer, source: str) -> list[tuple[str, str]]:
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
