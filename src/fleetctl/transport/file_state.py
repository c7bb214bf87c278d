"""What a file was like when it was read last, so that it is known whether, and how, others have changed it since."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["FileState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A text file at one moment.

    Attributes:
        identity: device and inode.
        size: bytes that were read of it.
        changed: its mtime in ns when it was opened.
        lines: how many it had.
        whole: whether the last one was ended.
    """

    identity: tuple[int, int] = (0, 0)
    size: int = 0
    changed: int = 0
    lines: int = 0
    whole: bool = True

    def after(self, status: os.stat_result, more: bytes) -> FileState:
        """Return the state once `more` has been read behind what was read before."""
        return FileState(
            identity=(status.st_dev, status.st_ino),
            size=self.size + len(more),
            changed=status.st_mtime_ns,
            lines=self.lines + len(more.decode("utf-8", "surrogateescape").splitlines()),
            whole=more.endswith(b"\n") if more else self.whole,
        )

    def is_now(self, status: os.stat_result) -> bool:
        """Tell whether nothing has changed since."""
        now = (status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns
        return now == (self.identity, self.size, self.changed)

    def has_grown(self, status: os.stat_result) -> bool:
        """Tell whether it is the same file with something behind its end: known_hosts is only appended to, or replaced."""
        same = (status.st_dev, status.st_ino) == self.identity
        return same and self.whole and status.st_size > self.size
