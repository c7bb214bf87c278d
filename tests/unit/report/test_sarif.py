"""SARIF 2.1.0: what its consumers rely on (OASIS SARIF 2.1.0, sections 3.13 to 3.49)."""

import io
import json

import jsonschema
import pytest

from fleetctl.errors import UsageError
from fleetctl.report.finding import Finding
from fleetctl.report.protocol import Case, Telling
from fleetctl.report.sarif import Sarif

TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
LOCATION = {
    "type": "object",
    "properties": {
        "logicalLocations": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["name"]},
        },
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {"type": "object", "required": ["uri"]},
                "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        },
    },
    "additionalProperties": False,
}
# The part of the format that is used here, written down from the text of the standard.
PART = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                            },
                                        },
                                    }
                                },
                            }
                        },
                        "additionalProperties": False,
                    },
                    "automationDetails": {
                        "type": "object",
                        "properties": {"description": TEXT},
                        "additionalProperties": False,
                    },
                    "invocations": {
                        "type": "array",
                        "items": {"type": "object", "required": ["executionSuccessful"]},
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "kind": {
                                    "enum": [
                                        "notApplicable",
                                        "pass",
                                        "fail",
                                        "review",
                                        "open",
                                        "informational",
                                    ]
                                },
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "locations": {"type": "array", "items": LOCATION},
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "suppressions": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["kind"],
                                        "properties": {
                                            "kind": {"enum": ["inSource", "external"]},
                                            "status": {"enum": ["accepted", "underReview", "rejected"]},
                                        },
                                    },
                                },
                            },
                            "additionalProperties": False,
                        },
                    },
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
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
    jsonschema.validate(log, PART, jsonschema.Draft202012Validator)
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
