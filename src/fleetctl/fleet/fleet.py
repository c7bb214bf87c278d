"""All that can be done with a fleet, in one class; one file for each component of SSM says how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fleetctl.fleet.compliance import ComplianceCalls
from fleetctl.fleet.cve import CveCalls
from fleetctl.fleet.patch import PatchCalls

if TYPE_CHECKING:
    from fleetctl.compliance.policy_report import Checked
    from fleetctl.engine.order import RunResult
    from fleetctl.patch.conclude import Scanned
    from fleetctl.store.runs import RunFolder

__all__ = ["Fleet"]

# Kinds of work that are judged; see the entry points `fleetctl.tasks`.
_PATCH: Final = frozenset({"patch-install", "patch-scan"})
_POLICY: Final = "policy-check"


class Fleet(PatchCalls, CveCalls, ComplianceCalls):
    """A fleet project with its hosts.

    | component | calls |
    |---|---|
    | the project (`project.py`) | `open`, `inventory`, `select`, `runs`, `audit`, `reports_folder`, `limits`, `transport_options` |
    | Run Command (`run.py`) | `run`, `carry_out`, `fan_out`, `proceed` |
    | Patch Manager (`patch.py`) | `patch_scan`, `patch_plan`, `patch_install`, `planned_hosts`, `scan_task`, `conclude_scan` |
    | CVEs (`cve.py`) | `cve`, `open_cves`, `import_feed`, `feeds` |
    | Inventory (`inventory.py`) | `collect_inventory`, `inventory_of`, `inventory_history`, `inventory_store`, `runs_on` |
    | Compliance (`compliance.py`) | `check_policies`, `compliance_standing`, `compliance_groups`, `policy_names`, `conclude_check` |
    | any of them (here) | `conclude`, `lacks_verdict` |

    Calls block until the hosts are done, but for those that are coroutines. What becomes of a host is an outcome, never an exception.
    """

    def conclude(self, run: RunResult) -> Scanned | Checked | None:
        """Judge a run that was carried on with, if it is one that is judged, and keep the compliance report.

        Args:
            run: of any kind.

        Returns:
            None where the run is of a kind that says nothing about compliance.

        Raises:
            StateFolderError: the report cannot be kept.
        """
        kind = _kind(run.folder)
        if kind in _PATCH:
            return self.conclude_scan(run)
        return self.conclude_check(run) if kind == _POLICY else None

    def lacks_verdict(self, run: RunFolder) -> bool:
        """Tell whether a run is of a kind that is judged, and was not: its controller was killed before it could keep a report."""
        judged = {*_PATCH, _POLICY}
        return (
            _kind(run) in judged and not (self.reports_folder("compliance") / f"{run.run_id}.json").exists()
        )


def _kind(run: RunFolder) -> str:
    return str(run.run().get("Work", {}).get("Kind", ""))
