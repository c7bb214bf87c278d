"""Patch Manager: what hosts lack by their baselines, exactly what would be installed, and installing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fleetctl.errors import NotFoundError, UsageError
from fleetctl.fleet.run import RunCalls
from fleetctl.model import Host

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.patch.conclude import Scanned
    from fleetctl.patch.plan import Plan
    from fleetctl.patch.planning import Choice
    from fleetctl.patch.scan import ScanTask

__all__ = ["PatchCalls", "Planned"]

# Fields of tasks that calls take among their options.
_SCAN: Final = ("become", "detail", "refresh", "max_metadata_age")
_INSTALL: Final = ("reboot", "rule", "pre", "post", "lock_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A patch plan, and the run that made it."""

    plan: Plan
    run: RunResult


class PatchCalls(RunCalls):
    """Patch Manager."""

    def scan_task(self, *, baseline: Sequence[str] = (), **options: Any) -> ScanTask:
        """Return what scans hosts by the project's patch baselines, counting from and keeping first-seen dates.

        Args:
            baseline: names or files that stand in for what groups and systems get, at most one for each system.
            **options: as `fleetctl.patch.scan.ScanTask` takes them.

        Raises:
            ProblemsError: baselines are wrong.
            NotFoundError: there is no baseline of that name.
            StateFolderError: the state folder cannot be written.
        """
        from fleetctl.patch.choose import baseline_choice  # noqa: PLC0415
        from fleetctl.patch.first_seen import SeenBook  # noqa: PLC0415
        from fleetctl.patch.scan import ScanTask  # noqa: PLC0415
        from fleetctl.store.first_seen import FirstSeenDates  # noqa: PLC0415

        options.setdefault("choose", baseline_choice(self.project, baseline))
        options.setdefault("seen", SeenBook(FirstSeenDates(self.project.state_folder())))
        return ScanTask(**options)

    def patch_scan(
        self, hosts: str | Sequence[Host], *, baseline: Sequence[str] = (), **options: Any
    ) -> Scanned:
        """Look at the packages of hosts, judge them by their patch baselines, and keep the compliance report.

        Args:
            hosts: a selector, or hosts.
            baseline: as `scan_task` takes them.
            **options: `become`, `detail`, `refresh`, `max_metadata_age` as `ScanTask` takes them; the others as `carry_out` does.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that cannot be judged are in the report as such.
        """
        from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415
        from fleetctl.patch.work import scan_work  # noqa: PLC0415

        self.reports_folder("compliance")  # before the scan: a report that cannot be kept is no use
        task = self.scan_task(baseline=baseline, **_taken(options, _SCAN))
        options.setdefault("parameters", {"Operation": "Scan", **({"Refresh": True} if task.refresh else {})})
        options.setdefault("work", scan_work(task))
        return self.conclude_scan(self.carry_out(task, hosts, name=DOCUMENT, **options))

    def patch_plan(
        self,
        hosts: str | Sequence[Host],
        *,
        baseline: Sequence[str] = (),
        choice: Choice | None = None,
        **options: Any,
    ) -> Planned:
        """Find out exactly what Patch Manager would install, and what it would leave.

        Args:
            hosts: a selector, or hosts.
            baseline: as `scan_task` takes them.
            choice: which of the patches that a baseline asks for; all by default.
            **options: as `patch_scan` takes them.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that cannot be planned are in the plan as such.
        """
        from fleetctl.patch.planning import Choice, PlanTask, plan_of  # noqa: PLC0415
        from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

        selector = hosts if isinstance(hosts, str) else options.get("selector", "")
        scan = self.scan_task(baseline=baseline, **_taken(options, _SCAN))
        options.setdefault("parameters", {"Operation": "Plan", **({"Refresh": True} if scan.refresh else {})})
        task = PlanTask(scan=scan, choice=choice or Choice())
        run = self.carry_out(task, hosts, name=DOCUMENT, **options)
        return Planned(plan=plan_of(run, selector=selector), run=run)

    def patch_install(
        self,
        plan: Plan,
        hosts: Sequence[Host] | None = None,
        *,
        baseline: Sequence[str] = (),
        **options: Any,
    ) -> Scanned:
        """Install exactly what a plan says, reboot where needed, look again, and keep the compliance report.

        Every host works as a detached job: what is cut short goes on with `proceed`.

        Args:
            plan: of `patch_plan`, or of `fleetctl.patch.plan_file.read_plan`.
            hosts: those of the plan to work on; `planned_hosts` by default.
            baseline: as `scan_task` takes them, for the look afterwards.
            **options: `reboot`, `rule`, `pre`, `post`, `lock_seconds` as `fleetctl.patch.install.InstallTask` takes them; the others as
                `patch_scan` does.

        Raises:
            UsageError: no host of the plan has anything to install.
            FleetError: fleetctl itself cannot go on; hosts that fail are in the report as such.
        """
        from fleetctl.patch.install import InstallTask  # noqa: PLC0415
        from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415
        from fleetctl.patch.work import install_work  # noqa: PLC0415

        self.reports_folder(
            "compliance"
        )  # before anything is changed: a report that cannot be kept is no use
        reboot = options.get("reboot", "if-needed")
        chosen = self.planned_hosts(plan, reboot=reboot) if hosts is None else tuple(hosts)
        if not chosen:
            raise UsageError(
                "there is nothing to install in this plan", hint="what it leaves out, and why: Plan.hosts"
            )
        scan = self.scan_task(baseline=baseline, **_taken(options, _SCAN))
        task = InstallTask(
            plan=plan.only(host.name for host in chosen), scan=scan, **_taken(options, _INSTALL)
        )
        told = {"Operation": "Install", "PlanId": plan.plan_id, "RebootOption": task.reboot}
        options.setdefault("parameters", told)
        options.setdefault("selector", plan.selector)
        options.setdefault("work", install_work(task))
        return self.conclude_scan(self.carry_out(task, chosen, name=DOCUMENT, detached=True, **options))

    def planned_hosts(self, plan: Plan, *, reboot: str = "if-needed") -> tuple[Host, ...]:
        """Return the hosts of a plan that have something to install, or wait for a reboot, in the order of the inventory.

        Args:
            plan: of any hosts.
            reboot: as `patch_install` takes it; where it is `never`, none is chosen for its reboot.

        Raises:
            NotFoundError: the inventory does not know one of them.
        """
        # SSM reboots what waits for it from before, too (RebootIfNeeded).
        waits = reboot != "never"
        names = {share.host for share in plan.hosts if share.patches or (share.reboot_pending and waits)}
        known = self.inventory.hosts
        if missing := sorted(names - known.keys()):
            raise NotFoundError(
                f"the inventory does not know {len(missing)} of the plan's hosts: {', '.join(missing[:5])}",
                hint="name the inventory that the plan was made with (-i PATH), or make a new plan",
            )
        return tuple(host for name, host in known.items() if name in names)

    def conclude_scan(self, run: RunResult, *, looked: Sequence[RunResult] = ()) -> Scanned:
        """Judge a run of `ScanTask` or `InstallTask`, and keep the compliance report.

        Args:
            run: whose report it is.
            looked: runs that looked at further hosts of the same order; they are in the report too.

        Raises:
            StateFolderError: it cannot be kept.
        """
        from fleetctl.patch.conclude import conclude  # noqa: PLC0415

        return conclude(run, self.reports_folder("compliance"), looked=looked)


def _taken(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Take out of options what a task is made of."""
    return {name: options.pop(name) for name in names if name in options}
