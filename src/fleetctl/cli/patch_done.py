"""What an installation did on hosts: alike hosts together."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from fleetctl.model import Outcome

__all__ = ["show_done"]

_HEADER: Final = ("DONE", "PACKAGE", "FROM", "TO", "HOSTS")


def show_done(outcomes: Iterable[Outcome]) -> None:
    """Write what was changed, which local configuration files were kept, and who was rebooted; nothing where nothing was done.

    Args:
        outcomes: those of installations say what was done under `Install` of their data.
    """
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415 - it shows this

    done = [(outcome.host, outcome.data["Install"]) for outcome in outcomes if "Install" in outcome.data]
    changes = [(_row(change), host) for host, told in done for change in told.get("Changes", ())]
    if changes:
        print_table(_HEADER, [(*row, hosts) for row, hosts in grouped(changes)])
    lines = list(_lines(done))
    for line in lines:
        click.echo(line)
    if changes or lines:
        click.echo()
    sys.stdout.flush()


def _row(change: Mapping[str, str]) -> tuple[str, ...]:
    name = ".".join(part for part in (change["Name"], change.get("Arch", "")) if part)
    return change["Kind"], name, change.get("Before", "-"), change.get("After", "-")


def _lines(done: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    from fleetctl.cli.verdict import grouped  # noqa: PLC0415 - it shows this

    kept = [((path,), host) for host, told in done for path in told.get("KeptFiles", ())]
    for (path,), hosts in grouped(kept):
        yield f"kept as it was, with the new version beside it: {path} on {hosts}"
    rebooted = [(("rebooted",), host) for host, told in done if _came_back(told.get("Reboot"))]
    for _, hosts in grouped(rebooted):
        yield f"rebooted: {hosts}"


def _came_back(reboot: Mapping[str, Any] | None) -> bool:
    return reboot is not None and bool(reboot.get("BootIdAfter"))
