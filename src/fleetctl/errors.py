"""Everything that can stop fleetctl itself, as one tree.

A failing *host* is never an exception at this level: it is an `Outcome` (see `fleetctl.model`). These are the
reasons for which the program cannot go on, each with a stable kebab-case `code` for machines and an
`exit_code` for scripts. They become exit codes in exactly one place, `fleetctl.cli.main`.

    FleetError                     1  internal
    ├── UsageError                 2  usage                a flag or argument that makes no sense
    │   ├── SelectorError          2  selector             nothing matches, or it cannot be read
    │   ├── BudgetError            2  bad-budget           `--max-errors 5x`
    │   └── NeedsConfirmation      2  needs-confirmation   no terminal and no --yes
    ├── ConfigError                2  config               one file is wrong
    │   ├── ProblemsError          2  problems             everything that is wrong with some files, at once
    │   ├── InventoryError         2  inventory            hosts contradict one another, a source fails
    │   ├── DocumentError          2  bad-document         an SSM document we cannot or must not run
    │   │   └── DocumentProblemsError                       (also a ProblemsError) all that is wrong with one, at once
    │   ├── ParameterError         2  bad-parameter        a document's parameter is missing or not allowed
    │   │   └── ParameterProblemsError                      (also a ProblemsError) all parameters that are wrong, at once
    │   ├── TemplateError          2  bad-template         a template does not render
    │   ├── FeedError              2  bad-feed             a file that is no feed, or a damaged one
    │   ├── PluginError            2  unknown-plugin       no such transport, source, package manager, format
    │   └── CredentialError        2  credentials          a key, passphrase or password cannot be had
    ├── StateFolderError           2  state-folder         `.fleetctl/` cannot be written or read
    ├── NotFoundError              2  not-found            no such run, host or file
    ├── DamagedError               2  damaged              a ledger or audit log does not verify
    ├── LockedError                2  locked               another controller works on this run
    ├── HostKeyError               4  host-key             `hosts trust` met a host that could not be scanned
    └── BlockedError               7  blocked              a policy, gate or calendar says no
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "BlockedError",
    "BudgetError",
    "ConfigError",
    "CredentialError",
    "DamagedError",
    "DocumentError",
    "DocumentProblemsError",
    "FeedError",
    "FleetError",
    "HostKeyError",
    "InventoryError",
    "LockedError",
    "NeedsConfirmation",
    "NotFoundError",
    "ParameterError",
    "ParameterProblemsError",
    "PluginError",
    "Problem",
    "ProblemsError",
    "SelectorError",
    "StateFolderError",
    "TemplateError",
    "UsageError",
    "Where",
]


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file that a person wrote. `line` and `column` count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file: where, what, and what to do about it."""

    message: str
    where: Where | None = None
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class FleetError(Exception):
    """Base of all errors that end a command.

    Args:
        message: what is wrong, in one sentence without a final full stop.
        hint: what to do next; shown on its own `hint:` line. Several lines are several hints.
        where: the place in a file that caused it.
    """

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, where: Where | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(FleetError):
    """A flag or argument that makes no sense."""

    code = "usage"
    exit_code = 2


class SelectorError(UsageError):
    """A selector that cannot be read, or that matches no host."""

    code = "selector"


class BudgetError(UsageError):
    """A number or percentage that is not one (`--max-errors 5x`, `--max-concurrency 0`)."""

    code = "bad-budget"


class NeedsConfirmation(UsageError):  # noqa: N818 - it asks for something, it is not a fault
    """A change that asks first was started without a terminal and without `--yes`."""

    code = "needs-confirmation"


class ConfigError(FleetError):
    """Something a person wrote in a file is wrong."""

    code = "config"
    exit_code = 2


class ProblemsError(ConfigError):
    """All that is wrong with one or more files, found in one pass.

    Args:
        problems: at least one; shown in the order given.
    """

    code = "problems"

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, hint=first.hint, where=first.where)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class InventoryError(ConfigError):
    """Hosts that contradict one another, or a source that cannot be read."""

    code = "inventory"


class DocumentError(ConfigError):
    """An SSM document that cannot be run, found before any host is touched."""

    code = "bad-document"


class DocumentProblemsError(ProblemsError, DocumentError):
    """All that is wrong with an SSM document, found in one pass."""

    code = "bad-document"


class ParameterError(ConfigError):
    """A document's parameter is missing, unknown, or not of the allowed form."""

    code = "bad-parameter"


class ParameterProblemsError(ProblemsError, ParameterError):
    """All that is wrong with the parameters given to a document."""

    code = "bad-parameter"


class TemplateError(ConfigError):
    """A Jinja2 template that does not render for a host."""

    code = "bad-template"


class FeedError(ConfigError):
    """A file that was given as a feed of CVEs and is none, or is damaged."""

    code = "bad-feed"


class PluginError(ConfigError):
    """No transport, source, package manager or report format of that name."""

    code = "unknown-plugin"


class CredentialError(ConfigError):
    """A private key, passphrase or password that cannot be read or had."""

    code = "credentials"


class StateFolderError(FleetError):
    """The state folder cannot be written or read."""

    code = "state-folder"
    exit_code = 2


class NotFoundError(FleetError):
    """Something was named that does not exist: a run, a host, a file."""

    code = "not-found"
    exit_code = 2


class DamagedError(FleetError):
    """A ledger, or the audit log, was changed, or lost records."""

    code = "damaged"
    exit_code = 2


class LockedError(FleetError):
    """Another controller works on this run."""

    code = "locked"
    exit_code = 2


class HostKeyError(FleetError):
    """Host keys could not be scanned."""

    code = "host-key"
    exit_code = 4


class BlockedError(FleetError):
    """A policy says that the work must not be done now."""

    code = "blocked"
    exit_code = 7
