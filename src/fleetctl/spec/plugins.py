"""Find what a name stands for among the installed entry points.

Built-in transports, sources, package managers and report formats register in `pyproject.toml` exactly as a stranger's
package would; nothing is imported before it is asked for by name.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fleetctl.errors import PluginError
from fleetctl.spec.suggest import did_you_mean

__all__ = ["load", "names"]


@cache
def _group(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> list[str]:
    """Return the registered names of a group such as `fleetctl.transports`, sorted."""
    return sorted(_group(group))


def load(group: str, name: str) -> Any:
    """Import and return what `name` stands for.

    Raises:
        PluginError: no such name, or it does not import (an extra that is not installed).
    """
    known = _group(group)
    kind = group.rpartition(".")[2].removesuffix("s")
    if name not in known:
        raise PluginError(f"unknown {kind} '{name}'", hint=did_you_mean(name, sorted(known)))
    try:
        return known[name].load()
    except ImportError as exc:
        raise PluginError(
            f"{kind} '{name}' cannot be loaded: {exc}", hint="install the extra or package that provides it"
        ) from exc
