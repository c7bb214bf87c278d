"""What the shell may complete: hosts, groups, tags, runs, documents. Whatever goes wrong, it completes nothing and says nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from fleetctl.cli.app import App

if TYPE_CHECKING:
    from fleetctl.fleet import Fleet

__all__ = ["baselines", "documents", "hosts", "runs", "targets"]

_NEWEST = 50

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(candidates: Callable[[Fleet], Iterable[str]], *, list_of: bool = False) -> Completer:
    """Make a completer of what may stand there; with `list_of`, of the last term of a comma list."""

    def complete(
        context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        with contextlib.suppress(Exception):
            fleet = context.ensure_object(App).fleet()
            before, comma, last = incomplete.rpartition(",") if list_of else ("", "", incomplete)
            sign = last[:1] if list_of and last[:1] in {"!", "&"} else ""
            found = sorted({name for name in candidates(fleet) if name.startswith(last[len(sign) :])})
            return [CompletionItem(f"{before}{comma}{sign}{name}") for name in found]
        return []

    return complete


def _targets(fleet: Fleet) -> Iterable[str]:
    inventory = fleet.inventory
    yield from ("all", *inventory.hosts, *inventory.groups)
    for host in inventory.hosts.values():
        yield from (f"{key}={value}" for key, value in host.tags.items())


def _runs(fleet: Fleet) -> Iterable[str]:
    yield "last"
    for index, folder in enumerate(fleet.runs):
        if index == _NEWEST:
            return
        yield folder.run_id


def _documents(fleet: Fleet) -> Iterable[str]:
    from fleetctl.document.find import listed  # noqa: PLC0415

    return [found.name for found in listed(fleet.project.root)]


def _baselines(fleet: Fleet) -> Iterable[str]:
    from fleetctl.patch.baseline_load import load_baselines  # noqa: PLC0415
    from fleetctl.patch.defaults import BUILT_IN  # noqa: PLC0415

    yield from (built_in.name for built_in in BUILT_IN.values())
    yield from (item.baseline.name for item in load_baselines(fleet.project.folder("baselines")))


def _hosts(fleet: Fleet) -> Iterable[str]:
    return list(fleet.inventory.hosts)


targets = _completer(_targets, list_of=True)
runs = _completer(_runs)
documents = _completer(_documents)
baselines = _completer(_baselines)
hosts = _completer(_hosts)
