"""A compliance report as a page for people who decide: totals, trend, what to do first, worst hosts, every host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fleetctl.compliance.model import Severity
from fleetctl.report.page import Bar, Detail, Page, Table, Tile, Tone

__all__ = ["found_text", "page_of"]

_MOST_REMEDIES: Final = 15
_MOST_WORST: Final = 10
_MOST_BARS: Final = 60
_TONES: Final[dict[str, Tone]] = {"COMPLIANT": "good", "NON_COMPLIANT": "bad", "UNKNOWN": "warn"}
_NAMES: Final = {
    "Patch": "Patch compliance",
    "Association": "State compliance",
    "Custom:policy": "Policy compliance",
}


def page_of(report: Mapping[str, Any], *, history: Sequence[Mapping[str, Any]] = ()) -> Page:
    """Return the page of a report.

    Args:
        report: as `compliance.report.report_json` makes it.
        history: reports of the same type, the oldest first.
    """
    items: dict[str, list[Mapping[str, Any]]] = {}
    for item in report["ComplianceItems"]:
        items.setdefault(item["ResourceId"], []).append(item)
    type_ = report["ComplianceType"]
    return Page(
        title=_NAMES.get(type_, f"Compliance: {type_}"),
        lead=_lead(report),
        facts=[
            ("As of", report["CapturedTime"][:16].replace("T", " ") + " UTC"),
            ("Run", report["CommandId"]),
            ("Type", type_),
        ],
        tiles=list(_tiles(report)),
        trend=[_bar(old) for old in history[-_MOST_BARS:]],
        tables=[
            table
            for table in (_remedies(report), _worst(report), _waived(report), _not_judged(report))
            if table
        ],
        details=[_detail(host, items.get(host["ResourceId"], ())) for host in _by_gravity(report)],
    )


def _counts(report: Mapping[str, Any]) -> tuple[int, int, int]:
    summary = report["Summary"]
    dark = summary["UnscannedSummary"]["UnscannedCount"] + summary.get("UnknownCount", 0)
    good = summary["CompliantSummary"]["CompliantCount"]
    return good, summary["NonCompliantSummary"]["NonCompliantCount"], dark


def _lead(report: Mapping[str, Any]) -> str:
    good, bad, dark = _counts(report)
    total = good + bad + dark
    if total and good == total:
        return "The host is compliant." if total == 1 else f"All {total} hosts are compliant."
    told = f"{good} of {_hosts(total)} {'is' if 1 in {good, total} else 'are'} compliant"
    told += f", {bad} {'is' if bad == 1 else 'are'} not" if bad else ""
    return told + (f"; of {_hosts(dark)} it cannot be said." if dark else ".")


def _hosts(number: int) -> str:
    return f"{number} host{'' if number == 1 else 's'}"


def _tiles(report: Mapping[str, Any]) -> Iterator[Tile]:
    good, bad, dark = _counts(report)
    total = good + bad + dark
    share = f"{100 * good // total} %" if total else "-"
    yield Tile(
        label="compliant",
        value=share,
        tone="good" if good == total else "bad",
        note=f"{good} of {_hosts(total)}",
    )
    yield Tile(label="hosts not compliant", value=str(bad), tone="bad" if bad else "good")
    yield Tile(label="hosts not judged", value=str(dark), tone="warn" if dark else "good")
    grave = sum(
        host["NonCompliantSummary"]["SeveritySummary"][f"{word}Count"]
        for host in report["ResourceSummaries"]
        for word in ("Critical", "High")
    )
    yield Tile(label="critical or high findings", value=str(grave), tone="bad" if grave else "good")
    if waived := sum(host.get("WaivedCount", 0) for host in report["ResourceSummaries"]):
        yield Tile(label="findings waived", value=str(waived))


def _bar(report: Mapping[str, Any]) -> Bar:
    good, bad, dark = _counts(report)
    parts: list[tuple[str, int, Tone]] = [
        ("compliant", good, "good"),
        ("not compliant", bad, "bad"),
        ("not judged", dark, "warn"),
    ]
    return Bar(label=report["CapturedTime"][:16].replace("T", " "), parts=parts)


def _remedies(report: Mapping[str, Any]) -> Table:
    """Return what mends most, the gravest and most frequent first."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in report["ComplianceItems"]:
        if item["Status"] == "NON_COMPLIANT":
            key = item["Title"] if "PatchState" in item["Details"] else item["Id"]
            found.setdefault((key, item["Severity"]), []).append(item)
    ranked = sorted(found.values(), key=lambda same: (-Severity(same[0]["Severity"]).rank, -len(same)))
    rows = [
        (item["Severity"], str(len({i["ResourceId"] for i in same})), item["Title"], _remedy(item))
        for same in ranked[:_MOST_REMEDIES]
        for item in same[:1]
    ]
    left = len(ranked) - len(rows)
    note = "The gravest first, then what mends most hosts." + (
        f" {left} more are listed with the hosts." if left > 0 else ""
    )
    return Table(
        title="What to do",
        header=("Severity", "Hosts", "Finding", "Remedy"),
        rows=rows,
        note=note if rows else "",
    )


