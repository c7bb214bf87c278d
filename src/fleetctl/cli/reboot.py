"""Flags about rebooting: whether, how long it may take, and when a host is ready again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.reboot import RebootRule

__all__ = ["RebootOptions", "reboot_options"]

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS = click.FloatRange(1, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootOptions:
    """What the command line says about rebooting; None where it says nothing."""

    reboot: bool | None
    reboot_timeout: float | None
    ready: str | None
    ready_timeout: float | None

    def rule(self, *, document: bool) -> RebootRule | None:
        """Return how to reboot, or None where this order must not.

        Args:
            document: a document reboots where a step asks for it, unless forbidden; a command only when told to.

        Raises:
            UsageError: a flag says how, and nothing is to be rebooted; or `--ready` is empty.
        """
        if self.ready is not None and not self.ready.strip():
            raise UsageError("--ready is empty", hint="name a command, or leave --ready out")
        if not (document if self.reboot is None else self.reboot):
            self._refuse_idle_flags()
            return None
        from fleetctl.engine.reboot import RebootRule  # noqa: PLC0415
        from fleetctl.model import Command  # noqa: PLC0415

        given = {"timeout": self.reboot_timeout, "ready_timeout": self.ready_timeout}
        ready = Command(script=self.ready) if self.ready else None
        return RebootRule(ready=ready, **{name: value for name, value in given.items() if value is not None})

    def _refuse_idle_flags(self) -> None:
        given = {
            "--reboot-timeout": self.reboot_timeout,
            "--ready": self.ready,
            "--ready-timeout": self.ready_timeout,
        }
        for flag, value in given.items():
            if value is not None:
                raise UsageError(f"{flag} without a reboot says nothing", hint="add --reboot")


_REBOOT: list[Callable[[Any], Any]] = [
    click.option(
        "--reboot/--no-reboot",
        default=None,
        help="Reboot each host once the command has succeeded. A document's exit code 194 does so by itself, "
        "unless --no-reboot.",
    ),
    click.option(
        "--reboot-timeout",
        type=_SECONDS,
        metavar="SECONDS",
        help="Until a host is back with a new boot id.  [default: 600]",
    ),
    click.option("--ready", metavar="COMMAND", help="Must exit 0 after a reboot; tried again until it does."),
    click.option(
        "--ready-timeout",
        type=_SECONDS,
        metavar="SECONDS",
        help="From being back until being ready.  [default: 300]",
    ),
]


def reboot_options(function: F) -> F:
    """Add the flags; the command gets them as one parameter `reboot: RebootOptions`."""
    names = [field.name for field in fields(RebootOptions)]

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        options = RebootOptions(**{name: kwargs.pop(name) for name in names})
        return function(*args, reboot=options, **kwargs)

    decorated: Any = wrapper
    for option in reversed(_REBOOT):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
