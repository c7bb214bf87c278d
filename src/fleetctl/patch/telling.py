"""A scan's verdict, ready to be told in any format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleetctl.compliance.page import page_of
from fleetctl.compliance.telling import findings_of
from fleetctl.report.protocol import Case, Telling

__all__ = ["COLUMNS", "tell_scan"]

COLUMNS = (
    "ResourceId",
    "HostStatus",
    "Title",
    "PatchState",
    "Status",
    "Severity",
    "Classification",
    "InstalledVersion",
    "CandidateVersion",
    "Origin",
    "Held",
    "CVEIds",
    "AdvisoryIds",
    "Note",
    "Reason",
    "Message",
)


def tell_scan(report: Mapping[str, Any], *, history: Sequence[Mapping[str, Any]] = ()) -> Telling:
    """Tell a compliance report of patches: rows are patches, and every host has at least one row.

    Args:
        report: as `compliance.report.report_json` makes it.
        history: earlier reports, the oldest first, for the trend of a page.
    """
    return Telling(
        data=report,
        rows=_rows(report),
        columns=COLUMNS,
        cases=_cases(report),
        title=f"fleetctl patch scan {report['CommandId']}",
        page=page_of(report, history=history),
        findings=findings_of(report),
    )


def _rows(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    items = _by_host(report["ComplianceItems"])
    for host in report["ResourceSummaries"]:
        own = {"ResourceId": host["ResourceId"], "HostStatus": host["Status"]}
        for item in items.get(host["ResourceId"], ()):
            yield {**own, **item["Details"], **{k: item[k] for k in ("Title", "Status", "Severity")}}
        if host["ResourceId"] not in items:
            yield own
    for host in report["Unscanned"]:
        told = {name: host.get(name, "") for name in ("ResourceId", "Reason", "Message")}
        yield {**told, "HostStatus": "UNSCANNED"}


def _cases(report: Mapping[str, Any]) -> Iterator[Case]:
    items = _by_host(report["ComplianceItems"])
    for host in report["ResourceSummaries"]:
        failing = [i for i in items.get(host["ResourceId"], ()) if i["Status"] == "NON_COMPLIANT"]
        yield Case(
            name=host["ResourceId"],
            suite="fleetctl.patch",
            failure="\n".join(_line(item) for item in failing),
            kind="NON_COMPLIANT" if failing else "",
        )
    for host in report["Unscanned"]:
        message = host.get("Message") or host["StatusDetails"]
        skipped = host["Status"] == "Skipped"
        yield Case(
            name=host["ResourceId"],
            suite="fleetctl.patch",
            error="" if skipped else message,
            skipped=message if skipped else "",
            kind=host["Reason"],
        )


def _line(item: Mapping[str, Any]) -> str:
    details = item["Details"]
    versions = [details[k] for k in ("InstalledVersion", "CandidateVersion") if k in details]
    note = f" ({details['Note']})" if "Note" in details else ""
    return f"{details['PatchState']} {item['Title']} {' -> '.join(versions)}{note}".rstrip()


def _by_host(items: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        found.setdefault(item["ResourceId"], []).append(item)
    return found
