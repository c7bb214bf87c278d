"""Copy what hosts printed to a folder of the operator's choice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fleetctl.errors import UsageError
from fleetctl.store.runs import RunFolder, file_name

__all__ = ["save_output"]


def save_output(run: RunFolder, hosts: Sequence[str], folder: Path) -> None:
    """Write `<folder>/<host>.out` and, where anything was printed there, `<host>.err`.

    Args:
        run: where the output lies.
        hosts: names; a host that printed nothing gets an empty `.out`.
        folder: made if needed; files of the same names are replaced.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for host in hosts:
            for stream, ending in (("stdout", "out"), ("stderr", "err")):
                parts = [path for path in run.output_files(host, stream) if path.exists()]
                if parts or stream == "stdout":
                    _join(parts, folder / f"{file_name(host)}.{ending}")
    except OSError as exc:
        raise UsageError(f"output cannot be saved in {folder}: {exc.strerror}") from exc


def _join(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as file:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
