"""SARIF 2.1.0, which code scanning and security dashboards read (OASIS, Static Analysis Results Interchange Format)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, TextIO
from urllib.parse import quote

from fleetctl import __version__
from fleetctl.errors import UsageError
from fleetctl.report.finding import Finding
from fleetctl.report.json import encode
from fleetctl.report.protocol import Case, Telling

__all__ = ["Sarif"]

_LEVELS: Final = {"CRITICAL": "error", "HIGH": "error", "MEDIUM": "warning", "LOW": "note"}
# What code scanning sorts by, from 0 to 10: the middle of each of CVSS's ranges.
_WEIGHTS: Final = {"CRITICAL": "9.5", "HIGH": "8.0", "MEDIUM": "5.5", "LOW": "2.0"}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class Sarif:
    """The findings of a result. Hosts that could not be judged are notifications of the invocation, which then did not succeed."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write them.

        Raises:
            UsageError: the result has no findings.
        """
        if telling.findings is None:
            raise UsageError("this result has no findings that SARIF could show", hint="use --format json")
        log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(telling, list(telling.findings))]}
        file.writelines(encode(log, indent=1))
        file.write("\n")


def _run(telling: Telling, findings: list[Finding]) -> dict[str, Any]:
    rules = list({finding.rule: finding for finding in findings}.values())
    numbers = {rule.rule: number for number, rule in enumerate(rules)}
    errors = [_notification(case) for case in telling.cases if case.error]
    driver = {
        "name": "fleetctl",
        "semanticVersion": __version__,
        "version": __version__,
        "rules": [_rule(rule) for rule in rules],
    }
    return {
        "tool": {"driver": driver},
        "automationDetails": {"description": {"text": telling.title}},
        "invocations": [{"executionSuccessful": not errors, "toolExecutionNotifications": errors}],
        "results": [_result(finding, numbers[finding.rule]) for finding in findings],
        "columnKind": "unicodeCodePoints",
    }


def _rule(finding: Finding) -> dict[str, Any]:
    help_ = "\n\n".join(filter(None, [finding.why, f"Remedy: {finding.remedy}" if finding.remedy else ""]))
    refs = [f"{name}/{section}" for name, section in finding.refs.items()]
    weight = _WEIGHTS.get(finding.severity)
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.name or finding.rule},
        **({"fullDescription": {"text": finding.why}} if finding.why else {}),
        **({"help": {"text": help_}} if help_ else {}),
        "defaultConfiguration": {"level": _LEVELS.get(finding.severity, "note")},
        "properties": {
            "severity": finding.severity,
            "tags": list(dict.fromkeys(["compliance", *refs])),
            **({"security-severity": weight} if weight else {}),
        },
    }


def _result(finding: Finding, number: int) -> dict[str, Any]:
    print_ = sha256(f"{finding.rule}\0{finding.host}".encode("utf-8", "replace")).hexdigest()
    waived = {"kind": "external", "status": "accepted", "justification": finding.waived}
    return {
        "ruleId": finding.rule,
        "ruleIndex": number,
        "kind": finding.kind,
        # SARIF 3.27.10: a level other than none belongs to kind "fail" alone.
        "level": _LEVELS.get(finding.severity, "note") if finding.kind == "fail" else "none",
        "message": {"text": f"{finding.host}: {finding.message or finding.name}"},
        "locations": [_location(finding)],
        "partialFingerprints": {"hostAndRule/v1": print_},
        **({"suppressions": [waived]} if finding.waived else {}),
    }


def _location(finding: Finding) -> dict[str, Any]:
    """Return the host, and the place where the rule is written down, which code scanning can show."""
    host = {"name": finding.host, "fullyQualifiedName": finding.host, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [host]}
    if finding.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.file)}}
        if finding.line > 0:
            place["region"] = {"startLine": finding.line}
        location["physicalLocation"] = place
    return location


def _notification(case: Case) -> dict[str, Any]:
    host: Iterable[dict[str, Any]] = [{"logicalLocations": [{"name": case.name, "kind": "resource"}]}]
    return {
        "descriptor": {"id": case.kind or "not-judged"},
        "level": "error",
        "message": {"text": f"{case.name} could not be judged: {case.error}"},
        "locations": list(host),
    }
