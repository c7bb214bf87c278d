"""How many hosts stand how: by type of compliance with a trend, and by any group of hosts in SSM's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from fleetctl.compliance.history import Standing
from fleetctl.compliance.index import Kept, ReportIndex

__all__ = ["GROUP_COUNTERS", "Groups", "groups_of", "totals", "trends"]

Groups: TypeAlias = Callable[[str, Mapping[str, Any]], Iterable[str]]
"""Returns the groups of a host, given its name and what is known of it (the summary of its newest report, or nothing)."""

_STATES: Final = (
    "Installed", "InstalledOther", "InstalledPendingReboot", "InstalledRejected", "Missing", "Failed", "NotApplicable",
    "UnreportedNotApplicable", "CriticalNonCompliant", "SecurityNonCompliant", "OtherNonCompliant",
)  # fmt: skip
# SSM: DescribePatchGroupState; the counter of hosts -> the counter of patches on a host.
GROUP_COUNTERS: Final[Mapping[str, str]] = {
    **{f"InstancesWith{state}Patches": f"{state}Count" for state in _STATES},
    "InstancesWithAvailableSecurityUpdates": "AvailableSecurityUpdateCount",
}


def trends(folder: Path, *, last: int) -> dict[str, list[Kept]]:
    """Return the heads of reports by type, the oldest first.

    Args:
        folder: `.fleetctl/reports/compliance`.
        last: so many of each type at most.
    """
    found: dict[str, list[Kept]] = {}
    with ReportIndex(folder) as index:
        for kept in index.kept():
            if len(same := found.setdefault(kept.type, [])) < last:
                same.insert(0, kept)
    return found


def totals(found: Standing, type_: str, reports: Sequence[Kept]) -> dict[str, Any]:
    """Return how things stand with one type of compliance, and how it came to that.

    Args:
        found: the newest word on each host.
        type_: of compliance.
        reports: of that type, the oldest first; one at least.
    """
    hosts = [host for (kind, _), host in found.resources.items() if kind == type_]
    return {
        "ComplianceType": type_,
        **_counted(hosts),
        "CapturedTime": reports[-1].captured,
        "Trend": [_moment(kept) for kept in reports],
    }


def _counted(hosts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    seen = [host["Status"] for host in hosts]
    return {
        "Hosts": len(hosts),
        "Compliant": seen.count("COMPLIANT"),
        "NonCompliant": seen.count("NON_COMPLIANT"),
        "Unknown": seen.count("UNKNOWN"),
        "Findings": sum(host["NonCompliantSummary"]["NonCompliantCount"] for host in hosts),
    }


def _moment(kept: Kept) -> dict[str, Any]:
    summary = kept.summary
    return {
        "CommandId": kept.run_id,
        "CapturedTime": kept.captured,
        "Compliant": summary["CompliantSummary"]["CompliantCount"],
        "NonCompliant": summary["NonCompliantSummary"]["NonCompliantCount"],
        "Unscanned": summary["UnscannedSummary"]["UnscannedCount"],
    }


def groups_of(
    found: Standing, type_: str, hosts: Iterable[str], *, by: str, groups: Groups
) -> list[dict[str, Any]]:
    """Return how things stand with one type of compliance in each group of hosts, by the group's name.

    Args:
        found: the newest word on each host.
        type_: of compliance; of `Patch` there are SSM's counters, too.
        hosts: all, judged or not; a host in several groups counts in each.
        by: what makes a group.
        groups: returns the groups of a host.
    """
    members: dict[str, list[Mapping[str, Any] | None]] = {}
    for host in hosts:
        resource = found.resources.get((type_, host))
        for group in groups(host, resource or {}) or ("",):
            members.setdefault(group, []).append(resource)
    return [_group(type_, by, name, members[name]) for name in sorted(members)]


def _group(type_: str, by: str, name: str, members: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    judged = [host for host in members if host is not None]
    row = {
        "ComplianceType": type_,
        "GroupBy": by,
        "Group": name,
        **_counted(judged),
        "NotJudged": len(members) - len(judged),
    }
    if type_ != "Patch":
        return row
    states = [host["PatchSummary"] for host in judged]
    return row | {
        "Instances": len(members),
        **{
            counter: sum(state.get(field, 0) > 0 for state in states)
            for counter, field in GROUP_COUNTERS.items()
        },
    }
