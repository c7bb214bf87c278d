"""A compliance report of any type, ready to be told in any format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleetctl.compliance.page import page_of
from fleetctl.report.finding import Finding
from fleetctl.report.protocol import Case, Telling

__all__ = ["COLUMNS", "findings_of", "items_by_host", "tell_report"]

COLUMNS = (
    "ResourceId",
    "HostStatus",
    "ComplianceType",
    "Id",
    "Title",
    "Status",
    "Severity",
    "Finding",
    "Remedy",
    "References",
    "Waiver",
    "ExpiredWaiver",
    "ExecutionTime",
    "Reason",
    "Message",
)


def tell_report(
    report: Mapping[str, Any], *, title: str, history: Sequence[Mapping[str, Any]] = ()
) -> Telling:
    """Tell a report: rows are items, and every host has at least one row; cases are checks on hosts.

    Args:
        report: as `compliance.report.report_json` makes it.
        title: of the whole.
        history: reports of the same type, the oldest first, this one the last.
    """
    return Telling(
        data=report,
        rows=list(_rows(report)),
        columns=COLUMNS,
        cases=list(_cases(report)),
        title=title,
        page=page_of(report, history=history),
        findings=list(findings_of(report)),
    )


def items_by_host(items: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return items by host, in their order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        found.setdefault(item["ResourceId"], []).append(item)
    return found


def findings_of(report: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is to be told as findings: all but compliant items of a type that lists everything."""
    kinds: dict[str, Any] = {"COMPLIANT": "pass", "UNKNOWN": "open"}
    for item in report["ComplianceItems"]:
        details = item["Details"]
        file, _, line = details.get("Source", "").rpartition(":")
        waiver = details.get("Waiver")
        yield Finding(
            rule=item["Id"],
            name=item["Title"],
            message=_said(item),
            host=item["ResourceId"],
            kind=kinds.get(item["Status"], "fail"),
            severity=item["Severity"],
            why=details.get("Why", ""),
            remedy=details.get("Remedy", ""),
            refs=details.get("References", {}),
            file="" if file.startswith(("/", "~")) else file,
            line=int(line) if line.isdecimal() else 0,
            waived=f"{waiver['Reason']} ({waiver['Owner']}, until {waiver['Expires']})" if waiver else "",
        )


def _said(item: Mapping[str, Any]) -> str:
    details = item["Details"]
    if "PatchState" in details:
        versions = [details[key] for key in ("InstalledVersion", "CandidateVersion") if key in details]
        return f"{details['PatchState']} {item['Title']} {' -> '.join(versions)}".rstrip()
    return str(details.get("Finding") or item["Title"])


def _rows(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    items = items_by_host(report["ComplianceItems"])
    for host in report["ResourceSummaries"]:
        own = {"ResourceId": host["ResourceId"], "HostStatus": host["Status"]}
        for item in items.get(host["ResourceId"], ()):
            keys = ("ComplianceType", "Id", "Title", "Status", "Severity")
            when = item["ExecutionSummary"]["ExecutionTime"]
            yield {**own, **item["Details"], **{key: item[key] for key in keys}, "ExecutionTime": when}
        if host["ResourceId"] not in items:
            yield own
    for host in report["Unscanned"]:
        told = {name: host.get(name, "") for name in ("ResourceId", "Reason", "Message")}
        yield {**told, "HostStatus": "UNSCANNED"}


def _cases(report: Mapping[str, Any]) -> Iterator[Case]:
    items = items_by_host(report["ComplianceItems"])
    for host in report["ResourceSummaries"]:
        for item in items.get(host["ResourceId"], ()):
            status, said = item["Status"], _said(item)
            waiver = item["Details"].get("Waiver", {})
            yield Case(
                name=item["Id"],
                suite=host["ResourceId"],
                failure=said if status == "NON_COMPLIANT" else "",
                error=said if status == "UNKNOWN" else "",
                skipped=f"waived by {waiver.get('Owner')} until {waiver.get('Expires')}: {said}"
                if status == "WAIVED"
                else "",
                kind=item["Severity"] if status == "NON_COMPLIANT" else "unknown" * (status == "UNKNOWN"),
            )
        if host["ResourceId"] not in items:
            failing = host["Status"] != "COMPLIANT"
            yield Case(
                name=host["ComplianceType"],
                suite=host["ResourceId"],
                failure=host["Status"] if failing else "",
                kind=host["Status"] if failing else "",
            )
    for host in report["Unscanned"]:
        message = host.get("Message") or host["StatusDetails"]
        skipped = host["Status"] == "Skipped"
        yield Case(
            name=host["ResourceId"],
            suite=host["ResourceId"],
            error="" if skipped else message,
            skipped=message if skipped else "",
            kind=host["Reason"],
        )
