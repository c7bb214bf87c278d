"""A patch plan, ready to be told in any format."""

from __future__ import annotations

from typing import Any

from fleetctl.patch.plan import HostPlan, Plan
from fleetctl.patch.plan_page import plan_page
from fleetctl.report.protocol import Telling

__all__ = ["tell_plan"]

COLUMNS = ("InstanceId", "Kind", "Name", "Arch", "Before", "After", "Security", "CVEs", "Advisories", "Why")


def tell_plan(plan: Plan) -> Telling:
    """Tell a plan: whole as JSON or YAML, one change a row as CSV, a page for people as HTML."""
    rows = [row for share in plan.hosts for row in _rows(share)]
    return Telling(
        data=plan.to_json(),
        rows=rows,
        columns=COLUMNS,
        title=f"fleetctl patch plan {plan.plan_id}",
        page=plan_page(plan),
    )


def _rows(share: HostPlan) -> list[dict[str, Any]]:
    patches = {(patch.name, patch.arch): patch for patch in share.patches}
    rows: list[dict[str, Any]] = []
    for change in share.changes:
        patch = patches.get((change.name, change.arch))
        rows.append(
            {
                "InstanceId": share.host,
                "Kind": change.kind,
                "Name": change.name,
                "Arch": change.arch,
                "Before": change.before,
                "After": change.after,
                "Security": patch.security if patch else False,
                "CVEs": " ".join(patch.cves) if patch else "",
                "Advisories": " ".join(patch.advisories) if patch else "",
                "Why": patch.by if patch else "comes along",
            }
        )
    rows += [
        {
            "InstanceId": share.host,
            "Kind": "left-out",
            "Name": item.name,
            "Arch": item.arch,
            "Before": "",
            "After": item.version,
            "Security": "",
            "CVEs": " ".join(item.cves),
            "Advisories": "",
            "Why": item.why,
        }
        for item in share.left_out
    ]
    return rows
