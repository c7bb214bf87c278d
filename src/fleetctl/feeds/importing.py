"""Import a file: find out of which kind it is, read it, keep it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from fleetctl.errors import FeedError, Where
from fleetctl.feeds.database import FILE
from fleetctl.feeds.files import Document, FeedFile
from fleetctl.feeds.json_stream import JsonStream
from fleetctl.feeds.keep import Kept, keep
from fleetctl.feeds.protocol import FeedKind, Sample
from fleetctl.spec.plugins import load, names

__all__ = ["GROUP", "Imported", "import_file", "kinds"]

GROUP: Final = "fleetctl.feeds"
_HEAD: Final = 4096  # characters of a table
_MEMBERS: Final = 12  # of an object, until its kind must be plain


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was imported: of which kind it is, and what was kept."""

    kind: FeedKind
    kept: Kept


def kinds() -> list[FeedKind]:
    """Return every registered kind of feed, by name.

    Raises:
        PluginError: one of them does not import.
    """
    return [load(GROUP, name)() for name in names(GROUP)]


def import_file(path: Path, folder: Path, *, now: datetime, dated: datetime | None = None) -> Imported:
    """Read a file and keep what it says, in the place of what was kept of that feed; on any fault all stays as it was.

    Args:
        path: of the file.
        folder: the state folder.
        now: aware UTC.
        dated: of what date it is, where it does not say so itself.

    Raises:
        FeedError: it is no feed that is known, or a damaged one.
        StateFolderError: it cannot be kept.
    """
    file = FeedFile(path)
    sample = _sample(file)
    known = kinds()
    kind = next((kind for kind in known if kind.recognises(sample)), None)
    if kind is None:
        listed = ", ".join(kind.title for kind in known)
        raise FeedError("it is no feed that fleetctl knows", hint=f"known: {listed}", where=Where(str(path)))
    kept = keep(
        folder / FILE,
        kind.read(file),
        kind=kind.name,
        source=path,
        dated=(dated, "user") if dated else None,
        changed=min(file.changed, now),
        now=now,
        partial=kind.partial(sample),
    )
    return Imported(kind, kept)


def _sample(file: FeedFile) -> Sample:
    for document in file.documents():
        text = document.read(_HEAD)
        if not text.lstrip().startswith(("{", "[")):
            return Sample(text=text, archive=file.archive)
        break
    for document in file.documents():
        return _json_sample(document, archive=file.archive)
    return Sample(archive=file.archive)


def _json_sample(document: Document, *, archive: bool) -> Sample:
    stream = JsonStream(document)
    members = stream.members()
    if stream.shape == "array":
        return Sample(shape="array", first=next((item for _, item in members), None), archive=archive)
    return Sample(shape="object", members=dict(islice(members, _MEMBERS)), archive=archive)
