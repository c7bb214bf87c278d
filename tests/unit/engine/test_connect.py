"""Connecting: limited in number, tried again only where that can help, and never without an end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine import connect
from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.errors import CredentialError, PluginError
from fleetctl.model import Host, Reason
from fleetctl.transport.protocol import TransportOptions, Unreachable

HOST = Host(name="web", transport="fake")
PASSING = Unreachable(Reason.MAX_STARTUPS, "dropped", retry=True)
LASTING = Unreachable(Reason.AUTHENTICATION, "wrong key")


@dataclass
class Door:
    """A transport that does what each attempt is told to: an exception, or seconds to wait."""

    ways: list[Any]
    tried: int = 0
    closed: int = 0
    answers: bool = False
    options: list[TransportOptions] = field(default_factory=list)

    async def prepare(self, host: Host) -> None:
        pass

    async def connect(self, host: Host, *, on_answer: Any = None) -> Any:
        self.tried += 1
        if self.answers and on_answer:
            on_answer()
        way = self.ways.pop(0) if self.ways else None
        if isinstance(way, BaseException):
            raise way
        if way is not None:
            await asyncio.sleep(way)
        return "connected"

    async def close(self) -> None:
        self.closed += 1


def connector(*ways: Any, **limits: Any) -> tuple[Connector, Door]:
    made = Connector(TransportOptions(), limits=Limits(**limits))
    door = Door(list(ways))
    made._transports["fake"] = door
    return made, door


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect.random, "uniform", lambda _low, _high: 0.02)


async def test_what_may_pass_is_tried_again() -> None:
    made, door = connector(PASSING, PASSING)
    numbers: list[int] = []
    assert await made.open(HOST, on_attempt=numbers.append) == "connected"
    assert numbers == [1, 2, 3]
    assert door.tried == 3


async def test_what_lasts_is_not_tried_again() -> None:
    made, door = connector(LASTING)
    with pytest.raises(Unreachable, match="wrong key"):
        await made.open(HOST)
    assert door.tried == 1


async def test_attempts_come_to_an_end() -> None:
    made, door = connector(*[PASSING] * 9, connect_attempts=3)
    with pytest.raises(Unreachable, match="dropped"):
        await made.open(HOST)
    assert door.tried == 3


async def test_no_attempt_begins_after_the_connect_timeout() -> None:
    made, door = connector(*[PASSING] * 9, connect_attempts=9, connect_timeout=0.01)
    with pytest.raises(Unreachable):
        await made.open(HOST)
    assert door.tried == 1


async def test_a_second_attempt_is_cut_off_at_the_connect_timeout_and_the_first_reason_stays() -> None:
    made, door = connector(PASSING, 3600, connect_timeout=0.2)
    with pytest.raises(Unreachable) as caught:
        await made.open(HOST)
    assert caught.value.reason is Reason.MAX_STARTUPS
    assert door.tried == 2


async def test_a_transport_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_GRACE", 0.02)
    made, _ = connector(3600, connect_timeout=0.02)
    with pytest.raises(Unreachable, match=r"no connection to web within 0\.02 s") as caught:
        await made.open(HOST)
    assert caught.value.reason is Reason.CONNECT_TIMEOUT
    assert "--connect-timeout" in caught.value.hint


async def test_a_transport_that_breaks_its_promise_is_a_bug_of_that_host_alone() -> None:
    for fault in (RuntimeError("boom"), TimeoutError(), KeyError("x")):
        made, _ = connector(fault)
        with pytest.raises(Unreachable) as caught:
            await made.open(HOST)
        assert caught.value.reason is Reason.INTERNAL
        assert "bug" in caught.value.hint


async def test_an_unreadable_key_that_the_project_names_goes_through() -> None:
    made, _ = connector(CredentialError("no key"))
    with pytest.raises(CredentialError):
        await made.open(HOST)


async def test_an_unknown_transport_is_an_error_with_a_suggestion() -> None:
    made, _ = connector()
    with pytest.raises(PluginError, match="unknown transport 'shh'") as caught:
        await made.open(Host(name="web", transport="shh"))
    assert "ssh" in (caught.value.hint or "")


async def test_a_silent_host_gives_up_its_place_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_SILENT_AFTER", 0.02)
    made, _ = connector(3600, connect_concurrency=1)
    silent = asyncio.create_task(made.open(HOST))
    await asyncio.sleep(0)
    assert await made.open(HOST) == "connected"
    assert not silent.done()
    silent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await silent
    assert await made.open(HOST) == "connected"
    assert made._places._value == 1


async def test_who_did_not_listen_calls_no_host_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_SILENT_AFTER", 0.05)
    made, _ = connector(3600, connect_concurrency=1)
    silent = asyncio.create_task(made.open(HOST))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - nobody listens
    await asyncio.sleep(0)
    assert made._places._value == 0
    assert await made.open(HOST) == "connected", "it was silent while somebody listened, too"
    silent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await silent


async def test_a_slow_host_that_has_answered_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_SILENT_AFTER", 0.02)
    made, door = connector(0.2, connect_concurrency=1)
    door.answers = True
    slow = asyncio.create_task(made.open(HOST))
    await asyncio.sleep(0)
    other = asyncio.create_task(made.open(HOST))
    await asyncio.sleep(0.1)
    assert door.tried == 1
    assert [await slow, await other] == ["connected"] * 2


async def test_places_come_back_however_connecting_ends() -> None:
    made, door = connector(LASTING, RuntimeError(), 3600, None, connect_concurrency=1)
    for _ in range(2):
        with pytest.raises(Unreachable):
            await made.open(HOST)
    waiting = asyncio.create_task(made.open(HOST))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await made.open(HOST) == "connected"
    assert made._places._value == 1
    assert door.tried == 4


async def test_connecting_is_limited_apart_from_running(kit: Any, tmp_path: Path) -> None:
    ran = await kit.fan_out(
        tmp_path,
        [kit.Script(connect_seconds=0.005, seconds=0.05)] * 12,
        limits=Limits(connect_concurrency=2),
    )
    assert ran.fleet.most_connecting == 2
    assert ran.fleet.most_running > 2


async def test_closing_goes_on_after_a_transport_that_fails_to() -> None:
    made, door = connector()

    class Stuck(Door):
        async def close(self) -> None:
            raise OSError

    made._transports = {"stuck": Stuck([]), "fake": door}
    await made.close()
    assert door.closed == 1


async def test_the_limits_decide_the_connect_timeout_of_transports(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Spy(Door):
        def __init__(self, options: TransportOptions) -> None:
            super().__init__([])
            seen.append(options.connect_timeout)

    monkeypatch.setattr(connect, "load", lambda _group, _name: Spy)
    made = Connector(TransportOptions(connect_timeout=10), limits=Limits(connect_timeout=2.5))
    await made.open(HOST)
    await made.open(HOST)
    assert seen == [2.5]
