"""Run Command: work on hosts, and runs that are carried on with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fleetctl.fleet.project import ProjectCalls
from fleetctl.model import EMPTY, Command, Host
from fleetctl.store.runs import RunFolder

if TYPE_CHECKING:
    from fleetctl.engine.budget import Limits
    from fleetctl.engine.control import Control
    from fleetctl.engine.events import Observer
    from fleetctl.engine.order import RunResult
    from fleetctl.engine.rollout import Rollout
    from fleetctl.engine.task import Task
    from fleetctl.engine.work import Work
    from fleetctl.transport.protocol import TransportOptions

__all__ = ["RunCalls", "Through"]

Through: TypeAlias = (
    "Callable[[Callable[[Sequence[Observer], Control], Coroutine[Any, Any, RunResult]]], RunResult]"
)
"""Carries out a run: given what starts it with observers and a control, returns what became of it. The command line has one with a
live view and Ctrl-C."""


class RunCalls(ProjectCalls):
    """Run Command."""

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

    def carry_out(
        self, task: Task, hosts: str | Sequence[Host], *, through: Through | None = None, **order: Any
    ) -> RunResult:
        """Run a task on hosts as `fan_out` does, and wait for the result.

        Args:
            task: what each host's share is.
            hosts: a selector, or hosts.
            through: what carries it out; in an event loop of its own, without further ado, by default.
            **order: as `fan_out` takes them; `observers` and `control` only without `through`.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that fail are outcomes.
        """
        if through is None:
            return asyncio.run(self.fan_out(task, hosts, **order))
        return through(
            lambda observers, control: self.fan_out(
                task, hosts, observers=observers, control=control, **order
            )
        )

    def run(self, hosts: str | Sequence[Host], command: str | Command, **options: Any) -> RunResult:
        """Run a shell line, or a `Command`, on hosts, and wait for the result.

        Args:
            hosts: a selector, or hosts.
            command: what to run.
            **options: as `carry_out` takes them.

        Raises:
            FleetError: fleetctl itself cannot go on; hosts that fail are outcomes.
        """
        from fleetctl.run.command import CommandTask  # noqa: PLC0415

        if isinstance(command, str):
            command = Command(script=command)
        options.setdefault("parameters", {"commands": [command.script]})
        options.setdefault("name", "AWS-RunShellScript")
        return self.carry_out(CommandTask(command=command), hosts, **options)

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
