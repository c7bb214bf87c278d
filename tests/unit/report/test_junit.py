from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.report.junit import JUnit
from fleetctl.report.protocol import Case, StoredText, Telling


def written(cases: list[Case], title: str = "run") -> str:
    file = io.StringIO()
    JUnit().write(Telling(data=None, rows=(), columns=(), cases=cases, title=title), file)
    return file.getvalue()


def shown(text: str) -> str:
    """What XML can hold of a text."""

    def allowed(char: str) -> bool:
        code = ord(char)
        return char in "\t\n\r" or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

    return "".join(char if allowed(char) else "\ufffd" for char in text)


TEXT = st.text(st.characters(), max_size=30)
CASES = st.builds(
    Case,
    name=TEXT,
    suite=st.sampled_from(["one", "two <&>"]),
    seconds=st.floats(0, 1e6),
    failure=TEXT,
    stdout=TEXT,
    stderr=TEXT,
    kind=TEXT,
)


@given(cases=st.lists(CASES, min_size=1, max_size=5), title=TEXT)
def test_whatever_hosts_print_it_is_well_formed_and_comes_back(cases: list[Case], title: str) -> None:
    root = ET.fromstring(written(cases, title))  # noqa: S314 - our own text
    found = list(root.iter("testcase"))
    assert root.get("name") == shown(title)
    for element, case in zip(found, cases, strict=True):
        assert element.get("name") == shown(case.name)
        assert element.findtext("system-out", "") == shown(str(case.stdout))
        assert element.findtext("system-err", "") == shown(str(case.stderr))
        failure = element.find("failure")
        assert (failure is not None) == bool(case.failure)
        if failure is not None:
            assert failure.get("message") == shown(case.failure)


def test_ci_systems_read_counts_verdicts_and_output(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a \x1b[31m \xff & <b> ]]>\r\n")
    cases = [
        Case(name="web-1", suite="run", seconds=1.5, stdout=StoredText((tmp_path / "out",))),
        Case(name="web-2", suite="run", failure="exit code 3", kind="exit-code", stderr="oh"),
        Case(name="web-3", suite="run", error="refused", kind="refused"),
        Case(name="web-4", suite="run", skipped="not Linux"),
    ]
    (tmp_path / "junit.xml").write_text(written(cases), encoding="utf-8", newline="")
    result: Any = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    (suite,) = result
    assert (suite.tests, suite.failures, suite.errors, suite.skipped, suite.time) == (4, 1, 1, 1, 1.5)
    good, failed, broken, skipped = suite
    assert good.is_passed
    assert good.system_out == "a \ufffd[31m \ufffd & <b> ]]>\r\n"
    assert (failed.result[0].message, failed.result[0].type) == ("exit code 3", "exit-code")
    assert failed.system_err == "oh"
    assert isinstance(broken.result[0], junitparser.Error)
    assert isinstance(skipped.result[0], junitparser.Skipped)


def test_a_result_without_verdicts_is_refused() -> None:
    with pytest.raises(UsageError, match="no verdicts"):
        written([])


# What may stand where by the schema of Jenkins' xUnit plugin (junit-10.xsd), which refuses a file with anything else:
# element -> attributes that it needs, attributes that it may have, elements in it.
JENKINS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


@given(cases=st.lists(CASES, min_size=1, max_size=5))
def test_jenkins_takes_it(cases: list[Case]) -> None:
    told = [
        *cases,
        Case(name="e", suite="one", error="x", kind="k"),
        Case(name="s", suite="one", skipped="y"),
    ]
    for element in ET.fromstring(written(told)).iter():  # noqa: S314 - our own text
        needed, allowed, inside = JENKINS[element.tag]
        assert needed <= set(element.keys()) <= needed | allowed, element.tag
        assert {below.tag for below in element} <= inside
        assert TIME.fullmatch(element.get("time", ""))
