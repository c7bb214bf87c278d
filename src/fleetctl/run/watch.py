"""Look on while another controller works on a run."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fleetctl.engine.replay import replay
from fleetctl.model import Outcome
from fleetctl.store.lock import owner_of
from fleetctl.store.runs import RunFolder

__all__ = ["watch"]

# Seconds between two looks.
_PAUSE = 0.5


def watch(folder: RunFolder) -> Iterator[Outcome]:
    """Yield the outcome of each host as it ends, and again if that changes, until nobody works on the run.

    Those come first that had ended before.

    Raises:
        NotFoundError, StateFolderError: the run cannot be read.
    """
    told: dict[str, Outcome] = {}
    while True:
        going_on = owner_of(folder.path) is not None
        size = _size(folder)
        for name, share in replay(folder).shares.items():
            if share.outcome is not None and told.get(name) != share.outcome:
                told[name] = share.outcome
                yield share.outcome
        if not going_on:
            return
        while owner_of(folder.path) is not None and _size(folder) == size:
            time.sleep(_PAUSE)


def _size(folder: RunFolder) -> int:
    try:
        return folder.events.stat().st_size
    except FileNotFoundError:  # not yet, or not any more
        return 0
