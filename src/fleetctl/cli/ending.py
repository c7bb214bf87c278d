"""How a run that was carried on with, or begun again, is told in the end: as the command that first began it would have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fleetctl.cli.app import App
from fleetctl.cli.result import Shown, leave, show_result

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.fleet import Fleet

__all__ = ["as_they_come", "end"]

# Kinds of work whose output is for fleetctl itself to read: lists of packages, answers to checks.
_READ: Final = frozenset({"inventory-collect", "patch-install", "patch-plan", "patch-scan", "policy-check"})


def as_they_come(run: Mapping[str, Any], shown: Shown) -> bool:
    """Tell whether hosts' output is printed as it comes.

    Args:
        run: what `run.json` holds.
        shown: the flags.
    """
    return shown.as_they_come and run.get("Work", {}).get("Kind") not in _READ


def end(
    app: App, fleet: Fleet, result: RunResult, given: Mapping[str, Any], *, shown: Shown, seconds: float
) -> NoReturn:
    """Judge the run where it is of a kind that is judged, show it, and end with its exit code.

    Args:
        app: the shared flags.
        fleet: the project.
        result: of the run.
        given: the flags of `shown_options`.
        shown: the same, as they were read.
        seconds: how long it took.
    """
    concluded = fleet.conclude(result)
    plain = shown.format_ == "table" and given["save"] is None and not shown.diff
    if concluded is not None:
        _show_verdict(app, concluded, given, seconds=seconds)
        raise SystemExit(0)
    if plain and result.folder.run().get("Work", {}).get("Kind") == "inventory-collect":
        from fleetctl.cli.inventory_collect import show_collected  # noqa: PLC0415

        show_collected(app, result, given, seconds=seconds)
    show_result(app, result, shown, seconds=seconds, save=given["save"])
    leave(result)


def _show_verdict(app: App, concluded: Any, given: Mapping[str, Any], *, seconds: float) -> None:
    from fleetctl.patch.conclude import Scanned  # noqa: PLC0415

    if given["save"] is not None:
        from fleetctl.run.save import save_output  # noqa: PLC0415

        hosts = [outcome.host for outcome in concluded.run.outcomes]
        save_output(concluded.run.folder, hosts, given["save"])
    if isinstance(concluded, Scanned):
        from fleetctl.cli.verdict import show_verdict  # noqa: PLC0415

        show_verdict(app, concluded, given, seconds=seconds)
    else:
        from fleetctl.cli.compliance_check import show_checked  # noqa: PLC0415

        show_checked(app, concluded, given, seconds=seconds)
