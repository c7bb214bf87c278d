"""Read a framed answer: what each section printed, how it ended, and what is missing.

Frames are the same on stdout and stderr (see `scripts/collect.sh`). A line that looks like a frame but does not fit the open
section is text. Whatever is torn, doubled or lost is told as a fault of that section, never raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

__all__ = ["Section", "Sections", "read_sections"]

# Without `^`: what begins with fixed text is found ten times as fast.
_FRAME = re.compile(r"@@fleetctl (?:([a-z0-9-]+) (?:(begin)|end (\d{1,3}))|(done))\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of an answer.

    Attributes:
        text: its stdout, without the frame.
        errors: its stderr.
        code: exit code of the native tool; -1 if its end was never seen.
        fault: what is wrong with the section itself; empty if nothing is.
    """

    name: str
    text: str = ""
    errors: str = ""
    code: int = -1
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether it came whole and the tool exited with 0."""
        return self.code == 0 and not self.fault

    @property
    def lines(self) -> list[str]:
        """Its stdout in lines."""
        return self.text.splitlines()


@dataclass(frozen=True, slots=True)
class Sections:
    """A whole answer. A section that never came is empty, with a fault that says so.

    Attributes:
        complete: whether the last line of the script was reached.
    """

    found: dict[str, Section] = field(default_factory=dict)
    complete: bool = False

    def __getitem__(self, name: str) -> Section:
        return self.found.get(name) or Section(name=name, fault="it is missing from the host's answer")

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def __iter__(self) -> Iterator[Section]:
        return iter(self.found.values())


def read_sections(stdout: bytes, stderr: bytes = b"") -> Sections:
    """Read an answer. Bytes that are not UTF-8 are replaced; text outside of sections (banners) is ignored.

    Args:
        stdout: as the host printed it.
        stderr: the same for errors; may be empty.
    """
    found, complete = _split(stdout.decode(errors="replace"))
    errors, _ = _split(stderr.decode(errors="replace"))
    for name, section in errors.items():
        if name in found:
            found[name] = replace(found[name], errors=section.text)
    return Sections(found, complete)


def _split(text: str) -> tuple[dict[str, Section], bool]:
    found: dict[str, Section] = {}
    name, begin = "", 0
    complete = False
    for frame in _FRAME.finditer(text):
        if text[frame.start() - 1 : frame.start()] not in {"", "\n"}:
            continue
        named, begins, code, done = frame.groups()
        if not name:
            if begins:
                name, begin = named, frame.end() + 1
            complete = complete or bool(done)
        elif code is not None and named == name:
            _add(found, Section(name=name, text=_body(text, begin, frame.start()), code=int(code)))
            name = ""
        elif begins or done:
            torn = Section(name=name, text=_body(text, begin, frame.start()), fault="its end is missing")
            _add(found, torn)
            name, begin = (named, frame.end() + 1) if begins else ("", 0)
            complete = complete or bool(done)
    if name:
        _add(found, Section(name=name, text=_body(text, begin, len(text)), fault="it is cut short"))
    return found, complete


def _body(text: str, begin: int, end: int) -> str:
    """Return what lies between two frames, without the newline that the closing frame adds."""
    return text[begin : max(begin, end - 1)] if text[end - 1 : end] == "\n" else text[begin:end]


def _add(found: dict[str, Section], section: Section) -> None:
    """Keep the first section of a name: a second one is not from our script."""
    if section.name in found:
        found[section.name] = replace(found[section.name], fault="it came twice")
    else:
        found[section.name] = section
