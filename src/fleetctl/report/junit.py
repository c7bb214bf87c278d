"""JUnit XML, which every CI system shows: one test suite a run, one test case a host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from fleetctl.errors import UsageError
from fleetctl.report.protocol import Case, StoredText, Telling

__all__ = ["JUnit"]

# What XML 1.0 cannot hold, not even escaped (XML 1.0, section 2.2, Char).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A parser would turn a bare one into a newline (XML 1.0, section 2.11).
_AS_REFERENCE = {"\r": "&#13;"}


class JUnit:
    """The verdicts of a result as JUnit XML; output is streamed, so that its size does not matter."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write them.

        Raises:
            UsageError: the result has no verdicts.
        """
        cases = list(telling.cases)
        if not cases:
            raise UsageError("this result has no verdicts that JUnit could show", hint="use --format json")
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        # Jenkins' schema (junit-10.xsd, which its xUnit plugin insists on) has no `skipped` here.
        file.write(f"<testsuites name={_attribute(telling.title)} {_counts(cases)}>\n")
        for suite, members in groupby(cases, key=lambda case: case.suite):
            inside = list(members)
            skipped = sum(bool(case.skipped) for case in inside)
            file.write(f'<testsuite name={_attribute(suite)} {_counts(inside)} skipped="{skipped}">\n')
            for case in inside:
                _write_case(case, file)
            file.write("</testsuite>\n")
        file.write("</testsuites>\n")


def _counts(cases: list[Case]) -> str:
    failures = sum(bool(case.failure) for case in cases)
    errors = sum(bool(case.error) for case in cases)
    seconds = sum(case.seconds for case in cases)
    return f'tests="{len(cases)}" failures="{failures}" errors="{errors}" time="{seconds:.3f}"'


def _write_case(case: Case, file: TextIO) -> None:
    file.write(
        f'<testcase classname={_attribute(case.suite)} name={_attribute(case.name)} time="{case.seconds:.3f}">\n'
    )
    for tag, message in (("failure", case.failure), ("error", case.error)):
        if message:
            file.write(f"<{tag} type={_attribute(case.kind)} message={_attribute(message)}/>\n")
    if case.skipped:
        file.write(f"<skipped message={_attribute(case.skipped)}/>\n")
    for tag, text in (("system-out", case.stdout), ("system-err", case.stderr)):
        _write_text(tag, text, file)
    file.write("</testcase>\n")


def _write_text(tag: str, text: StoredText | str, file: TextIO) -> None:
    pieces: Iterable[str] = text.chunks() if isinstance(text, StoredText) else [text] if text else []
    opened = False
    for piece in pieces:
        if not opened:
            file.write(f"<{tag}>")
            opened = True
        file.write(escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", piece), _AS_REFERENCE))
    if opened:
        file.write(f"</{tag}>\n")


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))
