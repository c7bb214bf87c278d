"""Hosts that a program prints, in the form of Ansible's inventory programs (`--list` JSON)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fleetctl.errors import InventoryError, Where
from fleetctl.hosts.declared import Declared, Origin
from fleetctl.hosts.sources.ansible_list import declare

__all__ = ["CommandOutput", "run_program"]

_SECONDS: Final = 60.0
_SHOWN: Final = 2000  # characters of what a failing program says; the end, where the reason stands


class CommandOutput:
    """`command: [PROGRAM, ARGUMENT, ...]`, run in the folder of the inventory, within 60 seconds.

    A program without arguments is given `--list`, which Ansible's own inventory programs want; with arguments it is run
    as written.
    """

    def read(self, argument: Any, origin: Origin) -> Declared:
        """Return the hosts and groups that it prints.

        Raises:
            InventoryError: it does not start, fails, takes too long, or prints no JSON; with what it said on stderr.
            ProblemsError: the JSON is not of the right form.
        """
        argv = [argument] if isinstance(argument, str) else argument
        if not isinstance(argv, list) or not argv or not all(isinstance(word, str) and word for word in argv):
            raise InventoryError("'command' takes a list of words: [./ec2-inventory]", where=origin.where)
        data = run_program(
            argv if len(argv) > 1 else [*argv, "--list"], folder=origin.folder, where=origin.where
        )
        return declare(data, file=" ".join(argv), where=origin.where or Where(argv[0]))


def run_program(argv: Sequence[str], *, folder: Path, where: Where | None = None) -> Any:
    """Run a program and return the JSON that it prints.

    Args:
        argv: a first word with a `/` in it is relative to `folder`.
        folder: its working directory.
        where: where it is named.

    Raises:
        InventoryError: it does not start, fails, takes too long, or prints no JSON.
    """
    program = argv[0]
    if "/" in program or program.startswith("~"):
        program = str((folder / Path(program).expanduser()).absolute())
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise InventoryError(f"'{argv[0]}' printed nothing for {_SECONDS:g} seconds", where=where) from exc
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise InventoryError(
            f"'{argv[0]}' cannot be run: {reason}", where=where, hint=_execution_hint(exc)
        ) from exc
    said = done.stderr.decode("utf-8", "replace").strip()[-_SHOWN:]
    if done.returncode:
        ended = (
            f"ended with exit code {done.returncode}"
            if done.returncode > 0
            else f"was killed by signal {-done.returncode}"
        )
        raise InventoryError(f"'{argv[0]}' {ended}", where=where, hint=said or "it said nothing on stderr")
    try:
        return json.loads(done.stdout)
    except (ValueError, RecursionError) as exc:
        raise InventoryError(
            f"'{argv[0]}' did not print JSON: {exc}",
            where=where,
            hint=said or f"it printed: {done.stdout[:200]!r}",
        ) from exc


def _execution_hint(exc: Exception) -> str | None:
    return "chmod +x it" if isinstance(exc, PermissionError) else None
