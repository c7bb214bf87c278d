"""Carry on with a run that a controller left: resume it, attach to its jobs, or end it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fleetctl.engine.conduct import proceed
from fleetctl.engine.control import Control
from fleetctl.engine.events import Observer
from fleetctl.engine.header import limits_of
from fleetctl.engine.order import Audit, Order, RunResult
from fleetctl.engine.rollout import Rollout
from fleetctl.engine.task import Session
from fleetctl.engine.work import Work, restore
from fleetctl.errors import NotFoundError
from fleetctl.model import Host, Outcome
from fleetctl.run.killing import KillTask
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
from fleetctl.transport.protocol import TransportOptions

__all__ = ["Remembered", "carry_on", "hosts_in_order", "remember"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A run's work, made again of what `run.json` keeps.

    Attributes:
        task: None where the run can only be looked after, not begun on further hosts.
        work: as it was kept.
        secrets: values that it holds.
    """

    task: Any
    work: Work | None
    secrets: frozenset[str] = frozenset()


def remember(run: Mapping[str, Any], *, environment: Mapping[str, str] | None = None) -> Remembered:
    """Make the task of a run again.

    Args:
        run: what `run.json` holds.
        environment: where values of secrets are found; our own by default.

    Raises:
        FleetError: it should be possible, and is not: a secret is not set, a file is gone.
    """
    if "Work" not in run:
        return Remembered(task=None, work=None)
    work = Work.from_json(run["Work"])
    task, secrets = restore(work, environment=os.environ if environment is None else environment)
    return Remembered(task=task, work=work, secrets=secrets)


def hosts_in_order(run: Mapping[str, Any], known: Mapping[str, Host]) -> tuple[Host, ...]:
    """Return the hosts of a run, in its order, as the inventory knows them today.

    Raises:
        NotFoundError: one is not in the inventory any more.
    """
    names = [host["InstanceId"] for host in run["Hosts"]]
    missing = [name for name in names if name not in known]
    if missing:
        listed = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise NotFoundError(
            f"{len(missing)} of the run's {len(names)} hosts are not in the inventory any more: {listed}",
            hint="name the inventory it was run with: -i PATH",
        )
    return tuple(known[name] for name in names)


async def carry_on(
    folder: RunFolder,
    hosts: Sequence[Host],
    *,
    verb: Literal["resume", "attach", "cancel"],
    transport: TransportOptions,
    audit: Audit | None = None,
    retry_unknown: bool = False,
    environment: Mapping[str, str] | None = None,
    changes: Mapping[str, Any] | None = None,
    observers: Sequence[Observer] = (),
    control: Control | None = None,
    ask: Callable[[str], bool | None] | None = None,
    sinks: tuple[SinkSettings, ...] = (),
) -> RunResult:
    """Carry on with a run.

    Args:
        folder: the run.
        hosts: all of the run, in its order.
        verb: `resume` begins what was not begun, and attaches to detached jobs; `attach` only attaches; `cancel` ends what runs and
            begins nothing.
        transport: how hosts are reached.
        audit: takes note of it.
        retry_unknown: whether hosts whose end nobody saw are begun again.
        environment: where values of secrets are found; our own by default.
        changes: limits that differ from the run's own, by field of `Limits`.
        observers: are told every event.
        control: stops it.
        ask: asks the operator between waves.
        sinks: where the run's folder is copied to.

    Raises:
        LockedError: another controller works on it.
        FleetError: it cannot be carried on with.
    """
    run = folder.run()
    remembered = Remembered(task=None, work=None)
    if verb == "resume" or run.get("Detached"):
        remembered = remember(run, environment=environment)
    cancel = verb == "cancel"
    task = KillTask.of(run, remembered.task) if cancel else remembered.task or _Forgotten()
    order = Order(
        name=run["DocumentName"],
        hosts=tuple(hosts),
        task=task,
        limits=replace(limits_of(run), **(changes or {})),
        transport=transport,
        selector=run.get("Selector", ""),
        comment=run.get("Comment", ""),
        secrets=remembered.secrets,
        work=remembered.work,
        detached=bool(run.get("Detached")) and not cancel,
        rollout=Rollout.from_record(run["Rollout"]) if "Rollout" in run and verb == "resume" else None,
        sinks=sinks,
    )
    return await proceed(
        order,
        folder,
        doing=f"fleetctl runs {verb}",
        start=verb == "resume" and remembered.task is not None,
        retry_unknown=retry_unknown,
        end=cancel,
        observers=observers,
        control=control,
        audit=audit,
        ask=ask,
    )


class _Forgotten:
    """Stands for a task that no other process can make again; it is never called, since nothing is begun."""

    async def __call__(self, session: Session) -> Outcome:
        """Refuse."""
        raise NotFoundError(f"what was to be done on {session.host.name} is not known any more")
