"""Carry on with a run that a controller left: resume it, attach to its jobs, or end it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from fleetctl.engine.conduct import proceed
from fleetctl.engine.control import Control
from fleetctl.engine.events import Observer
from fleetctl.engine.header import limits_of
from fleetctl.engine.order import Audit, Order, RunResult
from fleetctl.engine.replay import Share, replay
from fleetctl.engine.rollout import Rollout
from fleetctl.engine.task import Session
from fleetctl.engine.work import Work, restore
from fleetctl.errors import FleetError, NotFoundError, UsageError
from fleetctl.model import Host, Outcome
from fleetctl.run.killing import KillTask
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
from fleetctl.transport.protocol import TransportOptions

__all__ = ["Remembered", "Verb", "carry_on", "hosts_in_order", "remember"]

Verb: TypeAlias = Literal["resume", "attach", "cancel"]


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


def remember(
    run: Mapping[str, Any], *, environment: Mapping[str, str] | None = None, begin: bool = True
) -> Remembered:
    """Make the task of a run again.

    Args:
        run: what `run.json` holds.
        environment: where values of secrets are found; our own by default.
        begin: whether hosts are to be begun with it; else files that only a beginning needs may be gone.

    Raises:
        FleetError: it should be possible, and is not: a secret is not set, a file is gone.
    """
    if "Work" not in run:
        return Remembered(task=None, work=None)
    work = Work.from_json(run["Work"])
    if not begin and work.spec.get("Stdin"):
        work = replace(work, spec={**work.spec, "Stdin": None})
    task, secrets = restore(work, environment=os.environ if environment is None else environment)
    return Remembered(task=task, work=work, secrets=secrets)


def hosts_in_order(
    folder: RunFolder, known: Mapping[str, Host], *, verb: Verb, retry_unknown: bool = False
) -> tuple[Host, ...]:
    """Return the hosts of a run, in its order, as the inventory knows them today; those that are left alone as they were then.

    Args:
        folder: the run.
        known: the inventory's hosts, by name.
        verb: as `carry_on` takes it.
        retry_unknown: as above.

    Raises:
        NotFoundError: one that is to be worked on is not in the inventory any more.
    """
    run = folder.run()
    shares = replay(folder).shares
    hosts = [known.get(host["InstanceId"]) or _as_then(host) for host in run["Hosts"]]
    names = [host.name for host in hosts]
    again = retry_unknown or _repeatable(run)
    lasting = again or verb == "cancel" or bool(run.get("Detached"))
    missing = [
        name for name in names if name not in known and _touched(shares[name], verb=verb, lasting=lasting)
    ]
    if missing:
        listed = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise NotFoundError(
            f"{len(missing)} of the run's {len(names)} hosts are not in the inventory any more: {listed}",
            hint="name the inventory it was run with: -i PATH\n"
            f"or run the rest anew: fleetctl run @pending:{folder.run_id},@cancelled:{folder.run_id}",
        )
    return tuple(hosts)


def _touched(share: Share, *, verb: Verb, lasting: bool) -> bool:
    """Tell whether carrying on means to work on a host."""
    if share.unsure:
        return lasting or any(note.get("type") == "rebooting" for note in share.notes)
    return verb == "resume" and share.never_started


def _repeatable(run: Mapping[str, Any]) -> bool:
    return "Work" in run and Work.from_json(run["Work"]).repeatable


def _as_then(told: Mapping[str, Any]) -> Host:
    return Host(
        name=told["InstanceId"],
        address=told.get("Address"),
        port=told.get("Port"),
        user=told.get("User"),
        transport=told.get("Transport", "ssh"),
    )


async def carry_on(
    folder: RunFolder,
    hosts: Sequence[Host],
    *,
    verb: Verb,
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
        retry_unknown: whether hosts whose end nobody saw are begun again; those of work that only looks are in any case.
        environment: where values of secrets are found; our own by default.
        changes: limits that differ from the run's own, by field of `Limits`.
        observers: are told every event.
        control: stops it.
        ask: asks the operator between waves.
        sinks: where the run's folder is copied to.

    Raises:
        LockedError: another controller works on it.
        UsageError: what it did is not kept, or there is nothing to attach to.
        FleetError: it cannot be carried on with.
    """
    run = folder.run()
    cancel = verb == "cancel"
    remembered = _remembered(folder, run, verb=verb, environment=environment)
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
        start=verb == "resume",
        retry_unknown=retry_unknown or _repeatable(run),
        end=cancel,
        observers=observers,
        control=control,
        audit=audit,
        ask=ask,
    )


def _remembered(
    folder: RunFolder,
    run: Mapping[str, Any],
    *,
    verb: Verb,
    environment: Mapping[str, str] | None,
) -> Remembered:
    """Make the task again, as far as the verb needs it."""
    if verb == "cancel":
        # What ends processes must not depend on secrets that nobody has at hand.
        with suppress(FleetError):
            return remember(run, environment=environment, begin=False)
        return Remembered(task=None, work=None)
    if verb == "attach" and not run.get("Detached"):
        raise UsageError(
            f"run {folder.run_id} is not detached: nothing of it goes on by itself",
            hint=f"go on with what was not begun: fleetctl runs resume {folder.run_id}",
        )
    remembered = remember(run, environment=environment, begin=verb == "resume")
    if remembered.task is None and verb == "resume":
        raise UsageError(
            f"run {folder.run_id} cannot be resumed: what it did was not kept in a form that can be done again",
            hint=f"write the command again, for what is left: @pending:{folder.run_id}",
        )
    return remembered


class _Forgotten:
    """Stands for a task that no other process can make again; it is never called, since nothing is begun."""

    async def __call__(self, session: Session) -> Outcome:
        """Refuse."""
        raise NotFoundError(f"what was to be done on {session.host.name} is not known any more")