def _remedy(item: Mapping[str, Any]) -> str:
    details = item["Details"]
    if "PatchState" in details:
        state = details["PatchState"]
        if state == "INSTALLED_PENDING_REBOOT":
            return "Reboot the host, and scan again"
        wanted = details.get("CandidateVersion", "")
        return f"Install {wanted}" if wanted else details.get("Note", "")
    return str(details.get("Remedy") or details.get("Finding", ""))


def _by_gravity(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    order = ["NON_COMPLIANT", "UNKNOWN", "COMPLIANT"]

    def key(host: Mapping[str, Any]) -> tuple[Any, ...]:
        counts = host["NonCompliantSummary"]["SeveritySummary"]
        return (
            order.index(host["Status"]),
            *(-counts[f"{severity.value.capitalize()}Count"] for severity in Severity),
        )

    return sorted(report["ResourceSummaries"], key=key)


def _worst(report: Mapping[str, Any]) -> Table | None:
    rows = []
    for host in _by_gravity(report)[:_MOST_WORST]:
        counts = host["NonCompliantSummary"]["SeveritySummary"]
        if host["Status"] == "NON_COMPLIANT":
            other = sum(counts.values()) - counts["CriticalCount"] - counts["HighCount"]
            name = host.get("Platform", {}).get("PlatformName", "")
            rows.append(
                (host["ResourceId"], str(counts["CriticalCount"]), str(counts["HighCount"]), str(other), name)
            )
    header = ("Host", "Critical", "High", "Other", "System")
    return Table(title="Worst hosts", header=header, rows=rows) if rows else None


def _waived(report: Mapping[str, Any]) -> Table | None:
    rows: dict[tuple[str, ...], list[str]] = {}
    for item in report["ComplianceItems"]:
        for name, words in (("Waiver", "in force"), ("ExpiredWaiver", "expired: counts as none")):
            if waiver := item["Details"].get(name):
                key = (item["Title"], waiver["Owner"], waiver["Reason"], waiver["Expires"], words)
                rows.setdefault(key, []).append(item["ResourceId"])
    if not rows:
        return None
    header = ("Finding", "Owner", "Reason", "Expires", "Standing", "Hosts")
    told = [
        (*key, ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""))
        for key, hosts in rows.items()
    ]
    return Table(title="Waivers", header=header, rows=told, note="Not compliant, and allowed for a while.")


def _not_judged(report: Mapping[str, Any]) -> Table | None:
    rows = [
        (host["ResourceId"], host["StatusDetails"], host["Reason"], host.get("Message", ""))
        for host in report["Unscanned"]
    ]
    note = "Nothing is known about these hosts: they are not to be taken for compliant."
    header = ("Host", "Status", "Reason", "What happened")
    return Table(title="Hosts not judged", header=header, rows=rows, note=note) if rows else None


def _detail(host: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Detail:
    bad = host["NonCompliantSummary"]["NonCompliantCount"]
    parts = [f"{bad} not compliant"] if bad else []
    for name, words in (("UnknownCount", "unknown"), ("WaivedCount", "waived")):
        parts += [f"{host[name]} {words}"] if host.get(name) else []
    summary = "; ".join(parts) or "compliant"
    order = ("NON_COMPLIANT", "UNKNOWN", "WAIVED", "COMPLIANT")
    ranked = sorted(items, key=lambda item: (order.index(item["Status"]), -Severity(item["Severity"]).rank))
    rows = [(item["Status"], item["Severity"], item["Title"], found_text(item)) for item in ranked]
    table = Table(title="", header=("Status", "Severity", "Check", "Found"), rows=rows)
    return Detail(
        title=host["ResourceId"], summary=summary, tone=_TONES.get(host["Status"], "plain"), table=table
    )


def found_text(item: Mapping[str, Any]) -> str:
    """Return what was found, in one line."""
    details = item["Details"]
    if "PatchState" in details:
        versions = [details[key] for key in ("InstalledVersion", "CandidateVersion") if key in details]
        note = f" ({details['Note']})" if "Note" in details else ""
        return f"{details['PatchState']} {' → '.join(versions)}{note}"
    return str(details.get("Finding", ""))
