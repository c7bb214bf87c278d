"""The contract of a report format: one file, one class, one entry point in the group `fleetctl.reports`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from fleetctl.report.finding import Finding
from fleetctl.report.page import Page

__all__ = ["Case", "Report", "StoredText", "Telling"]

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class StoredText:
    """Text that lies in files, one behind the other, however large: formats that can stream it do.

    Bytes that are not UTF-8 are replaced; a file that does not exist is empty.
    """

    paths: tuple[Path, ...]

    def chunks(self) -> Iterator[str]:
        """Yield the text in pieces of some 256 KB."""
        for path in self.paths:
            try:
                with path.open(encoding="utf-8", errors="replace", newline="") as file:
                    while chunk := file.read(_CHUNK):
                        yield chunk
            except FileNotFoundError:
                continue

    def __str__(self) -> str:
        return "".join(self.chunks())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One verdict, for test-like formats: a host, or one check on a host.

    Attributes:
        name: what was judged (`web-1`).
        suite: what it belongs to (`run uptime`, `web-1`).
        seconds: how long it took.
        failure: what is wrong; empty when all is well.
        error: it could not be judged (unreachable); empty otherwise.
        skipped: why it was not judged; empty otherwise.
        kind: class of the failure or error (`exit-code`, `dns`).
        stdout, stderr: what it printed.
    """

    name: str
    suite: str
    seconds: float = 0.0
    failure: str = ""
    error: str = ""
    skipped: str = ""
    kind: str = ""
    stdout: StoredText | str = ""
    stderr: StoredText | str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A result, ready to be told in any format.

    Attributes:
        data: the whole, JSON-ready but for `StoredText` values and iterators where lists stand.
        rows: flat records, one a line in jsonl and csv; the keys of `columns` for csv.
        columns: csv header, in order.
        cases: verdicts for junit; empty where the result has none.
        title: of the whole.
        page: for html; None: the rows as a table.
        findings: for sarif; None where the result has none, also no empty list of them.
    """

    data: Any
    rows: Iterable[Mapping[str, Any]]
    columns: Sequence[str]
    cases: Iterable[Case] = field(default_factory=tuple)
    title: str = "fleetctl"
    page: Page | None = None
    findings: Iterable[Finding] | None = None


class Report(Protocol):
    """Writes a telling in one format."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write all of it; the last line ends with a newline."""
