"""How a patch plan is shown at the terminal: what changes, what does not, each host, and last what matters most."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fleetctl.patch.plan import Plan

__all__ = ["show_plan"]


def show_plan(plan: Plan) -> None:
    """Write what would change, alike hosts together, what would not and why, what is in the way, and the whole in a few sentences."""
    from fleetctl.cli.table import print_table  # noqa: PLC0415
    from fleetctl.patch.plan_rows import (  # noqa: PLC0415
        CHANGES,
        HOSTS,
        LEFT_OUT,
        alike,
        change_row,
        host_row,
        left_rows,
        sentences,
    )

    changes = [(s, change) for s in plan.hosts for change in s.changes if change.kind != "configure"]
    hosts = alike((host_row(share), share.host) for share in plan.hosts)
    tables = (
        ((*CHANGES, "HOSTS"), alike((change_row(share, change), share.host) for share, change in changes)),
        ((*LEFT_OUT, "HOSTS"), alike((row, share.host) for share in plan.hosts for row in left_rows(share))),
        (("HOSTS", *HOSTS), [(names, *row) for *row, names in hosts]),
    )
    for header, rows in tables:
        if rows:
            print_table(header, rows)
            click.echo()
    for sentence in sentences(plan):
        click.echo(sentence)
    sys.stdout.flush()
    _show_troubles(plan)


def _show_troubles(plan: Plan) -> None:
    from fleetctl.patch.plan_rows import alike  # noqa: PLC0415

    rows = alike(
        ((trouble.message, trouble.mend), share.host) for share in plan.hosts for trouble in share.troubles
    )
    for message, mend, hosts in rows:
        click.echo(f"{click.style('trouble', fg='red')}: {hosts}: {message}", err=True)
        if mend:
            click.echo(f"  {click.style('hint', fg='cyan')}: mend it there with: {mend}", err=True)
    for note, hosts in alike(((note,), share.host) for share in plan.hosts for note in share.notes):
        click.echo(f"{click.style('warning', fg='yellow')}: {hosts}: {note}", err=True)
