"""How the result of a run is shown, alike for every command that works on hosts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from fleetctl.cli.app import App
from fleetctl.cli.options import output_options
from fleetctl.cli.output import check_writable
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.engine.events import Event
    from fleetctl.engine.order import RunResult
    from fleetctl.store.runs import RunFolder, Runs

__all__ = ["FORMATS", "Shown", "leave", "line_printer", "show_report", "show_result", "shown_options"]

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "json", "jsonl", "yaml", "csv", "junit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How results are shown: what the flags of `shown_options` say."""

    format_: str
    output: Path | None
    grouped: bool
    diff: bool

    @property
    def as_they_come(self) -> bool:
        """Whether each host's lines are printed when it has ended."""
        return self.format_ == "table" and not self.grouped and not self.diff and self.output is None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Shown:
        """Read the flags.

        Raises:
            UsageError: they contradict one another, or a file cannot be written.
        """
        grouped, format_ = given["grouped"], given["format_"]
        if given["diff"] and format_ != "table":
            raise UsageError(f"--diff and --format {format_} do not go together")
        if grouped is None:
            grouped = given["output"] is None and sys.stdout.isatty()
        check_writable(given["output"])
        if (save := given["save"]) is not None:
            check_writable(save / "HOST.out" if save.is_dir() else save)
        return cls(format_=format_, output=given["output"], grouped=grouped, diff=given["diff"])


def shown_options(function: F) -> F:
    """Add the flags of how results are shown; the command gets `format_`, `output`, `grouped`, `diff` and `save`."""
    options: tuple[Callable[[F], F], ...] = (
        click.option(
            "--group-output/--per-host",
            "grouped",
            default=None,
            help="Equal output once, or each line behind its host's name.",
        ),
        click.option("--diff", is_flag=True, help="Show how outputs differ from the most common one."),
        click.option(
            "--save",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Copy each host's output to DIR/HOST.out and .err.",
        ),
        output_options(*FORMATS),
    )
    for option in reversed(options):
        function = option(function)
    return function


def line_printer(runs: Runs) -> Callable[[Event], None]:
    """Print each host's output when it has ended, every line behind the host's name."""
    from fleetctl.cli.show import show_host  # noqa: PLC0415
    from fleetctl.engine.events import HostEnded, RunStarted  # noqa: PLC0415
    from fleetctl.store.runs import RunFolder  # noqa: PLC0415

    folder: RunFolder | None = None

    def observe(event: Event) -> None:
        nonlocal folder
        if isinstance(event, RunStarted):
            folder = RunFolder(runs.path / event.run_id)
        elif isinstance(event, HostEnded) and folder is not None:
            outcome = event.outcome
            if outcome.stdout_bytes or outcome.stderr_bytes:
                show_host(folder, {"InstanceId": outcome.host})
                sys.stdout.flush()

    return observe


def show_result(
    app: App, result: RunResult, shown: Shown, *, seconds: float, save: Path | None = None
) -> None:
    """Show output, problems and a summary, as the flags say; output that was printed as it came is not shown again."""
    show_report(
        app, result.report, result.folder, shown, seconds=seconds, save=save, text=not shown.as_they_come
    )


def show_report(
    app: App,
    report: Mapping[str, Any],
    folder: RunFolder,
    shown: Shown,
    *,
    seconds: float | None = None,
    save: Path | None = None,
    text: bool = True,
) -> None:
    """Show a run by its report.

    Args:
        app: the shared flags.
        report: what `report.json` holds.
        folder: where the output is.
        shown: the flags.
        seconds: how long it took; None leaves that out.
        save: a folder that gets a copy of each host's output.
        text: whether output is shown where no other format is asked for.
    """
    from fleetctl.cli.output import destination, write  # noqa: PLC0415
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415

    invocations = report["Invocations"]
    if shown.format_ != "table":
        from fleetctl.run.telling import tell_run  # noqa: PLC0415

        write(tell_run(report, folder), shown.format_, shown.output)
    elif text:
        with destination(shown.output) as file, contextlib.redirect_stdout(file):
            _show_text(invocations, folder, shown)
    sys.stdout.flush()
    show_problems(invocations)
    if not app.quiet:
        show_summary(report, seconds=seconds)
    if save is not None:
        from fleetctl.run.save import save_output  # noqa: PLC0415

        save_output(folder, [invocation["InstanceId"] for invocation in invocations], save)


def _show_text(invocations: Sequence[Mapping[str, Any]], folder: RunFolder, shown: Shown) -> None:
    from fleetctl.cli.show import show_diff, show_grouped, show_host  # noqa: PLC0415

    if shown.diff:
        show_diff(folder, invocations)
    elif shown.grouped:
        show_grouped(folder, invocations)
    else:
        for invocation in invocations:
            show_host(folder, invocation)


def leave(result: RunResult) -> NoReturn:
    """End the program with the exit code of a run."""
    from fleetctl.engine.report import exit_code  # noqa: PLC0415

    raise SystemExit(exit_code(result.outcomes, interrupted=result.interrupted, paused=bool(result.paused)))
