"""One order to many hosts, from its folder to its report.

run.json  ->  events.jsonl  ->  out/<host>/...  ->  report.json
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import resource
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fleetctl import __version__
from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.engine.control import Control
from fleetctl.engine.events import Observer, RunEnded, RunStarted
from fleetctl.engine.fanout import FanOut
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.report import run_report, run_status
from fleetctl.engine.task import Task
from fleetctl.model import EMPTY, Host, Outcome
from fleetctl.redact import Redactor
from fleetctl.store.runs import RunFolder, Runs, new_run_id
from fleetctl.transport.protocol import TransportOptions

__all__ = ["Order", "RunResult", "execute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do, on which hosts, within which limits.

    Attributes:
        name: SSM's DocumentName (`AWS-RunShellScript`), or the verb.
        hosts: resolved, in order, without duplicates.
        selector: as it was written.
        parameters: what is worth recording of the order (the command line, a document's parameters); secrets are taken out.
        comment: free text of the operator, up to 100 characters (SSM: Comment).
        secrets: values that must not appear in anything that is kept or shown.
    """

    name: str
    hosts: tuple[Host, ...]
    task: Task
    limits: Limits = field(default_factory=Limits)
    transport: TransportOptions = field(default_factory=TransportOptions)
    selector: str = ""
    parameters: Mapping[str, Any] = EMPTY
    comment: str = ""
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of a run; `report` is what `report.json` holds."""

    run_id: str
    status: str
    outcomes: tuple[Outcome, ...]
    folder: RunFolder
    report: dict[str, Any] = field(repr=False)


async def execute(
    order: Order, runs: Runs, *, observers: Sequence[Observer] = (), control: Control | None = None
) -> RunResult:
    """Carry out an order.

    Args:
        order: what to do.
        runs: where the run's folder is made.
        observers: called with every event, in order, from the event loop.
        control: how an operator stops it.

    Raises:
        FleetError: fleetctl itself cannot go on; single hosts that fail never raise.
    """
    control = control or Control()
    _allow_open_files(order)
    requested = datetime.now(UTC)
    redactor = Redactor(order.secrets | order.transport.credentials.secrets())
    folder = runs.create(new_run_id(requested))
    folder.write_run(_run_json(order, folder.run_id, requested, redactor))
    ledger = Ledger(folder.events, first=(folder.path / "run.json").read_bytes())
    connector = Connector(order.transport, limits=order.limits)
    for observer in observers:
        observer(RunStarted(folder.run_id, order.hosts))
    fan_out = FanOut(
        folder=folder,
        hosts=order.hosts,
        task=order.task,
        limits=order.limits,
        connector=connector,
        ledger=ledger,
        control=control,
        observers=observers,
        filters=redactor.stream if redactor else None,
        redact=redactor.text if redactor else None,
    )
    try:
        ledger.append("run-started", hosts=len(order.hosts))
        outcomes = await fan_out.run()
        status = run_status(outcomes, interrupted=control.stopping)
        ledger.append("run-ended", status=status)
    finally:
        await connector.close()
        await ledger.close()
    report = run_report(folder.run(), outcomes, status=status, ended=datetime.now(UTC))
    await asyncio.to_thread(folder.write_report, report)
    for observer in observers:
        observer(RunEnded(folder.run_id, status))
    return RunResult(
        run_id=folder.run_id, status=status, outcomes=tuple(outcomes), folder=folder, report=report
    )


def _run_json(order: Order, run_id: str, requested: datetime, redactor: Redactor) -> dict[str, Any]:
    limits = order.limits
    return {
        "CommandId": run_id,
        "DocumentName": order.name,
        "Comment": redactor.text(order.comment),
        "Parameters": _redacted(order.parameters, redactor),
        "RequestedDateTime": requested.isoformat(timespec="milliseconds"),
        "RequestedBy": {"User": _user(), "Host": socket.gethostname(), "Pid": os.getpid()},
        "FleetctlVersion": __version__,
        "Selector": order.selector,
        "TargetCount": len(order.hosts),
        "MaxConcurrency": str(limits.max_concurrency),
        "MaxErrors": str(limits.max_errors),
        "MaxUnreachable": str(limits.max_unreachable),
        "TimeoutSeconds": limits.timeout,
        "ConnectTimeoutSeconds": limits.connect_timeout,
        "Hosts": [
            {
                "InstanceId": host.name,
                "Address": host.target,
                **({"Port": host.port} if host.port else {}),
                **({"User": host.user} if host.user else {}),
                "Transport": host.transport,
            }
            for host in order.hosts
        ],
    }


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, Mapping):
        return {key: _redacted(item, redactor) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item, redactor) for item in value]
    return value


def _user() -> str:
    user = os.environ.get("SUDO_USER")
    if not user:
        with contextlib.suppress(KeyError, OSError):
            user = getpass.getuser()
    return user or f"uid {os.getuid()}"


def _allow_open_files(order: Order) -> None:
    """Raise the soft limit of open files to what the concurrency needs: a socket and two files a host."""
    wanted = 256 + 4 * order.limits.max_concurrency.of(len(order.hosts), least=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
