"""`run.json`: what a run is, written once before anything of it happens. The ledger is bound to it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleetctl import __version__
from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.order import Order
from fleetctl.engine.waves import wave_ends
from fleetctl.errors import BudgetError, StateFolderError
from fleetctl.model import Host
from fleetctl.redact import Redactor
from fleetctl.store.owner import user_name

__all__ = ["limits_of", "run_json"]


def run_json(order: Order, run_id: str, requested: datetime, redactor: Redactor) -> dict[str, Any]:
    """Return what `run.json` holds; secrets are taken out of everything but `Work`, which has none in it."""
    limits = order.limits
    rollout = order.rollout
    return {
        "CommandId": run_id,
        "DocumentName": order.name,
        "Comment": redactor.text(order.comment),
        "Parameters": redactor.data(order.parameters),
        "RequestedDateTime": requested.isoformat(timespec="milliseconds"),
        "RequestedBy": {"User": user_name(), "Host": socket.gethostname(), "Pid": os.getpid()},
        "FleetctlVersion": __version__,
        "Selector": order.selector,
        "TargetCount": len(order.hosts),
        "MaxConcurrency": str(limits.max_concurrency),
        "MaxErrors": str(limits.max_errors),
        "MaxUnreachable": str(limits.max_unreachable),
        "ConnectConcurrency": limits.connect_concurrency,
        "TimeoutSeconds": limits.timeout,
        "ConnectTimeoutSeconds": limits.connect_timeout,
        **({"RetryOf": order.retry_of} if order.retry_of else {}),
        **({"Detached": True} if order.detached else {}),
        **({"Rollout": rollout.record()} if rollout else {}),
        **({"Waves": list(wave_ends(rollout.waves, len(order.hosts)))} if rollout else {}),
        **({"Work": order.work.to_json()} if order.work else {}),
        **({"Reach": dict(order.reach)} if order.reach else {}),
        "Hosts": [_host(host) for host in order.hosts],
    }


def _host(host: Host) -> dict[str, Any]:
    return {
        "InstanceId": host.name,
        "Address": host.target,
        **({"Port": host.port} if host.port else {}),
        **({"User": host.user} if host.user else {}),
        "Transport": host.transport,
    }


def limits_of(run: Mapping[str, Any]) -> Limits:
    """Read the rate limits of a run back.

    Raises:
        StateFolderError: `run.json` does not hold them.
    """
    try:
        return Limits(
            max_concurrency=Quota.parse(run["MaxConcurrency"], name="MaxConcurrency", least=1),
            max_errors=Quota.parse(run["MaxErrors"], name="MaxErrors"),
            max_unreachable=Quota.parse(run["MaxUnreachable"], name="MaxUnreachable"),
            connect_concurrency=int(run.get("ConnectConcurrency", 64)),
            timeout=float(run["TimeoutSeconds"]),
            connect_timeout=float(run["ConnectTimeoutSeconds"]),
        )
    except (KeyError, TypeError, ValueError, BudgetError) as exc:
        raise StateFolderError(f"run.json of {run.get('CommandId', 'a run')} is damaged: {exc}") from exc
