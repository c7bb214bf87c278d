"""Flags that several commands share: how fast, how hosts are reached, and where results go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetctl.cli.app import App
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.budget import Limits
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.transport.protocol import TransportOptions

__all__ = [
    "WorkOptions",
    "baseline_option",
    "output_options",
    "selection_options",
    "work_options",
    "yes_option",
]

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS = click.FloatRange(0.1, 2_592_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """Which of the selected hosts, how fast, and how they are reached."""

    limit: int | None
    exclude: str | None
    max_concurrency: str | None
    max_errors: str | None
    max_unreachable: str | None
    connect_concurrency: int | None
    timeout: float | None
    connect_timeout: float | None
    user: str | None
    identity: tuple[Path, ...]
    transport: str | None
    known_hosts: tuple[Path, ...]
    host_keys: str | None
    ssh_config: Path | None
    key_exchange: str | None
    ask_pass: bool
    ask_become_pass: bool

    def limits(self, fleet: Fleet) -> Limits:
        """Return rate limits: flags, else the project's settings."""
        return fleet.limits(
            max_concurrency=self.max_concurrency,
            max_errors=self.max_errors,
            max_unreachable=self.max_unreachable,
            connect_concurrency=self.connect_concurrency,
            timeout=self.timeout,
            connect_timeout=self.connect_timeout,
        )

    def limit_changes(self) -> dict[str, Any]:
        """Return the rate limits that the flags name, by field of `Limits`, to put in place of a run's own.

        Raises:
            BudgetError: one of them is not a number or percentage.
        """
        from fleetctl.engine.budget import Quota  # noqa: PLC0415

        quotas = {
            name: Quota.parse(text, name=f"--{name.replace('_', '-')}", least=least)
            for name, text, least in (
                ("max_concurrency", self.max_concurrency, 1),
                ("max_errors", self.max_errors, 0),
                ("max_unreachable", self.max_unreachable, 0),
            )
            if text is not None
        }
        plain = {
            "connect_concurrency": self.connect_concurrency,
            "timeout": self.timeout,
            "connect_timeout": self.connect_timeout,
        }
        return {**quotas, **{name: value for name, value in plain.items() if value is not None}}

    def hosts(self, fleet: Fleet, selector: str) -> tuple[Host, ...]:
        """Return the selected hosts, with what the flags say about reaching them put in.

        Raises:
            PluginError: `--transport`, or a host's own, does not exist.
        """
        if left_out := len(fleet.inventory.warnings):
            app = click.get_current_context().ensure_object(App)
            app.note(
                f"warning: the inventory has {left_out} things that were left out; see: fleetctl hosts check"
            )
        return self.applied(fleet.select(selector, limit=self.limit, exclude=self.exclude))

    def applied(self, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
        """Return hosts with what the flags say about reaching them put in.

        Raises:
            PluginError: `--transport` does not exist.
        """
        changes: dict[str, Any] = {}
        if self.user:
            changes["user"] = self.user
        if self.transport:
            from fleetctl.spec.plugins import load  # noqa: PLC0415

            load("fleetctl.transports", self.transport)
            changes["transport"] = self.transport
        return tuple(replace(host, **changes) for host in hosts) if changes else hosts

    def reach(self, fleet: Fleet) -> dict[str, Any]:
        """Return what the flags say about naming and reaching hosts, for `run.json`; nothing of it is secret."""
        told = {
            "Inventory": [_absolute(source) for source in fleet.sources],
            "User": self.user,
            "Transport": self.transport,
            "Identity": [_absolute(path) for path in self.identity],
            "KnownHosts": [_absolute(path) for path in self.known_hosts],
            "HostKeys": self.host_keys,
            "SshConfig": _absolute(self.ssh_config) if self.ssh_config else None,
            "KeyExchange": self.key_exchange,
        }
        return {name: value for name, value in told.items() if value}

    def as_before(self, reach: Mapping[str, Any]) -> WorkOptions:
        """Return these flags, with what a run was begun with where they say nothing."""
        return replace(
            self,
            user=self.user or reach.get("User"),
            transport=self.transport or reach.get("Transport"),
            identity=self.identity or tuple(map(Path, reach.get("Identity", ()))),
            known_hosts=self.known_hosts or tuple(map(Path, reach.get("KnownHosts", ()))),
            host_keys=self.host_keys or reach.get("HostKeys"),
            ssh_config=self.ssh_config or (Path(reach["SshConfig"]) if "SshConfig" in reach else None),
            key_exchange=self.key_exchange or reach.get("KeyExchange"),
        )

    def transport_options(self, fleet: Fleet) -> TransportOptions:
        """Return how hosts are reached, with what asks for passwords.

        Raises:
            UsageError: a file that a flag names does not exist.
        """
        missing = [path for path in self.known_hosts if not path.exists()]
        if missing and self.host_keys != "accept-new":
            raise UsageError(
                f"--known-hosts: there is no file {missing[0]}",
                hint=f"record host keys there with: fleetctl hosts trust --known-hosts {missing[0]}",
            )
        from fleetctl.cli.prompts import credentials  # noqa: PLC0415

        return fleet.transport_options(
            known_hosts=self.known_hosts,
            host_keys=self.host_keys,
            ssh_config=self.ssh_config,
            identity_file=self.identity,
            key_exchange=self.key_exchange,
            credentials=credentials(
                click.get_current_context().ensure_object(App),
                fleet,
                ask_password=self.ask_pass,
                ask_become_password=self.ask_become_pass,
            ),
        )


def _absolute(path: str | Path) -> str:
    """Return a path as another process finds it, whatever folder it is started in; `~` and sources that are no paths stay."""
    text = str(path)
    return str(Path(text).absolute()) if Path(text).exists() else text


def selection_options(function: F) -> F:
    """Add `--limit` and `--exclude`."""
    function = click.option("--exclude", metavar="SELECTOR", help="Leave these hosts out.")(function)
    return click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N of the selected hosts."
    )(function)


