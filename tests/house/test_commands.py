"""Every command has help with examples, and every example, here and in the docs, is a command that exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from fleetctl.cli.main import COMMANDS, cli
from fleetctl.errors import FleetError

ROOT = Path(__file__).parents[2]


def walk(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield " ".join((*path, name)), below, command
            yield from walk(below, (*path, name))


ALL = {name: (command, parent) for name, command, parent in walk(cli)}


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_help_with_examples(name: str) -> None:
    command, parent = ALL[name]
    assert (command.help or "").strip()
    shown = (command.epilog or "") + ("" if parent is cli else parent.epilog or "")
    assert "Examples:" in shown
    assert f"fleetctl {name}" in shown


@pytest.mark.parametrize("name", ALL)
def test_every_flag_says_what_it_does(name: str) -> None:
    silent = [p.name for p in ALL[name][0].params if isinstance(p, click.Option) and not (p.help or p.hidden)]
    assert silent == []


def test_the_list_of_commands_says_what_they_say_of_themselves() -> None:
    for name, (_, line) in COMMANDS.items():
        command, _ = ALL[name]
        assert line.endswith(".")
        assert len(line) <= 80
        assert command.name == name


def commands_in(text: str, start: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(start):
            yield re.split(r"\s{2,}#?\s*|\s+#", line.strip())[0]


def documented() -> Iterator[tuple[str, str]]:
    for name, (command, _) in {**ALL, "": (cli, cli)}.items():
        for line in commands_in((command.epilog or ""), "  fleetctl "):
            yield f"{name} --help", line
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        blocks = re.findall(
            r"^```(?:sh|console|shell)?\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL
        )
        for block in blocks:
            for line in commands_in(block.replace("\\\n", " "), "fleetctl "):
                yield path.name, line


@pytest.mark.parametrize(("where", "line"), sorted(set(documented())))
def test_every_example_is_a_command_that_exists(where: str, line: str) -> None:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>&;")
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(takewhile(lambda word: word not in {"|", ">", ">>", "&&", ";"}, lexer))[1:]
    command: click.Command = cli
    context = None
    try:
        while True:
            context = command.make_context(command.name or "", list(words), parent=context)
            if not isinstance(command, click.Group) or not context._protected_args + context.args:
                break
            words = [*context._protected_args, *context.args]
            name = words.pop(0)
            below = command.get_command(context, name)
            assert below is not None, f"{where}: no command {name}"
            command = below
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return
    except (click.ClickException, FleetError) as exc:
        pytest.fail(f"{where}: {line}: {exc}")
