"""What an inventory file or source says, before it is merged; and the contract of a source.

Four ranks decide when several places speak about one host. The stronger wins, and two different values of the same rank
are an error that names both places:

1. a host's own entry in a fleetctl YAML file (`hosts:`, or below a group's `hosts:`);
2. what a source says of the host, the source's own groups and defaults already merged in by the source's own rules;
3. groups, where a child group wins over its parents; a host's groups that are not each other's ancestors have equal rank;
4. `defaults` of the files that name the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from fleetctl.errors import Problem, Where
from fleetctl.model import EMPTY

__all__ = ["HOST", "NOTHING", "SOURCE", "Declared", "GroupEntry", "HostEntry", "Origin", "Settings", "Source"]

SOURCE: Final = 1
HOST: Final = 2

Locate: TypeAlias = Callable[[tuple[str, ...]], Where]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is said in one place; what is not said is not there.

    Attributes:
        values: fields of `fleetctl.model.Host` by name, but for tags and vars; `become` may be False.
    """

    values: Mapping[str, Any] = EMPTY
    tags: Mapping[str, str] = EMPTY
    vars: Mapping[str, Any] = EMPTY


NOTHING: Final = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEntry:
    """One mention of one host.

    Attributes:
        rank: `HOST` or `SOURCE`.
        locate: finds the place of a setting inside the entry, such as `("tags", "env")`.
    """

    name: str
    where: Where
    settings: Settings = NOTHING
    rank: int = SOURCE
    locate: Locate | None = None

    def place(self, *path: str) -> Where:
        """Return the place of a setting, or of the entry."""
        return self.locate(path) if self.locate else self.where


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEntry:
    """One mention of one group.

    Attributes:
        children: names of groups in it, with their places.
        hosts: names of hosts directly in it; each also has a `HostEntry`.
    """

    name: str
    where: Where
    settings: Settings = NOTHING
    children: tuple[tuple[str, Where], ...] = ()
    hosts: tuple[str, ...] = ()
    locate: Locate | None = None

    def place(self, *path: str) -> Where:
        """Return the place of a setting, or of the group."""
        return self.locate(path) if self.locate else self.where


@dataclass(slots=True, kw_only=True)
class Declared:
    """All that one file or source says, in its own order.

    Attributes:
        defaults: for the hosts that this file, or a source that it names, mentions.
        warnings: what was left out, and why.
    """

    file: str
    defaults: GroupEntry | None = None
    groups: list[GroupEntry] = field(default_factory=list)
    hosts: list[HostEntry] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def absorb(self, other: Declared) -> None:
        """Take over what a source says."""
        self.groups += other.groups
        self.hosts += other.hosts
        self.warnings += other.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a source is named: relative paths start at `folder`, and errors point to `where`."""

    folder: Path
    where: Where | None = None


class Source(Protocol):
    """Where hosts come from besides our own YAML: one file, one class, one entry point in `fleetctl.sources`.

    The class is made without arguments. Its name there is the key in an inventory's `sources:`.
    """

    def read(self, argument: Any, origin: Origin) -> Declared:
        """Return the hosts and groups.

        Args:
            argument: what stands behind the key: a path, or whatever the source takes.
            origin: where it stands.

        Raises:
            InventoryError: it cannot be read.
            ProblemsError: everything that is wrong with it.
        """
