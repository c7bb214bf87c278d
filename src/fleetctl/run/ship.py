"""Ship runs that are not in their sinks yet, whoever made them and however that ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from fleetctl.engine.events import Event, Note
from fleetctl.engine.shipping import Shipped, Shipping
from fleetctl.sink.protocol import open_sink, plain_url
from fleetctl.spec.size import tell_size
from fleetctl.store.lock import owner_of
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
from fleetctl.store.shipped import unshipped

__all__ = ["ship", "sink_rows", "sinks_named", "to_ship"]

# Seconds between two words about how it goes, and the longest that one run may take.
_SAY_EVERY = 5.0
_LONGEST = 86_400.0


def sinks_named(urls: Sequence[str], settings: Sequence[SinkSettings]) -> tuple[SinkSettings, ...]:
    """Return the sinks to ship to: those of the URLs, with the options of the project's sink in the same bucket; none: all of the project's.

    Raises:
        UsageError, PluginError, CredentialError: one of them cannot be used.
    """
    chosen = [_like(url, settings) for url in urls] or list(settings)
    for sink in chosen:
        open_sink(
            sink.url, sink.options
        )  # nothing is sent; what is wrong with it is said before anything begins
    return tuple(replace(sink, when="end") for sink in chosen)


def _like(url: str, settings: Sequence[SinkSettings]) -> SinkSettings:
    place = urlsplit(plain_url(url))[:2]
    same = (sink for sink in settings if urlsplit(plain_url(sink.url))[:2] == place)
    return SinkSettings(url=url, options=next((sink.options for sink in same), {}))


def to_ship(folders: Iterable[RunFolder], sinks: Sequence[SinkSettings]) -> list[RunFolder]:
    """Return the runs that one of the sinks lacks something of, oldest first."""
    urls = {plain_url(sink.url) for sink in sinks}
    return [folder for folder in reversed(list(folders)) if urls & set(unshipped(folder, urls))]


async def ship(
    folders: Sequence[RunFolder], sinks: Sequence[SinkSettings], *, tell: Callable[[Event], None]
) -> AsyncIterator[Shipped]:
    """Ship runs, one after the other; of an unfinished one, what is final.

    Args:
        folders: the runs.
        sinks: where to.
        tell: takes notes about how it goes.

    Yields:
        What became of each run.

    Raises:
        StateFolderError: a run's lock cannot be read.
    """
    for folder in folders:
        # Its controller, if one works on it, writes down itself what it ships.
        shipping = Shipping(sinks, folder, tell=tell, keep=owner_of(folder.path) is None)
        saying = asyncio.ensure_future(_say(shipping, folder, tell))
        try:
            yield await shipping.finish(_LONGEST)
        finally:
            saying.cancel()


async def _say(shipping: Shipping, folder: RunFolder, tell: Callable[[Event], None]) -> None:
    while True:
        await asyncio.sleep(_SAY_EVERY)
        objects, size = shipping.put
        tell(Note(f"{folder.run_id}: {objects} objects, {tell_size(size)} shipped"))


def sink_rows(shipped: Shipped) -> list[dict[str, Any]]:
    """Tell what became of a run, one row a sink. `Status`: `Complete`, `Unfinished` (the run is; what is final is there), `Failed`."""
    return [
        {
            "CommandId": shipped.run_id,
            "Sink": share.url,
            "Status": "Complete" if share.complete else "Failed" if share.missing else "Unfinished",
            "Objects": share.objects,
            "Bytes": share.size,
            "Missing": share.missing,
            "Message": share.message,
            "Hint": share.hint,
        }
        for share in shipped.sinks
    ]
