"""Copy a run to sinks while it goes on. A sink that fails never fails the run, and never holds it up.

`Shipping` observes the run: each host's output is shipped when that host has ended, the ledger in pieces now and then, so that something
away from this machine vouches for it while the run goes on. `finish` ships what is left, and says what could not be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from fleetctl.engine.events import Event, HostEnded, Note, RunStarted
from fleetctl.engine.lane import SEGMENT, Lane, Load
from fleetctl.engine.pieces import Piece, final_pieces
from fleetctl.errors import FleetError
from fleetctl.sink.protocol import plain_url
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
from fleetctl.store.shipped import Shipment, read_shipments, write_shipments

__all__ = ["Shipped", "Shipping", "SinkShare"]

_TICK = 1.0
# What is known to be shipped is written at most this often, and at most a fiftieth of the time goes into it.
_SAVE_AFTER = 5.0
_SAVE_SHARE = 50
# Seconds without success after which nobody waits any longer.
_PATIENCE = 10.0
# Seconds for an operator who wants to go.
_GRACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkShare:
    """What became of a run at one sink.

    Attributes:
        url: the sink's, without secrets.
        total: objects that should be there by now.
        missing: how many of them are not.
        objects, size: what was put this time, in objects and bytes.
        complete: whether the run has ended, and all of it is there.
        message, hint: why something is missing.
    """

    url: str
    total: int
    missing: int
    objects: int
    size: int
    complete: bool
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What became of a run at all its sinks."""

    run_id: str
    sinks: tuple[SinkShare, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that is final is where it should be."""
        return not any(share.missing for share in self.sinks)


class Shipping:
    """Ships one run.

    Args:
        sinks: where to; none means that nothing happens.
        folder: the run; it may be a finished one.
        tell: takes notes for the operator (`Audience.tell`).
        keep: whether `shipping.json` is written; not by a second program beside the run's controller.
    """

    def __init__(
        self,
        sinks: Sequence[SinkSettings],
        folder: RunFolder,
        *,
        tell: Callable[[Event], None] = lambda _event: None,
        keep: bool = True,
    ) -> None:
        self._settings = tuple(sinks)
        self._folder = folder
        self._tell = tell
        self._keep = keep
        self._lanes: list[Lane] = []
        self._threads: ThreadPoolExecutor | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._saved: list[Shipment] = []

    def observe(self, event: Event) -> None:
        """Take an event of the run, from the event loop. Never waits, never raises."""
        if not self._settings:
            return
        try:
            if isinstance(event, RunStarted):
                self._start()
                self._add(Piece("run.json", self._folder.path / "run.json"))
            elif isinstance(event, HostEnded) and event.outcome.status.ended:
                self._start()
                self._add(self._folder.output(event.outcome.host))
        except Exception as exc:  # noqa: BLE001 - copies are not worth a run
            self._say(f"shipping failed: {type(exc).__name__}: {exc}")

    @property
    def put(self) -> tuple[int, int]:
        """Objects and bytes that were put up to now, in all sinks."""
        return sum(lane.put[0] for lane in self._lanes), sum(lane.put[1] for lane in self._lanes)

    async def finish(self, seconds: float = 60.0, *, leave: Callable[[], bool] = lambda: False) -> Shipped:
        """Ship what is left; call this when the report is written. Never raises but for its own cancellation.

        Args:
            seconds: the longest it may take. A sink that takes nothing for ten seconds, or that refuses, is not waited for.
            leave: asked again and again; whether the operator wants to go: nothing is waited for then for more than two seconds.
        """
        if not self._settings:
            return Shipped(run_id=self._folder.run_id)
        try:
            self._start()
            return await self._finish(seconds, leave)
        except Exception as exc:  # noqa: BLE001 - as above
            self._say(f"shipping failed: {type(exc).__name__}: {exc}; {self._later()}")
            return Shipped(run_id=self._folder.run_id, sinks=tuple(self._lost(s) for s in self._settings))
        finally:
            await self._stop()

    def _start(self) -> None:
        if self._threads is not None:
            return
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="shipping")
        known = read_shipments(self._folder)
        for settings in self._settings:
            url = plain_url(settings.url)
            shipment = known.get(url) or Shipment(url=url)
            self._lanes.append(
                Lane(
                    settings,
                    self._folder,
                    shipment=replace(shipment, complete=False),
                    threads=self._threads,
                    troubled=self._troubled,
                )
            )
        self._ticking = asyncio.ensure_future(self._tick())

    def _add(self, load: Load) -> None:
        for lane in self._lanes:
            if lane.settings.when == "during":
                lane.add(load)

    async def _tick(self) -> None:
        """Send the ledger's growth, and write down what is shipped, now and then."""
        loop = asyncio.get_running_loop()
        sent = dict.fromkeys(self._lanes, loop.time())
        save_at = 0.0  # at once: a run that is killed early must be known to have something to ship
        while True:
            await asyncio.sleep(0)
            if loop.time() >= save_at:
                began = loop.time()
                await self._save()
                save_at = loop.time() + max(_SAVE_AFTER, _SAVE_SHARE * (loop.time() - began))
            for lane in self._lanes:
                if lane.settings.when == "during" and loop.time() - sent[lane] >= lane.settings.every:
                    sent[lane] = loop.time()
                    lane.add(SEGMENT)
            await asyncio.sleep(_TICK)

    async def _finish(self, seconds: float, leave: Callable[[], bool]) -> Shipped:
        pieces, ended = await asyncio.get_running_loop().run_in_executor(
            self._threads, final_pieces, self._folder
        )
        lanes = self._lanes
        for lane in lanes:
            for piece in lane.lacks(pieces):
                lane.add(piece)
            if not ended:
                lane.add(SEGMENT)
        await asyncio.gather(*(_wait(lane, seconds, leave) for lane in lanes))
        shares = [self._share(lane, pieces, ended=ended) for lane in lanes]
        for share in shares:
            if share.missing:
                number = f"{share.missing} of {share.total} objects are not"
                self._say(f"{number} in {share.url}: {share.message}; {self._later()}")
        return Shipped(run_id=self._folder.run_id, sinks=tuple(shares))

    @staticmethod
    def _share(lane: Lane, pieces: Sequence[Piece], *, ended: bool) -> SinkShare:
        missing = lane.lacks(pieces)
        reason = lane.trouble or next(iter(lane.refused.values()), None)
        # The ledger's growth has no key of its own.
        unsent = not ended and (lane.trouble is not None or len(lane.refused) > len(missing))
        lane.shipment.complete = ended and not missing
        return SinkShare(
            url=lane.shipment.url,
            total=len(pieces) + unsent,
            missing=len(missing) + unsent,
            objects=lane.put[0],
            size=lane.put[1],
            complete=lane.shipment.complete,
            message=reason.message if reason else "there was no time left" if missing else "",
            hint=reason.hint if reason else "",
        )

    async def _stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        await asyncio.gather(*(lane.close() for lane in self._lanes), return_exceptions=True)
        if self._threads is not None:
            await self._save()
            self._threads.shutdown(wait=False)

    async def _save(self) -> None:
        if not self._keep:
            return
        shipments = [replace(lane.shipment, objects=dict(lane.shipment.objects)) for lane in self._lanes]
        if shipments != self._saved:
            # What cannot be written is shipped once more, that is all.
            with contextlib.suppress(FleetError):
                save = partial(write_shipments, self._folder, shipments)
                await asyncio.get_running_loop().run_in_executor(self._threads, save)
                self._saved = shipments

    def _troubled(self, lane: Lane) -> None:
        if lane.trouble is not None:
            self._say(
                f"{lane.shipment.url} takes no output now: {lane.trouble.message}; it is tried again meanwhile"
            )

    def _say(self, text: str) -> None:
        with contextlib.suppress(Exception):
            self._tell(Note(text))

    def _later(self) -> str:
        return f"finish with: fleetctl runs ship {self._folder.run_id}"

    def _lost(self, settings: SinkSettings) -> SinkShare:
        return SinkShare(
            url=plain_url(settings.url),
            total=1,
            missing=1,
            objects=0,
            size=0,
            complete=False,
            message="failed",
        )


async def _wait(lane: Lane, seconds: float, leave: Callable[[], bool]) -> None:
    """Wait until the lane is empty, or there is no point in waiting."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    done = asyncio.ensure_future(lane.done())
    try:
        while not done.done() and loop.time() - began < seconds:
            await asyncio.wait({done}, timeout=0.1)
            stuck = loop.time() - max(began, lane.moved) > _PATIENCE
            gone = loop.time() - began > _GRACE and leave()
            if gone or (lane.trouble is not None and (stuck or lane.hopeless)):
                return
    finally:
        done.cancel()
