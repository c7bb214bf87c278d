"""The way of one run's pieces to one sink: in the background, again and again until they are there."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeAlias

from fleetctl.engine.pieces import Piece, host_pieces, load_piece, next_segment, was_begun_again
from fleetctl.errors import FleetError
from fleetctl.sink.protocol import Sink, SinkConflict, SinkFailed, Source, open_sink
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
from fleetctl.store.shipped import Shipment

__all__ = ["SEGMENT", "Lane", "Load"]

SEGMENT = "the ledger as far as it is"
"""What is put on a lane for the next piece of the ledger."""

# A piece, the folder of a host's output, or SEGMENT.
Load: TypeAlias = Piece | Path | str

_WORKERS = 8
# Seconds between two attempts while a sink is in trouble: during the run, when somebody waits for it, and when it refuses.
_SLOWEST = 30.0
_HURRY = 2.0
_REFUSED = 0.02
_MOST_STATES = 1000
# Answers in a row that trying again will not change, after which a sink that never took anything is given up.
_ENOUGH = 2


class Lane:
    """Eight workers that put what is laid on them; while the sink is in trouble only one of them tries, ever less often.

    Args:
        settings: of the sink.
        folder: the run.
        shipment: what is known to be there; kept up to date.
        threads: where files are read.
        troubled: called once for each reason that the sink fails with.

    Attributes:
        trouble: why the sink does not take anything now.
        lasting: how often in a row it said what trying again will not change.
        refused: what it will never take as it is, by key.
        put: objects and bytes that this lane has put.
        moved: when something was put last, by the clock of the loop.
    """

    def __init__(
        self,
        settings: SinkSettings,
        folder: RunFolder,
        *,
        shipment: Shipment,
        threads: Executor,
        troubled: Callable[[Lane], None],
    ) -> None:
        self.settings = settings
        self.shipment = shipment
        self.trouble: SinkFailed | None = None
        self.lasting = 0
        self.refused: dict[str, SinkFailed] = {}
        self.put = (0, 0)
        self.moved = 0.0
        self._folder = folder
        self._threads = threads
        self._troubled = troubled
        self._sink: Sink | None = None
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Load] = asyncio.Queue()
        self._probe = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._fresh: set[str] = set()
        self._going: set[str] = set()
        self._said: set[str] = set()
        self._busy = 0
        self._segment = False
        self._delay = 0.0
        self._workers = [asyncio.ensure_future(self._work()) for _ in range(_WORKERS)]

    def add(self, load: Load) -> None:
        """Lay something on the lane. A further segment is not, while one waits: that one will hold all there is by then."""
        if load == SEGMENT:
            if self._segment:
                return
            self._segment = True
        self._queue.put_nowait(load)

    def lacks(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Return those that this lane has not put, or found there, itself."""
        return [piece for piece in pieces if piece.key not in self._fresh]

    @property
    def hopeless(self) -> bool:
        """Whether it refused everything that is left, since `done` was called; or the first things it was ever given."""
        taken = self.put[0] or self.shipment.objects
        return self.lasting >= (max(1, self._queue.qsize() + self._busy) if taken else _ENOUGH)

    async def done(self) -> None:
        """Return when nothing is left on the lane; from now on attempts follow one another quickly."""
        self.lasting = 0
        self._hurry.set()
        await self._queue.join()

    async def close(self) -> None:
        """Stop, whatever is left."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._sink is not None:
            await self._sink.close()

    async def _work(self) -> None:
        while True:
            load = await self._queue.get()
            self._busy += 1
            try:
                for piece in await self._pieces(load):
                    if not await self._try(piece):
                        # Behind the others: one object that is refused again and again must not keep them from being put.
                        self._queue.put_nowait(piece)
                    elif not piece.key:
                        self._segment = False
            except Exception as exc:  # noqa: BLE001 - a sink of a stranger's package: one piece lost, not a worker
                self.refused[str(load)] = SinkFailed(f"{type(exc).__name__}: {exc}")
            finally:
                self._busy -= 1
                self._queue.task_done()

    async def _pieces(self, load: Load) -> list[Piece]:
        if isinstance(load, Path):
            return await self._loop.run_in_executor(self._threads, host_pieces, load)
        return [load] if isinstance(load, Piece) else [Piece("", self._folder.events)]

    async def _try(self, piece: Piece) -> bool:
        """Return whether this piece needs no further attempt."""
        if self.trouble is None:
            return await self._ship(piece)
        async with self._probe:
            if self.trouble is not None:
                await self._pause()
            return await self._ship(piece)

    async def _pause(self) -> None:
        if self._hurry.is_set():
            refusing = (
                self.trouble is not None and self.trouble.lasting
            )  # it answers: the next one may be taken
            await asyncio.sleep(min(self._delay, _REFUSED if refusing else _HURRY))
            return
        with contextlib.suppress(TimeoutError):
            # Spread, so that many controllers do not meet a server again that just came back, all at once.
            await asyncio.wait_for(self._hurry.wait(), self._delay * random.uniform(0.7, 1.3))  # noqa: S311

    async def _ship(self, piece: Piece) -> bool:
        if piece.key in self._going:
            return True  # another worker has it: laid on the lane twice
        self._going.add(piece.key)
        try:
            await (self._ship_file(piece) if piece.key else self._ship_segment())
        except SinkConflict as exc:
            self.refused[piece.key or exc.key] = exc
        except SinkFailed as exc:
            self._fail(exc)
            return False
        except OSError as exc:
            self.refused[piece.key] = SinkFailed(f"{piece.path} cannot be read: {exc.strerror}")
        finally:
            self._going.discard(piece.key)
        return True

    def _fail(self, exc: SinkFailed) -> None:
        self.trouble = exc
        self.lasting = self.lasting + 1 if exc.lasting else 0
        self._delay = min(_SLOWEST, max(0.25, self._delay * 2))
        if exc.message not in self._said:
            self._said.add(exc.message)
            self._troubled(self)

    async def _ship_segment(self) -> None:
        read = partial(next_segment, self._folder.events, self.shipment.offset)
        found = await self._loop.run_in_executor(self._threads, read)
        if found is not None:
            key, data = found
            await self._send(key, data)
            self.shipment.offset += len(data)

    async def _ship_file(self, piece: Piece) -> None:
        size, digest, data = await self._loop.run_in_executor(self._threads, load_piece, piece.path)
        for number in range(1, _MOST_STATES):
            # A file that has changed since it was put, in a run that was gone on with, is put beside its earlier state.
            key = piece.key if number == 1 else f"{piece.key}~{number}"
            known = self.shipment.objects.get(key)
            if known == (size, digest):
                break
            if known is not None:
                continue
            try:
                await self._send(key, piece.path if data is None else data, size=size)
            except SinkConflict as exc:
                # Ours of before, although the note of it was lost: less of the same file, or the host's earlier attempt.
                if not exc.grown and not was_begun_again(self._folder, piece.path):
                    raise
            else:
                self.shipment.objects[key] = (size, digest)
                break
        self._fresh.add(piece.key)
        self.refused.pop(piece.key, None)

    async def _send(self, key: str, source: Source, *, size: int | None = None) -> None:
        await self._open().put(f"{self._folder.run_id}/{key}", source)
        size = len(source) if isinstance(source, bytes) else size or 0
        self.put = (self.put[0] + 1, self.put[1] + size)
        self.trouble, self.lasting, self._delay = None, 0, 0.0
        self.moved = self._loop.time()

    def _open(self) -> Sink:
        if self._sink is None:
            try:
                self._sink = open_sink(self.settings.url, self.settings.options)
            except FleetError as exc:
                raise SinkFailed(exc.message, hint=exc.hint or "", lasting=True) from exc
        return self._sink
