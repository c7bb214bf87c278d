from __future__ import annotations

import asyncio

import pytest

from fleetctl.engine.control import Control


def attached(control: Control) -> list[str]:
    calls: list[str] = []
    control.attach(on_stop=lambda: calls.append("stop"), on_cancel=lambda: calls.append("cancel"))
    return calls


def test_cancel_also_stops_and_each_is_told_once() -> None:
    control = Control()
    calls = attached(control)
    control.stop()
    control.stop()
    control.cancel()
    control.cancel()
    assert calls == ["stop", "cancel"]
    assert control.stopping
    assert control.cancelled


def test_what_was_said_before_the_run_is_told_when_it_begins() -> None:
    control = Control()
    control.cancel()
    assert attached(control) == ["stop", "cancel"]


def test_a_run_that_has_ended_is_told_nothing() -> None:
    control = Control()
    calls = attached(control)
    control.detach()
    control.cancel()
    assert calls == []


async def test_whoever_waits_for_an_end_is_woken_by_it_and_not_before() -> None:
    control = Control()
    stopped = asyncio.create_task(control.until_stopped())
    cancelled = asyncio.create_task(control.until_cancelled())
    await asyncio.sleep(0)
    control.leave()
    await stopped
    assert not cancelled.done()
    control.cancel()
    await cancelled


@pytest.mark.parametrize("how", ["stop", "leave", "cancel"])
async def test_an_end_that_was_said_before_is_not_waited_for(how: str) -> None:
    control = Control()
    getattr(control, how)()
    async with asyncio.timeout(10):
        await control.until_stopped()
