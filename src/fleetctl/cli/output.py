"""Put results where they belong: stdout is data, and `--output` replaces it whole or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.report.protocol import Telling

__all__ = ["check_writable", "destination", "write"]


def check_writable(output: Path | None) -> None:
    """Find out before a long run whether its result can be written at its end.

    Raises:
        UsageError: it cannot.
    """
    if output is None:
        return
    if not output.parent.is_dir():
        raise UsageError(f"{output} cannot be written: there is no folder {output.parent}")
    if output.is_dir():
        raise UsageError(f"{output} cannot be written: it is a folder")
    special = output.exists() and not output.is_file()
    if not os.access(output if special else output.parent, os.W_OK):
        raise UsageError(f"{output} cannot be written: permission denied")


@contextmanager
def destination(output: Path | None, *, machine: bool = False) -> Iterator[TextIO]:
    """Yield a text file to write to: stdout, or `output`, which takes its new content when all of it is written.

    Args:
        output: a file; None means stdout.
        machine: write UTF-8 whatever the terminal's encoding is (JSON: RFC 8259, section 8.1).

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        if machine and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        if (
            output.exists() and not output.is_file()
        ):  # /dev/null, a pipe: written to, never put aside for a file
            with output.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file
            return
        with _replacing(output.resolve()) as file:  # a symbolic link stays one
            yield file
    except OSError as exc:
        raise UsageError(f"{output} cannot be written: {exc.strerror}") from exc


@contextmanager
def _replacing(output: Path) -> Iterator[TextIO]:
    """Yield a file that takes the place of `output` in the end, under a name that nobody else can have laid out before."""
    temporary = output.with_name(f".{output.name[:200]}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write(telling: Telling, format_: str, output: Path | None) -> None:
    """Write a result in a format that has an entry point in `fleetctl.reports`.

    Raises:
        PluginError: no such format.
        UsageError: the file cannot be written.
    """
    from fleetctl.spec.plugins import load  # noqa: PLC0415 - help needs no plugins

    report = load("fleetctl.reports", format_)()
    with destination(output, machine=True) as file:
        report.write(telling, file)
