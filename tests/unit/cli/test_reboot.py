from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fleetctl.cli.reboot import RebootOptions, reboot_options
from fleetctl.engine.reboot import RebootRule
from fleetctl.errors import UsageError
from fleetctl.model import Command


def given(*argv: str) -> RebootOptions:
    seen: list[RebootOptions] = []

    @click.command()
    @reboot_options
    def command(reboot: RebootOptions) -> None:
        seen.append(reboot)

    result = CliRunner().invoke(command, argv, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return seen[0]


@pytest.mark.parametrize(
    ("argv", "document", "reboots"),
    [
        ((), False, False),
        ((), True, True),
        (("--reboot",), False, True),
        (("--no-reboot",), True, False),
        (("--no-reboot",), False, False),
    ],
)
def test_documents_reboot_unless_forbidden_and_commands_only_when_told(
    argv: tuple[str, ...], document: bool, reboots: bool
) -> None:
    assert (given(*argv).rule(document=document) is not None) is reboots


def test_rule_holds_what_is_given_and_defaults_for_the_rest() -> None:
    options = given("--reboot", "--reboot-timeout", "900", "--ready", "curl -fs localhost")
    assert options.rule(document=False) == RebootRule(timeout=900, ready=Command(script="curl -fs localhost"))


@pytest.mark.parametrize("argv", [("--reboot-timeout", "9"), ("--ready", "true"), ("--ready-timeout", "9")])
def test_flag_that_says_how_without_a_reboot_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=argv[0]):
        given(*argv).rule(document=False)


def test_empty_ready_command_is_refused() -> None:
    with pytest.raises(UsageError, match="--ready is empty"):
        given("--reboot", "--ready", " ").rule(document=False)
