"""Alpine Linux's secdb: for each repository of a release, which version of which source package mends which CVEs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from fleetctl.feeds.files import FeedFile
from fleetctl.feeds.json_stream import JsonStream
from fleetctl.feeds.model import CVE, Claim, Entry, before
from fleetctl.feeds.protocol import Sample
from fleetctl.feeds.shape import WrongShape, listing, mapping, text

__all__ = ["AlpineSecdb"]

_NAMES: Final = ("distroversion", "reponame", "packages")
_SEPARATORS: Final = re.compile(r"[\s,()+]+")


class AlpineSecdb:
    """Reads `https://secdb.alpinelinux.org/v3.20/main.json`."""

    name: ClassVar[str] = "alpine-secdb"
    title: ClassVar[str] = "Alpine Linux secdb"
    url: ClassVar[str] = "https://secdb.alpinelinux.org/{scope}.json"

    def recognises(self, sample: Sample) -> bool:
        """Tell it by the names of its members."""
        return sum(name in sample.members for name in (*_NAMES, "apkurl")) >= 3

    def partial(self, sample: Sample) -> bool:  # noqa: ARG002 - a FeedKind
        """A file is the whole of one repository of one release."""
        return False

    def read(self, file: FeedFile) -> Iterator[Entry]:
        """Yield one entry for each version that mends something."""
        for document in file.documents():
            stream = JsonStream(document)
            told = dict(stream.members())
            try:
                release = text(told.get("distroversion"), "distroversion")
                scope = f"{release}/{text(told.get('reponame'), 'reponame')}"
                for item in listing(told.get("packages"), "packages"):
                    yield from _entries(mapping(mapping(item, "a package").get("pkg"), "pkg"), release, scope)
            except WrongShape as exc:
                document.fail(str(exc))


def _entries(package: dict[str, Any], release: str, scope: str) -> Iterator[Entry]:
    name = text(package.get("name"), "pkg: name")
    fixes = package.get("secfixes") or {}
    for version, issues in mapping(fixes, f"{name}: secfixes").items():
        # secdb: version 0 lists what never concerned the package as Alpine builds it.
        ranges = () if version == "0" else before(version)
        words = [
            word
            for issue in listing(issues, f"{name}: {version}")
            for word in _SEPARATORS.split(text(issue, f"{name}: {version}"))
        ]
        yield Entry(
            id=f"{name}/{version}",
            cves=tuple(dict.fromkeys(word for word in words if CVE.fullmatch(word))),
            claims=(Claim(ecosystem=f"Alpine:{release}", package=name, ranges=ranges),),
            scope=scope,
        )
