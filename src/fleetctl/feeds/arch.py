"""Arch Linux's security tracker, `all.json`: groups of CVEs of some packages, with the version that was affected and the one that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from fleetctl.feeds.files import FeedFile
from fleetctl.feeds.json_stream import JsonStream
from fleetctl.feeds.model import EVERY, Claim, Entry, Ranges, before
from fleetctl.feeds.protocol import Sample
from fleetctl.feeds.severity import severity_word
from fleetctl.feeds.shape import WrongShape, cves_in, listing, mapping, text

__all__ = ["ArchTracker"]

_STATUSES: Final = ("Unknown", "Vulnerable", "Testing", "Fixed", "Not affected")


class ArchTracker:
    """Reads `https://security.archlinux.org/all.json`."""

    name: ClassVar[str] = "arch-tracker"
    title: ClassVar[str] = "Arch Linux security tracker"
    url: ClassVar[str] = "https://security.archlinux.org/all.json"

    def recognises(self, sample: Sample) -> bool:
        """Tell it by its first group: AVG-1 with packages and issues."""
        first = sample.first
        return (
            isinstance(first, dict)
            and str(first.get("name", "")).startswith("AVG-")
            and {"packages", "issues"} <= first.keys()
        )

    def partial(self, sample: Sample) -> bool:  # noqa: ARG002 - a FeedKind
        """It always comes whole."""
        return False

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield one entry for each group."""
        for document in file.documents():
            stream = JsonStream(document)
            for _, group in stream.members():
                try:
                    yield _entry(mapping(group, "a group"))
                except WrongShape as exc:
                    named = group.get("name", "a group") if isinstance(group, dict) else "a group"
                    stream.fail(f"{named}: {exc}")


def _entry(group: dict[str, Any]) -> Entry:
    name = text(group.get("name"), "name")
    status = text(group.get("status"), "status")
    if status not in _STATUSES:
        raise WrongShape(f"the status '{status}' is not known ({', '.join(_STATUSES)})")
    return Entry(
        id=name,
        cves=tuple(cves_in(group.get("issues"), "issues")),
        claims=tuple(
            Claim(
                ecosystem="Arch Linux",
                package=text(package, "packages"),
                ranges=_ranges(status, group.get("fixed")),
                undetermined=status == "Unknown",
                severity=severity_word(str(group.get("severity") or "")),
                advisory=name,
                note="the fix is in the testing repository" if status == "Testing" else "",
            )
            for package in listing(group.get("packages"), "packages")
        ),
    )


def _ranges(status: str, fixed: Any) -> Ranges:
    if status in {"Not affected", "Unknown"}:
        return ()
    return before(text(fixed, "fixed")) if fixed else EVERY
