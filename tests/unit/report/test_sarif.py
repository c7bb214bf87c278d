"""SARIF 2.1.0: what its consumers rely on (OASIS SARIF 2.1.0, sections 3.13 to 3.49)."""

import io
import json
from pathlib import Path

import jsonschema
import pytest

from fleetctl.errors import UsageError
from fleetctl.report.finding import Finding
from fleetctl.report.protocol import Case, Telling
from fleetctl.report.sarif import Sarif

EXCERPT = json.loads(
    (Path(__file__).parents[2] / "golden" / "schemas" / "sarif-2.1.0-excerpt.schema.json").read_text()
)
FINDINGS = [
    Finding(rule="ssh/root", name="No root", message="found yes", host="web-1", severity="CRITICAL", why="w", remedy="r", refs={"cis": "5.2"}, file="policies/a b.yaml", line=7),
    Finding(rule="ssh/root", name="No root", message="found yes", host="web-2", severity="CRITICAL", waived="until spring"),
    Finding(rule="ssh/tries", name="Tries", message="", host="web-1", kind="pass", severity="LOW"),
    Finding(rule="ssh/x", name="X", message="not root", host="web-1", kind="open", severity="HIGH"),
]  # fmt: skip


def written(findings, cases=()):
    file = io.StringIO()
    Sarif().write(Telling(data={}, rows=[], columns=[], findings=findings, cases=cases, title="t"), file)
    log = json.loads(file.getvalue())
    jsonschema.validate(log, EXCERPT, jsonschema.Draft7Validator)
    return log["runs"][0]


def test_a_rule_is_told_once_and_results_point_at_it():
    run = written(FINDINGS)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["ssh/root", "ssh/tries", "ssh/x"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert run["invocations"][0]["executionSuccessful"] is True


def test_only_failures_have_a_level_and_waived_ones_are_suppressed():
    results = written(FINDINGS)["results"]
    assert [(r["kind"], r["level"]) for r in results] == [
        ("fail", "error"),
        ("fail", "error"),
        ("pass", "none"),
        ("open", "none"),
    ]
    assert [bool(r.get("suppressions")) for r in results] == [False, True, False, False]
    assert results[1]["suppressions"][0]["justification"] == "until spring"


def test_a_result_names_its_host_and_the_line_of_its_rule():
    first, second = written(FINDINGS)["results"][:2]
    (place,) = first["locations"]
    assert place["logicalLocations"][0]["name"] == "web-1"
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "policies/a%20b.yaml"},
        "region": {"startLine": 7},
    }
    assert "physicalLocation" not in second["locations"][0]
    assert first["partialFingerprints"] != second["partialFingerprints"]


def test_hosts_that_could_not_be_judged_are_told_and_make_the_invocation_fail():
    run = written(
        [],
        [
            Case(name="dead-1", suite="s", error="refused", kind="refused"),
            Case(name="a", suite="s", skipped="no"),
        ],
    )
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [n["message"]["text"] for n in invocation["toolExecutionNotifications"]] == [
        "dead-1 could not be judged: refused"
    ]


def test_a_result_without_findings_is_refused():
    with pytest.raises(UsageError, match="no findings"):
        written(None)
