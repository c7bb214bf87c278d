"""Ask the person at the terminal: for passwords, and for consent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fleetctl.cli.app import App
from fleetctl.errors import NeedsConfirmation

if TYPE_CHECKING:
    from fleetctl.fleet import Fleet
    from fleetctl.transport.protocol import Credentials

__all__ = ["confirm", "credentials"]


def confirm(question: str, *, yes: bool, act: str = "this changes hosts") -> None:
    """Ask before a change, unless `--yes`.

    Args:
        question: answered by yes or no.
        yes: whether `--yes` was given.
        act: why it asks, for the error where nobody can answer.

    Raises:
        NeedsConfirmation: there is no terminal to ask at.
        click.Abort: the answer was no.
    """
    if yes or click.get_current_context().ensure_object(App).yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NeedsConfirmation(f"{act}, and there is no terminal to ask at", hint="add --yes if you mean it")
    click.confirm(question, abort=True, err=True)


def credentials(
    app: App, fleet: Fleet, *, ask_password: bool = False, ask_become_password: bool = False
) -> Credentials:
    """Return where passwords come from: environment, the project's command, keyring, and the person at the terminal.

    What the flags say will be needed is asked for now; a passphrase that turns out to be needed, when it is.
    """
    from fleetctl.transport.credentials import ChainCredentials  # noqa: PLC0415

    def ask(purpose: str) -> str:
        with app.aside():
            return str(click.prompt(purpose, hide_input=True, err=True))

    chain = ChainCredentials(
        command=fleet.project.settings.password_command,
        prompt=ask if sys.stdin.isatty() and sys.stderr.isatty() else None,
        ask_password=ask_password,
        ask_become_password=ask_become_password,
    )
    chain.prepare()
    return chain
