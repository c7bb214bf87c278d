"""The contract of a kind of feed: one file, one class, one line under `[project.entry-points."fleetctl.feeds"]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from fleetctl.feeds.files import FeedFile
from fleetctl.feeds.model import Entry

__all__ = ["FeedKind", "Sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The beginning of a file, by which a kind knows its own.

    Attributes:
        text: its first characters, at most some thousand.
        shape: `object` or `array` where it is JSON, else empty.
        members: the first members of an object by name (values too).
        first: the first item of an array; None where it is none or empty.
        archive: the file is an archive, and this is its first JSON file.
    """

    text: str = ""
    shape: str = ""
    members: Mapping[str, Any] = field(default_factory=dict)
    first: Any = None
    archive: bool = False


class FeedKind(Protocol):
    """Reads one form of file.

    Attributes:
        name: entry point name.
        title: for people.
        url: where the file can be had; `{scope}` in it stands for the scope of the feed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    url: ClassVar[str]

    def recognises(self, sample: Sample) -> bool:
        """Tell whether a file is of this kind."""

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield what a file says, in its order, strictly: nothing that is not understood is passed over in silence.

        Raises:
            FeedError: with the place in the file.
        """

    def partial(self, sample: Sample) -> bool:
        """Tell whether the file is no whole feed but one entry of it, to be added to what is kept."""
