"""Take compliance items from elsewhere (SSM: PutComplianceItems): scanners, auditors, a script of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleetctl.compliance.history import Standing
from fleetctl.compliance.model import (
    ComplianceItem,
    ComplianceReport,
    ComplianceStatus,
    ExecutionSummary,
    ResourceSummary,
    Severity,
    SeverityCounts,
)
from fleetctl.spec.check import check
from fleetctl.spec.yaml import parse_document
from fleetctl.store.runs import to_bytes

__all__ = ["Given", "put_report", "read_items"]

_MOST = 10_000  # SSM: PutComplianceItems, Items


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    Id: Annotated[str, Field(min_length=1, max_length=100)]
    Title: Annotated[str, Field(max_length=500)] = ""
    Severity: Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"]
    Status: Literal["COMPLIANT", "NON_COMPLIANT"]
    Details: dict[str, str] = Field(default_factory=dict)


class _Items(BaseModel):
    model_config = ConfigDict(extra="forbid")
    Items: Annotated[list[_Item], Field(max_length=_MOST)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Items that somebody gives for one host.

    Attributes:
        type: `Custom:NAME`.
        partial: leave items that are not named as they are (SSM: UploadType PARTIAL); else the items replace all.
        items: as `read_items` returns them.
    """

    host: str
    type: str
    items: tuple[Mapping[str, Any], ...]
    partial: bool = False


def read_items(text: str, *, file: str) -> tuple[Mapping[str, Any], ...]:
    """Read a JSON list of items, or `{"Items": [...]}`.

    Raises:
        ProblemsError: all that is wrong with it.
    """
    document = parse_document(text, file=file, later=True)
    if isinstance(document.data, list):
        document = parse_document('{"Items": ' + text.lstrip("\ufeff") + "}", file=file, later=True)
    form = check(document, _Items)
    return tuple(item.model_dump() for item in form.Items)


def put_report(
    given: Given, before: Standing, *, run_id: str, now: datetime | None = None
) -> ComplianceReport | None:
    """Return the report that the items make, or None where they change nothing.

    Args:
        given: what was given.
        before: how things stand.
        run_id: name of the new report.
        now: aware UTC.
    """
    key = (given.type, given.host)
    items = {item["Id"]: item for item in (before.items.get(key, ()) if given.partial else ())}
    items.update({item["Id"]: item for item in given.items})
    plain = [
        {name: item[name] for name in ("Id", "Title", "Severity", "Status", "Details")}
        for item in items.values()
    ]
    digest = sha256(to_bytes(sorted(plain, key=lambda item: str(item["Id"])))).hexdigest()
    if before.resources.get(key, {}).get("ContentHash") == digest:
        return None
    when = now or datetime.now(UTC)
    execution = ExecutionSummary(time=when, id=run_id, type="Put")
    found = [_item(given, item, execution) for item in plain]
    return ComplianceReport(
        compliance_type=given.type,
        run_id=run_id,
        captured=when,
        resources=(_resource(given, found, execution, digest=digest),),
        items=tuple(found),
    )


def _item(given: Given, item: Mapping[str, Any], execution: ExecutionSummary) -> ComplianceItem:
    return ComplianceItem(
        compliance_type=given.type,
        resource_id=given.host,
        id=item["Id"],
        title=item["Title"],
        status=ComplianceStatus(item["Status"]),
        severity=Severity(item["Severity"]),
        execution=execution,
        details=item["Details"],
    )


def _resource(
    given: Given, items: Iterable[ComplianceItem], execution: ExecutionSummary, *, digest: str
) -> ResourceSummary:
    items = list(items)
    bad = [item.severity for item in items if item.status is ComplianceStatus.NON_COMPLIANT]
    return ResourceSummary(
        compliance_type=given.type,
        resource_id=given.host,
        status=ComplianceStatus.NON_COMPLIANT if bad else ComplianceStatus.COMPLIANT,
        execution=execution,
        compliant=SeverityCounts.of(i.severity for i in items if i.status is ComplianceStatus.COMPLIANT),
        non_compliant=SeverityCounts.of(bad),
        extra={"ContentHash": digest},
    )
