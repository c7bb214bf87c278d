"""Put results where they belong: stdout is data, and `--output` replaces it whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from fleetctl.errors import UsageError
from fleetctl.report.protocol import Telling
from fleetctl.spec.plugins import load

__all__ = ["destination", "write"]


@contextmanager
def destination(output: Path | None) -> Iterator[TextIO]:
    """Yield a text file to write to: stdout, or `output`, which takes its new content when all of it is written.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        # Host names and messages may hold what the terminal's encoding lacks: show it escaped rather than fail.
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
        sys.stdout.flush()
        return
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            yield file
        temporary.replace(output)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{output} cannot be written: {exc.strerror}") from exc
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write(telling: Telling, format_: str, output: Path | None) -> None:
    """Write a result in a format that has an entry point in `fleetctl.reports`.

    Raises:
        PluginError: no such format.
        UsageError: the file cannot be written.
    """
    report = load("fleetctl.reports", format_)()
    with destination(output) as file:
        report.write(telling, file)
