"""fleetctl with its connections counted, and without its ledger if asked: `python driven.py as-it-is|no-ledger ARGV...`.

Both are started alike, so that what differs between them is the ledger alone. How many connections were opened and how many
programs were started on hosts is written to `driven.json` in the folder that `--state` names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn


class NoLedger:
    """Takes everything, and writes nothing."""

    head, sequence = "", 0

    def __init__(self, path: Path, *, first: bytes, after: Any = None) -> None: ...

    def append(self, type_: str, **fields: Any) -> None:
        """Forget a record."""

    def flush_soon(self) -> None:
        """Have nothing to bring to disk."""

    async def commit(self) -> None:
        """Be done at once."""

    async def close(self) -> None:
        """Have nothing open."""


def main(how: str, *argv: str) -> NoReturn:
    """Run fleetctl."""
    from fleetctl.cli import main as program  # noqa: PLC0415 - imports count as part of the program
    from fleetctl.engine import conduct  # noqa: PLC0415
    from fleetctl.transport.asyncssh import AsyncSsh, SshConnection  # noqa: PLC0415

    if how == "no-ledger":
        conduct.Ledger = NoLedger  # type: ignore[attr-defined, assignment]
    counts = {"connections": 0, "execs": 0}
    _count(AsyncSsh, "connect", counts, what="connections")
    _count(SshConnection, "exec", counts, what="execs")
    try:
        program.main(list(argv))
    finally:
        Path(argv[argv.index("--state") + 1], "driven.json").write_text(json.dumps(counts))


def _count(kind: Any, method: str, counts: dict[str, int], *, what: str) -> None:
    real = getattr(kind, method)

    async def counted(*args: Any, **named: Any) -> Any:
        counts[what] += 1
        return await real(*args, **named)

    setattr(kind, method, counted)


if __name__ == "__main__":
    main(*sys.argv[1:])
