"""Compliance: hosts held to policies, and verdicts that are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fleetctl.errors import FleetError, UsageError
from fleetctl.fleet.run import RunCalls
from fleetctl.model import Host

if TYPE_CHECKING:
    from fleetctl.compliance.history import Standing
    from fleetctl.compliance.policy_report import Checked
    from fleetctl.compliance.policy_task import PolicyTask
    from fleetctl.compliance.summary import Groups
    from fleetctl.engine.order import RunResult
    from fleetctl.errors import SelectorError

__all__ = ["ComplianceCalls"]


class ComplianceCalls(RunCalls):
    """Compliance."""

    def check_policies(
        self,
        hosts: str | Sequence[Host],
        *,
        policies: Sequence[str] = (),
        become: bool | None = None,
        warn: Callable[[str], None] | None = None,
        **options: Any,
    ) -> Checked:
        """Hold hosts to policies, and keep the compliance report.

        Args:
            hosts: a selector, or hosts.
            policies: names or files; all of the project by default.
            become: True, False, or None: as the inventory says.
            warn: is told what is odd about the policies, and hinders nothing.
            **options: as `carry_out` takes them.

        Raises:
            ProblemsError: policies are wrong.
            NotFoundError: there is no such policy, or none at all.
            UsageError: none of them is for any of the hosts.
            FleetError: fleetctl itself cannot go on; hosts that cannot be judged are in the report as such.
        """
        from fleetctl.compliance.policy_task import DOCUMENT  # noqa: PLC0415
        from fleetctl.compliance.work import check_work  # noqa: PLC0415

        self.reports_folder("compliance")  # before the check: a report that cannot be kept is no use
        if isinstance(hosts, str):
            options.setdefault("selector", hosts)
            hosts = self.select(hosts)
        task = self._policy_task(hosts, policies, become=become, warn=warn)
        options.setdefault("parameters", {"Policies": [bound.policy.name for bound in task.bound]})
        options.setdefault("work", check_work(task))
        return self.conclude_check(self.carry_out(task, hosts, name=DOCUMENT, **options))

    def conclude_check(self, run: RunResult) -> Checked:
        """Judge a run of `PolicyTask`, and keep the compliance report.

        Raises:
            StateFolderError: it cannot be kept.
        """
        from fleetctl.compliance.policy_report import conclude_check  # noqa: PLC0415

        return conclude_check(run, self.reports_folder("compliance"))

    def compliance_standing(self, *, type_: str | None = None, host: str | None = None) -> Standing:
        """Return the newest verdict about each host, of all that is kept.

        Args:
            type_: only of this type.
            host: only about this one.
        """
        from fleetctl.compliance.history import standing  # noqa: PLC0415

        return standing(self.reports_folder("compliance"), type_=type_, host=host)

    def policy_names(self) -> frozenset[str] | None:
        """Return the names of the project's policies; None where there are none, or they cannot be read."""
        from fleetctl.compliance.policy_load import find_policies  # noqa: PLC0415

        try:
            return frozenset(policy.name for policy in find_policies((), self.project.root))
        except FleetError:
            return None

    def compliance_groups(self, by: str, found: Standing, *, type_: str = "Patch") -> list[dict[str, Any]]:
        """Return how hosts stand, group by group (SSM: DescribePatchGroupState).

        Args:
            by: `patch-group`, `baseline`, `os`, `zone`, `group` or `tag:KEY`.
            found: the newest verdict about each host.
            type_: of compliance.

        Raises:
            UsageError: there is no such way to group hosts.
        """
        from fleetctl.compliance.summary import groups_of  # noqa: PLC0415

        return groups_of(found, type_, self.inventory.hosts, by=by, groups=self._groups(by))

    def _groups(self, by: str) -> Groups:
        from fleetctl.patch.choose import patch_group_of  # noqa: PLC0415

        hosts = self.inventory.hosts

        def one(text: str | None) -> tuple[str, ...]:
            return (text,) if text else ()

        known: dict[str, Groups] = {
            "patch-group": lambda host, _: one(patch_group_of(hosts[host])),
            "zone": lambda host, _: one(hosts[host].zone),
            "group": lambda host, _: hosts[host].groups,
            "os": lambda host, told: one(
                told.get("Platform", {}).get("PlatformName") or hosts[host].platform
            ),
            "baseline": lambda _, told: one(told.get("PatchSummary", {}).get("BaselineId")),
        }
        if by.startswith("tag:") and (tag := by.removeprefix("tag:")):
            return lambda host, _: one(hosts[host].tags.get(tag))
        if by not in known:
            raise UsageError(
                f"hosts cannot be grouped by '{by}'", hint=f"one of {', '.join(known)}, or tag:KEY"
            )
        return known[by]

    def _policy_task(
        self,
        hosts: Sequence[Host],
        policies: Sequence[str],
        *,
        become: bool | None,
        warn: Callable[[str], None] | None,
    ) -> PolicyTask:
        """Load policies, and resolve their selectors."""
        from fleetctl.compliance.policy_load import find_policies  # noqa: PLC0415
        from fleetctl.compliance.policy_task import PolicyTask, bind  # noqa: PLC0415
        from fleetctl.hosts import select as select_hosts  # noqa: PLC0415

        def absent(exc: SelectorError) -> None:
            if warn:
                warn(f"a policy's hosts: {exc.message}")

        def select(text: str) -> list[str]:
            chosen = select_hosts(self.inventory, text, resolve_run=self._hosts_of_run, absent=absent)
            return [host.name for host in chosen]

        found = find_policies(policies, self.project.root)
        bound = bind(found, select)
        if not any(item.hosts is None or host.name in item.hosts for item in bound for host in hosts):
            raise UsageError(
                f"no policy is for any of these hosts ({', '.join(policy.name for policy in found)})",
                hint="see applies_to with: fleetctl compliance policy list",
            )
        return PolicyTask(bound=bound, become=become)
