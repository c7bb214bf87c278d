"""A project: its hosts, its settings, and what it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fleetctl.errors import NotFoundError, UsageError
from fleetctl.model import Host
from fleetctl.store.project import Project, open_project
from fleetctl.store.runs import Runs

if TYPE_CHECKING:
    from fleetctl.engine.budget import Limits
    from fleetctl.hosts import Inventory
    from fleetctl.store.audit import AuditLog
    from fleetctl.transport.protocol import TransportOptions

__all__ = ["ProjectCalls"]


class ProjectCalls:
    """What every component needs of a project.

    Args:
        project: where things are on disk, and the settings.
        sources: inventory files, folders or sources that stand in for the project's own.

    Attributes:
        project, sources: as above.
    """

    def __init__(self, project: Project, *, sources: Sequence[str] = ()) -> None:
        self.project = project
        self.sources = tuple(sources)

    @classmethod
    def open(
        cls, path: str | Path | None = None, *, inventory: Sequence[str] = (), state: str | Path | None = None
    ) -> Self:
        """Open the project at `path`, or the one found upward from the current directory, or none.

        Args:
            path: a project folder.
            inventory: files, folders or sources instead of the project's (`fleetctl -i`).
            state: where runs and reports are kept instead of `.fleetctl/`.

        Raises:
            NotFoundError: there is no project at `path`.
            ProblemsError: `fleetctl.yaml` is wrong.
        """
        project = open_project(Path(path) if path else None, state=Path(state) if state else None)
        return cls(project, sources=inventory)

    @cached_property
    def inventory(self) -> Inventory:
        """All hosts.

        Raises:
            ProblemsError: everything that is wrong with the inventory files.
            NotFoundError: there is no inventory at all.
        """
        from fleetctl.hosts import load  # noqa: PLC0415 - not needed to look at old runs

        sources: list[str | Path] = list(self.sources) or list(self.project.inventories())
        if not sources:
            raise NotFoundError(
                "there is no inventory here",
                hint="name one with -i hosts.yaml, or make a project with: fleetctl init",
            )
        return load(sources)

    @cached_property
    def runs(self) -> Runs:
        """What was run before; the folder is made on first use."""
        return Runs(self.project.state_folder("runs"))

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log over all runs; its folder is made on first use."""
        from fleetctl.store.audit import AuditLog  # noqa: PLC0415

        return AuditLog.below(self.project.state_folder("audit"))

    def select(
        self, selector: str, *, limit: int | None = None, exclude: str | None = None
    ) -> tuple[Host, ...]:
        """Return the hosts that a selector names, in inventory order.

        Raises:
            SelectorError: it cannot be read, or matches nothing.
        """
        from fleetctl.hosts import select  # noqa: PLC0415

        return tuple(
            select(self.inventory, selector, limit=limit, exclude=exclude, resolve_run=self._hosts_of_run)
        )

    def reports_folder(self, kind: str) -> Path:
        """Make and return the folder where reports of a kind are kept.

        Raises:
            StateFolderError: it cannot be written.
        """
        return self.project.state_folder("reports", kind)

    def limits(self, **given: Any) -> Limits:
        """Return rate limits: what is given (and not None), else the project's settings.

        Args:
            **given: `max_concurrency`, `max_errors`, `max_unreachable` as text (`10`, `10%`); `connect_concurrency`, `timeout`,
                `connect_timeout` as numbers.

        Raises:
            BudgetError: one of them is not a number or percentage.
        """
        from fleetctl.engine.budget import Limits, Quota  # noqa: PLC0415

        settings = self.project.settings.run

        def value(name: str) -> Any:
            return given.get(name) if given.get(name) is not None else getattr(settings, name)

        return Limits(
            max_concurrency=Quota.parse(value("max_concurrency"), name="--max-concurrency", least=1),
            max_errors=Quota.parse(value("max_errors"), name="--max-errors"),
            max_unreachable=Quota.parse(value("max_unreachable"), name="--max-unreachable"),
            connect_concurrency=value("connect_concurrency"),
            timeout=value("timeout"),
            connect_timeout=value("connect_timeout"),
        )

    def transport_options(self, **given: Any) -> TransportOptions:
        """Return how hosts are reached: what is given, else the project's settings.

        Raises:
            UsageError: a named file does not exist.
        """
        from fleetctl.transport.protocol import TransportOptions  # noqa: PLC0415

        settings = self.project.settings.ssh
        base = self.project.root or Path.cwd()
        values: dict[str, Any] = {
            "known_hosts": tuple(base / Path(item).expanduser() for item in settings.known_hosts),
            "host_keys": settings.host_keys,
            "ssh_config": base / Path(settings.config).expanduser() if settings.config else None,
            "key_exchange": settings.key_exchange,
            "inventory": self.inventory.hosts,
        }
        values |= {key: value for key, value in given.items() if value not in (None, ())}
        config = values["ssh_config"]
        if config is not None and not config.exists():
            raise UsageError(
                f"there is no file {config}", hint="named by --ssh-config, or ssh.config in fleetctl.yaml"
            )
        return TransportOptions(**values)

    def _hosts_of_run(self, kind: str, run: str) -> list[str]:
        from fleetctl.run.history import hosts_of_run  # noqa: PLC0415

        return hosts_of_run(self.runs.find(run), kind)
