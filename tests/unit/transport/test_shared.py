"""One finds what many want."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.transport.shared import Shared


async def turns(until: asyncio.Future[None], count: list[int]) -> None:
    while not until.done():
        count[0] += 1
        await asyncio.sleep(0)


async def test_all_who_wait_are_woken_in_one_turn_of_the_loop():
    shared, found, count, woken = Shared[str, str](), asyncio.Event(), [0], list[int]()

    async def find() -> str:
        await found.wait()
        return "key"

    async def want() -> None:
        assert await shared.get("a", find) == "key"
        woken.append(count[0])

    over = asyncio.get_running_loop().create_future()
    counting = asyncio.create_task(turns(over, count))
    waiting = [asyncio.create_task(want()) for _ in range(200)]
    await asyncio.sleep(0)
    found.set()
    await asyncio.gather(*waiting)
    over.set_result(None)
    await counting
    assert max(woken) - min(woken) <= 1


async def test_who_stops_waiting_takes_the_answer_away_from_nobody():
    shared, found, asked = Shared[str, str](), asyncio.Event(), 0

    async def find() -> str:
        nonlocal asked
        asked += 1
        await found.wait()
        return "key"

    first, second = (asyncio.create_task(shared.get("a", find)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    found.set()
    assert await second == "key"
    assert asked == 1
    assert shared.ready("a") == "key"
    assert shared.ready("b") is None


async def test_a_failure_is_found_once_and_told_to_all():
    shared, asked = Shared[str, str](), 0

    async def find() -> str:
        nonlocal asked
        asked += 1
        raise LookupError("gone")

    for _ in range(3):
        with pytest.raises(LookupError, match="gone"):
            await shared.get("a", find)
    with pytest.raises(LookupError, match="gone"):
        shared.ready("a")
    assert asked == 1


async def test_closing_stops_the_search():
    shared, stopped = Shared[str, str](), asyncio.Event()

    async def find() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    waiting = asyncio.create_task(shared.get("a", find))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await shared.close()
    assert stopped.is_set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
