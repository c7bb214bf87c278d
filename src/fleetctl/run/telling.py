"""A run's result, ready to be told in any format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fleetctl.report.protocol import Case, StoredText, Telling
from fleetctl.store.runs import RunFolder

__all__ = ["tell_run"]

COLUMNS = (
    "InstanceId",
    "Status",
    "StatusDetails",
    "ResponseCode",
    "Reason",
    "Message",
    "ExecutionStartDateTime",
    "ElapsedSeconds",
    "StandardOutputContent",
    "StandardErrorContent",
)


def tell_run(report: Mapping[str, Any], folder: RunFolder, *, output: bool = True) -> Telling:
    """Tell a run.

    Args:
        report: what `report.json` holds.
        folder: where the output lies.
        output: whether each invocation carries what its host printed.
    """

    def invocations() -> Iterator[Mapping[str, Any]]:
        for invocation in report["Invocations"]:
            yield _with_output(invocation, folder) if output else invocation

    return Telling(
        data={**report, "Invocations": _Again(invocations)},
        rows=_Again(invocations),
        columns=COLUMNS if output else COLUMNS[:-2],
        cases=_Again(lambda: (_case(item, report) for item in invocations())),
        title=f"fleetctl run {report['CommandId']}",
    )


class _Again:
    """An iterable that starts anew each time, and holds nothing."""

    def __init__(self, make: Callable[[], Iterator[Any]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Any]:
        return iter(self._make())


def _with_output(invocation: Mapping[str, Any], folder: RunFolder) -> Mapping[str, Any]:
    host = invocation["InstanceId"]
    return {
        **invocation,
        "StandardOutputContent": StoredText(folder.output_files(host, "stdout")),
        "StandardErrorContent": StoredText(folder.output_files(host, "stderr")),
    }


def _case(invocation: Mapping[str, Any], report: Mapping[str, Any]) -> Case:
    status = invocation["Status"]
    message = invocation.get("Message") or invocation["StatusDetails"]
    return Case(
        name=invocation["InstanceId"],
        suite=f"fleetctl.{report['DocumentName']}",
        seconds=invocation.get("ElapsedSeconds", 0.0),
        failure=message if status in {"Failed", "TimedOut", "Unknown"} else "",
        error=message if status in {"Undeliverable", "Terminated", "Cancelled"} else "",
        skipped=message if status == "Skipped" else "",
        kind=invocation.get("Reason", ""),
        stdout=invocation.get("StandardOutputContent", ""),
        stderr=invocation.get("StandardErrorContent", ""),
    )
