"""One JSON object a line: for `jq`, log shippers and `while read`."""

from __future__ import annotations

from typing import TextIO

from fleetctl.report.json import encode
from fleetctl.report.protocol import Telling

__all__ = ["JsonLines"]


class JsonLines:
    """The rows of a result, one JSON object a line."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write them as they come."""
        for row in telling.rows:
            file.writelines(encode(row))
            file.write("\n")
