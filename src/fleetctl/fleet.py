"""The composition root: reads the project and hands out the services, so that all that the command line does is a Python call.

from fleetctl.fleet import Fleet

fleet = Fleet.open()
result = fleet.run("web,&env=prod", "uptime")
for outcome in result.outcomes:
    print(outcome.host, outcome.status, result.folder.read_output(outcome.host, "stdout"))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fleetctl.errors import NotFoundError, UsageError
from fleetctl.model import EMPTY, Command, Host
from fleetctl.store.project import Project, open_project
from fleetctl.store.runs import RunFolder, Runs

if TYPE_CHECKING:
    from fleetctl.engine.budget import Limits
    from fleetctl.engine.control import Control
    from fleetctl.engine.events import Observer
    from fleetctl.engine.order import RunResult
    from fleetctl.engine.rollout import Rollout
    from fleetctl.engine.task import Task
    from fleetctl.engine.work import Work
    from fleetctl.hosts import Inventory
    from fleetctl.inventory.choose import Snapshot
    from fleetctl.inventory.diff import RunThen
    from fleetctl.patch.conclude import Scanned
    from fleetctl.patch.scan import ScanTask
    from fleetctl.store.audit import AuditLog
    from fleetctl.store.items import Capture, Items
    from fleetctl.transport.protocol import TransportOptions

__all__ = ["Fleet"]


class Fleet:
    """A fleet project with its hosts.

    Args:
        project: where things are on disk, and the settings.
        sources: inventory files, folders or sources that stand in for the project's own.

    Attributes:
        project, sources: as above.
    """

    def __init__(self, project: Project, *, sources: Sequence[str] = ()) -> None:
        self.project = project
        self.sources = tuple(sources)

    @classmethod
    def open(
        cls, path: str | Path | None = None, *, inventory: Sequence[str] = (), state: str | Path | None = None
    ) -> Fleet:
        """Open the project at `path`, or the one found upward from the current directory, or none.

        Args:
            path: a project folder.
            inventory: files, folders or sources instead of the project's (`fleetctl -i`).
            state: where runs and reports are kept instead of `.fleetctl/`.

        Raises:
            NotFoundError: there is no project at `path`.
            ProblemsError: `fleetctl.yaml` is wrong.
        """
        project = open_project(Path(path) if path else None, state=Path(state) if state else None)
        return cls(project, sources=inventory)

    @cached_property
    def inventory(self) -> Inventory:
        """All hosts.

        Raises:
            ProblemsError: everything that is wrong with the inventory files.
            NotFoundError: there is no inventory at all.
        """
        from fleetctl.hosts import load  # noqa: PLC0415 - not needed to look at old runs

        sources: list[str | Path] = list(self.sources) or list(self.project.inventories())
        if not sources:
            raise NotFoundError(
                "there is no inventory here",
                hint="name one with -i hosts.yaml, or make a project with: fleetctl init",
            )
        return load(sources)

    @cached_property
    def runs(self) -> Runs:
        """What was run before; the folder is made on first use."""
        return Runs(self.project.state_folder("runs"))

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log over all runs; its folder is made on first use."""
        from fleetctl.store.audit import AuditLog  # noqa: PLC0415

        return AuditLog.below(self.project.state_folder("audit"))

    def select(
        self, selector: str, *, limit: int | None = None, exclude: str | None = None
    ) -> tuple[Host, ...]:
        """Return the hosts that a selector names, in inventory order.

        Raises:
            SelectorError: it cannot be read, or matches nothing.
        """
        from fleetctl.hosts import select  # noqa: PLC0415

        return tuple(
            select(self.inventory, selector, limit=limit, exclude=exclude, resolve_run=self._hosts_of_run)
        )

    async def fan_out(
        self,
        task: Task,
        hosts: str | Sequence[Host],
        *,
        name: str,
        limits: Limits | None = None,
        transport: TransportOptions | None = None,
        parameters: Mapping[str, Any] = EMPTY,
        comment: str = "",
        selector: str = "",
        observers: Sequence[Observer] = (),
        control: Control | None = None,
        secrets: frozenset[str] = frozenset(),
        work: Work | None = None,
        reach: Mapping[str, Any] = EMPTY,
        detached: bool = False,
        wait: bool = True,
        rollout: Rollout | None = None,
        retry_of: str = "",
        ask: Callable[[str], bool | None] | None = None,
    ) -> RunResult:
        """Run a task on hosts, and keep everything about it in a run folder.

        Args:
            task: what each host's share is.
            hosts: a selector, or hosts.
            name: SSM's DocumentName, for the record.
            limits: rate control; the project's settings by default.
            transport: how hosts are reached; the project's settings by default.
            parameters: what is worth recording of the order.
            comment: free text for the record.
            selector: how the hosts were named, where `hosts` are hosts.
            observers: see every event.
            control: stops it.
            secrets: taken out of everything that is kept.
            work: how to make the task again, so that the run can be carried on with by another process.
            reach: how hosts were named and reached, for the same.
            detached: run commands as jobs that outlive connection and controller.
            wait: follow detached jobs to their end.
            rollout: waves and gates.
            retry_of: the run whose hosts these are.
            ask: asks the operator between waves.

        Raises:
            FleetError: fleetctl itself cannot go on.
        """
        from fleetctl.engine.conduct import execute  # noqa: PLC0415 - the engine brings asyncio and transports
        from fleetctl.engine.order import Order  # noqa: PLC0415

        chosen = self.select(hosts) if isinstance(hosts, str) else tuple(hosts)
        order = Order(
            name=name,
            hosts=rollout.order(chosen) if rollout else chosen,
            task=task,
            limits=limits or self.limits(),
            transport=transport or self.transport_options(),
            selector=hosts if isinstance(hosts, str) else selector,
            parameters=parameters,
            comment=comment,
            secrets=secrets,
            work=work,
            reach=reach,
            detached=detached,
            wait=wait,
            rollout=rollout,
            retry_of=retry_of,
            sinks=self.project.settings.sinks,
        )
        return await execute(
            order, self.runs, observers=observers, control=control, audit=self.audit, ask=ask
        )

    def run(self, hosts: str | Sequence[Host], command: str | Command, **options: Any) -> RunResult:
        """Run a shell line, or a `Command`, on hosts, and wait for the result.

        Args:
            hosts: a selector, or hosts.
            command: what to run.
            **options: as `fan_out` takes them.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that fail are outcomes.
        """
        from fleetctl.run.command import CommandTask  # noqa: PLC0415

        if isinstance(command, str):
            command = Command(script=command)
        options.setdefault("parameters", {"commands": [command.script]})
        options.setdefault("name", "AWS-RunShellScript")
        return asyncio.run(self.fan_out(CommandTask(command=command), hosts, **options))

    async def proceed(
        self,
        folder: RunFolder,
        hosts: Sequence[Host],
        *,
        verb: Literal["resume", "attach", "cancel"],
        **options: Any,
    ) -> RunResult:
        """Carry on with a run that another controller left.

        Args:
            folder: the run.
            hosts: all of the run, in its order, as they are reached now.
            verb: `resume`, `attach` or `cancel`.
            **options: as `fleetctl.run.carry_on.carry_on` takes them.

        Raises:
            LockedError: another controller works on it.
            FleetError: it cannot be carried on with.
        """
        from fleetctl.run.carry_on import carry_on  # noqa: PLC0415

        options.setdefault("transport", self.transport_options())
        sinks = self.project.settings.sinks
        return await carry_on(folder, hosts, verb=verb, audit=self.audit, sinks=sinks, **options)

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
            **options: as `fan_out` takes them.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that cannot be judged are in the report as such.
        """
        from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

        options.setdefault("parameters", {"Operation": "Scan"})
        self.reports_folder("compliance")
        task = self.scan_task(baseline=baseline)
        return self.conclude_scan(asyncio.run(self.fan_out(task, hosts, name=DOCUMENT, **options)))

    def conclude_scan(self, run: RunResult) -> Scanned:
        """Judge a run of `ScanTask`, and keep the compliance report.

        Raises:
            StateFolderError: it cannot be kept.
        """
        from fleetctl.patch.conclude import conclude  # noqa: PLC0415

        return conclude(run, self.reports_folder("compliance"))

    @cached_property
    def inventory_store(self) -> Items:
        """What hosts told of themselves; its folder is made on first use."""
        from fleetctl.store.items import Items  # noqa: PLC0415

        return Items(self.project.state_folder("inventory"))

    def inventory_of(self, hosts: str = "all", *, at: datetime | None = None) -> Snapshot:
        """Return what is kept of hosts.

        Args:
            hosts: a selector, a host's name, or `all` of which anything is kept.
            at: as it was known then; None is now.

        Raises:
            NotFoundError: nothing is kept of these.
        """
        from fleetctl.inventory.choose import Snapshot, choose  # noqa: PLC0415

        store = self.inventory_store
        chosen = choose(store, hosts, select=lambda text: [host.name for host in self.select(text)])
        return Snapshot(store, hosts=None if hosts == "all" else chosen, at=at)

    def inventory_history(self, host: str, type_: str | None = None) -> list[Capture]:
        """Return every look at hosts that is kept, the oldest first.

        Raises:
            NotFoundError: nothing is kept of these.
        """
        return [
            capture
            for name in self.inventory_of(host).hosts
            for capture in self.inventory_store.history(name, type_=type_)
        ]

    def runs_on(self, host: str, *, begin: datetime, end: datetime) -> list[RunThen]:
        """Return the runs that were on a host between two moments, but for looks at its inventory."""
        from fleetctl.inventory.diff import runs_between  # noqa: PLC0415

        return runs_between(self.runs, host, begin=begin, end=end)

    def reports_folder(self, kind: str) -> Path:
        """Make and return the folder where reports of a kind are kept.

        Raises:
            StateFolderError: it cannot be written.
        """
        return self.project.state_folder("reports", kind)

    def limits(self, **given: Any) -> Limits:
        """Return rate limits: what is given (and not None), else the project's settings.

        Args:
            **given: `max_concurrency`, `max_errors`, `max_unreachable` as text (`10`, `10%`); `connect_concurrency`, `timeout`,
                `connect_timeout` as numbers.

        Raises:
            BudgetError: one of them is not a number or percentage.
        """
        from fleetctl.engine.budget import Limits, Quota  # noqa: PLC0415

        settings = self.project.settings.run

        def value(name: str) -> Any:
            return given.get(name) if given.get(name) is not None else getattr(settings, name)

        return Limits(
            max_concurrency=Quota.parse(value("max_concurrency"), name="--max-concurrency", least=1),
            max_errors=Quota.parse(value("max_errors"), name="--max-errors"),
            max_unreachable=Quota.parse(value("max_unreachable"), name="--max-unreachable"),
            connect_concurrency=value("connect_concurrency"),
            timeout=value("timeout"),
            connect_timeout=value("connect_timeout"),
        )

    def transport_options(self, **given: Any) -> TransportOptions:
        """Return how hosts are reached: what is given, else the project's settings.

        Raises:
            UsageError: a named file does not exist.
        """
        from fleetctl.transport.protocol import TransportOptions  # noqa: PLC0415

        settings = self.project.settings.ssh
        base = self.project.root or Path.cwd()
        values: dict[str, Any] = {
            "known_hosts": tuple(base / Path(item).expanduser() for item in settings.known_hosts),
            "host_keys": settings.host_keys,
            "ssh_config": base / Path(settings.config).expanduser() if settings.config else None,
            "key_exchange": settings.key_exchange,
            "inventory": self.inventory.hosts,
        }
        values |= {key: value for key, value in given.items() if value not in (None, ())}
        config = values["ssh_config"]
        if config is not None and not config.exists():
            raise UsageError(
                f"there is no file {config}", hint="named by --ssh-config, or ssh.config in fleetctl.yaml"
            )
        return TransportOptions(**values)

    def _hosts_of_run(self, kind: str, run: str) -> list[str]:
        from fleetctl.run.history import hosts_of_run  # noqa: PLC0415

        return hosts_of_run(self.runs.find(run), kind)