_WORK: list[Callable[[F], F]] = [
    selection_options,
    click.option("--max-concurrency", metavar="N|P%", help="Hosts worked on at once.  [default: 200]"),
    click.option(
        "--max-errors",
        metavar="N|P%",
        help="Start no new host once more than this many failed.  [default: 100%]",
    ),
    click.option(
        "--max-unreachable",
        metavar="N|P%",
        help="The same for unreachable hosts, counted apart.  [default: 100%]",
    ),
    click.option(
        "--connect-concurrency",
        type=click.IntRange(1, 4096),
        metavar="N",
        help="Connections being opened at once.  [default: 64]",
    ),
    click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="For one host's work.  [default: 3600]"),
    click.option(
        "--connect-timeout", type=_SECONDS, metavar="SECONDS", help="To connect and log in.  [default: 10]"
    ),
    click.option("-u", "--user", metavar="NAME", help="Login name, instead of the inventory's."),
    click.option(
        "--identity",
        "--private-key",
        "identity",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Private key to try first; may be repeated.",
    ),
    click.option("--transport", metavar="NAME", help="ssh, fabric or local, instead of the inventory's."),
    click.option(
        "--known-hosts",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Check host keys against this file; may be repeated.",
    ),
    click.option(
        "--host-keys",
        type=click.Choice(["strict", "accept-new"]),
        help="What to do with an unknown host; a changed key is always refused.  [default: strict]",
    ),
    click.option(
        "--ssh-config", type=click.Path(path_type=Path), metavar="FILE", help="Instead of ~/.ssh/config."
    ),
    click.option(
        "--key-exchange",
        type=click.Choice(["default", "curve25519"]),
        help="curve25519 leaves post-quantum exchanges aside: less CPU, less future-proof.",
    ),
    click.option("-k", "--ask-pass", is_flag=True, help="Ask for the login password."),
    click.option("-K", "--ask-become-pass", is_flag=True, help="Ask for the password of sudo, doas or su."),
]


def work_options(function: F) -> F:
    """Add every flag of working on hosts; the command gets them as one parameter `work: WorkOptions`."""
    names = [field.name for field in fields(WorkOptions)]

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        work = WorkOptions(**{name: kwargs.pop(name) for name in names})
        return function(*args, work=work, **kwargs)

    decorated: Any = wrapper
    for option in reversed(_WORK):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def output_options(*formats: str, default: str = "table") -> Callable[[F], F]:
    """Add `--format` with these choices and `--output FILE`; the command gets `format_` and `output`."""

    def decorate(function: F) -> F:
        function = click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write the result there instead of to stdout.",
        )(function)
        return click.option(
            "--format",
            "format_",
            type=click.Choice(formats),
            default=default,
            show_default=True,
            help="Form of the result.",
        )(function)

    return decorate


def yes_option(function: F) -> F:
    """Add `--yes`: do not ask."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")(
        function
    )


def baseline_option(function: F) -> F:
    """Add `--baseline`; the command gets `baseline`, a tuple of names and files, as `Fleet.scan_task` takes it."""
    return click.option(
        "--baseline",
        multiple=True,
        metavar="NAME|FILE",
        help="Judge by this patch baseline, whatever patch groups and defaults say; may be repeated, once for each system.",
    )(function)
