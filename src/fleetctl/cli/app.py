"""What every command is given: the flags that stand before or behind any verb, and the fleet they open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fleetctl.fleet import Fleet
    from fleetctl.hosts import Inventory

__all__ = ["App", "FleetCommand", "FleetGroup", "LazyGroup", "pass_app"]


@dataclass(slots=True)
class App:
    """The flags that all commands share, and what they open; made once a process.

    Attributes:
        inventory_sources: `-i`, as often as given.
        quiet: no progress and no notes; results and errors only.
        verbose: how much more to tell, from 0.
        debug: show tracebacks.
        yes: `--yes` stood before the verb.
        aside: takes what is drawn on the terminal out of the way for a question; replaced while a live view is up.
    """

    inventory_sources: list[str] = field(default_factory=list)
    project: str | None = None
    state: str | None = None
    quiet: bool = False
    verbose: int = 0
    debug: bool = False
    yes: bool = False
    aside: Callable[[], AbstractContextManager[None]] = nullcontext
    _fleet: Fleet | None = None

    def fleet(self) -> Fleet:
        """Open the project, once.

        Raises:
            FleetError: it cannot be opened.
        """
        if self._fleet is None:
            from fleetctl.fleet import Fleet  # noqa: PLC0415

            self._fleet = Fleet.open(self.project, inventory=self.inventory_sources, state=self.state)
        return self._fleet

    def inventory(self) -> Inventory:
        """Load the hosts, once."""
        return self.fleet().inventory

    def note(self, text: str) -> None:
        """Tell the operator something on stderr, unless `--quiet`."""
        if not self.quiet:
            from fleetctl.cli.terminal import safe  # noqa: PLC0415

            click.echo(safe(text), err=True)


pass_app = click.make_pass_decorator(App, ensure=True)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        app = context.ensure_object(App)
        if name == "inventory_sources":
            app.inventory_sources.extend(value)
        elif name == "verbose":
            app.verbose += value
        elif value:
            setattr(app, name, value)
        return value

    return callback


def _shared_options() -> list[click.Option]:
    return [
        # Scripts may say it everywhere; where something is asked, the command has an option of its own that shows in its help.
        click.Option(["-y", "--yes"], is_flag=True, expose_value=False, hidden=True, callback=_keep("yes")),
        click.Option(
            ["-i", "--inventory"],
            multiple=True,
            metavar="PATH",
            expose_value=False,
            callback=_keep("inventory_sources"),
            help="Inventory file, folder or source instead of the project's; may be repeated.",
        ),
        click.Option(
            ["--project"],
            metavar="FOLDER",
            expose_value=False,
            callback=_keep("project"),
            help="Project folder; default: found upward from here (FLEETCTL_PROJECT).",
        ),
        click.Option(
            ["--state"],
            metavar="FOLDER",
            expose_value=False,
            callback=_keep("state"),
            help="Where runs and reports are kept; default: .fleetctl of the project (FLEETCTL_STATE).",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_keep("quiet"),
            help="Results and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_keep("verbose"),
            help="Tell more; may be repeated.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_keep("debug"),
            help="Show tracebacks of errors.",
        ),
    ]


class _WithExamples(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write examples as they were typed: never re-wrapped."""
        if self.epilog:
            formatter.write("\n" + self.epilog.rstrip() + "\n")


class FleetCommand(_WithExamples):
    """A command that also takes the shared flags, so that they may stand before or behind the verb."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params += [option for option in _shared_options() if not taken & set(option.opts)]


class FleetGroup(_WithExamples, click.Group):
    """A group whose commands take the shared flags, and suggest what was meant when a verb is unknown."""

    command_class = FleetCommand
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared_options()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which were near."""
        name = args[0] if args else ""
        if name and self.get_command(ctx, name) is None and not name.startswith("-"):
            from fleetctl.errors import UsageError  # noqa: PLC0415
            from fleetctl.spec.suggest import did_you_mean  # noqa: PLC0415

            raise UsageError(
                f"'{ctx.command_path}' has no command '{name}'",
                hint=did_you_mean(name, self.list_commands(ctx)),
            )
        return super().resolve_command(ctx, args)


class LazyGroup(FleetGroup):
    """A group whose verbs are imported when they are used, or when their own help is asked for.

    Args:
        verbs: name -> where it is (`module:attribute`), and its line in the group's help; in the order a newcomer meets them.
    """

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return all names."""
        return [*self._verbs, *(name for name in self.commands if name not in self._verbs)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._verbs:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._verbs[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing a single command."""
        lines = {name: command.get_short_help_str(100) for name, command in self.commands.items()}
        lines |= {name: line for name, (_, line) in self._verbs.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, lines[name]) for name in self.list_commands(ctx)])
