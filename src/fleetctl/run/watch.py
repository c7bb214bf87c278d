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
    """Yield the outcome of each host as it ends, those first that had ended before, until nobody works on the run.

    Raises:
        NotFoundError, StateFolderError: the run cannot be read.
    """
    told: set[str] = set()
    while True:
        going_on = owner_of(folder.path) is not None
        size = folder.events.stat().st_size if folder.events.exists() else 0
        for name, share in replay(folder).shares.items():
            if share.outcome is not None and name not in told:
                told.add(name)
                yield share.outcome
        if not going_on:
            return
        while owner_of(folder.path) is not None and folder.events.stat().st_size == size:
            time.sleep(_PAUSE)
