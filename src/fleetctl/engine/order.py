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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fleetctl import __version__
from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.connect import Connector
from fleetctl.engine.control import Control
from fleetctl.engine.events import Audience, Note, Observer, RunEnded, RunStarted
from fleetctl.engine.fanout import FanOut
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.output import StreamFilter
from fleetctl.engine.report import run_report, run_status
from fleetctl.engine.task import Task
from fleetctl.errors import FleetError, StateFolderError
from fleetctl.model import EMPTY, Host, Outcome
from fleetctl.redact import Redactor
from fleetctl.store.runs import RunFolder, Runs, new_run_id
from fleetctl.transport.protocol import TransportOptions

__all__ = ["Order", "RunResult", "execute"]

# A host takes a socket, two files of output, and the pipes of a local process or proxy.
_FILES_PER_HOST = 6
_FILES_OF_OUR_OWN = 64


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
    """What became of a run.

    Attributes:
        status: the run's, in SSM's words.
        interrupted: whether the operator stopped it, even if nothing was left to stop.
        report: what `report.json` holds.
    """

    run_id: str
    status: str
    outcomes: tuple[Outcome, ...]
    folder: RunFolder
    report: dict[str, Any] = field(repr=False)
    interrupted: bool = False


async def execute(
    order: Order, runs: Runs, *, observers: Sequence[Observer] = (), control: Control | None = None
) -> RunResult:
    """Carry out an order.

    An observer that fails does not stop the run; its exception is raised when all is done and written. So is the cancellation of
    the task that calls this: what runs on hosts is killed first, and the report tells so.

    Args:
        order: what to do.
        runs: where the run's folder is made.
        observers: called with every event, in order, from the event loop.
        control: how an operator stops it.

    Raises:
        FleetError: fleetctl itself cannot go on; single hosts that fail never raise.
    """
    control = control or Control()
    audience = Audience(observers)
    limits, note = _within_open_files(order)
    secrets = _Secrets(order)
    requested = datetime.now(UTC)
    folder = runs.create(new_run_id(requested))
    run = _run_json(order, folder.run_id, requested, secrets.redactor())
    folder.write_run(run)
    ledger = Ledger(folder.events, first=(folder.path / "run.json").read_bytes())
    fan_out = FanOut(
        folder=folder,
        hosts=order.hosts,
        task=order.task,
        limits=limits,
        connector=Connector(order.transport, limits=limits),
        ledger=ledger,
        control=control,
        audience=audience,
        filters=secrets.stream,
        redact=secrets.text,
        redact_data=secrets.data,
    )
    ledger.append("run-started", hosts=len(order.hosts))
    audience.tell(RunStarted(folder.run_id, order.hosts))
    if note:
        audience.tell(Note(note))
    outcomes, fatal = await _to_the_end(fan_out)
    status = run_status(outcomes)
    report = run_report(run, outcomes, status=status, ended=datetime.now(UTC))
    try:
        await asyncio.to_thread(folder.write_report, report)
    except StateFolderError as exc:
        fatal = fatal or exc
    audience.tell(RunEnded(folder.run_id, status))
    if fan_out.abandoned:
        raise asyncio.CancelledError
    if fault := fatal or audience.fault:
        raise fault
    return RunResult(
        run_id=folder.run_id,
        status=status,
        outcomes=tuple(outcomes),
        folder=folder,
        report=report,
        interrupted=control.stopping,
    )


async def _to_the_end(fan_out: FanOut) -> tuple[list[Outcome], FleetError | None]:
    """Run, and close what was opened, whatever happens; return outcomes and why fleetctl itself could not go on."""
    ledger = fan_out.ledger
    try:
        outcomes = await fan_out.run()
        ledger.append("run-ended", status=run_status(outcomes))
    finally:
        await fan_out.connector.close()
        try:
            await ledger.close()
        except StateFolderError as exc:
            fan_out.fatal = fan_out.fatal or exc
    return outcomes, fan_out.fatal


class _Secrets:
    """What must not be kept or shown: the order's own secrets, and every password that was given out up to now."""

    def __init__(self, order: Order) -> None:
        self._credentials = order.transport.credentials
        self._redactor = Redactor(order.secrets)

    def redactor(self) -> Redactor:
        self._redactor.add(self._credentials.secrets())
        return self._redactor

    def text(self, text: str) -> str:
        return self.redactor().text(text)

    def data(self, data: Any) -> Any:
        redactor = self.redactor()
        return redactor.data(data) if redactor else data

    def stream(self) -> StreamFilter | None:
        redactor = self.redactor()
        return redactor.stream() if redactor else None


def _run_json(order: Order, run_id: str, requested: datetime, redactor: Redactor) -> dict[str, Any]:
    limits = order.limits
    return {
        "CommandId": run_id,
        "DocumentName": order.name,
        "Comment": redactor.text(order.comment),
        "Parameters": redactor.data(order.parameters),
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


def _user() -> str:
    user = os.environ.get("SUDO_USER")
    if not user:
        with contextlib.suppress(KeyError, OSError):
            user = getpass.getuser()
    return user or f"uid {os.getuid()}"


def _within_open_files(order: Order) -> tuple[Limits, str]:
    """Raise the soft limit of open files to what the concurrency needs; where the hard limit forbids it, work on fewer hosts at once.

    Returns:
        The limits to keep to, and what to tell the operator (empty: nothing).
    """
    wanted = _FILES_OF_OUR_OWN + _FILES_PER_HOST * order.limits.max_concurrency.of(len(order.hosts), least=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return order.limits, ""
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed >= wanted:
        return order.limits, ""
    places = max(1, (allowed - _FILES_OF_OUR_OWN) // _FILES_PER_HOST)
    note = f"only {allowed} files may be open (ulimit -n): working on {places} hosts at once"
    return replace(order.limits, max_concurrency=Quota(places)), note
