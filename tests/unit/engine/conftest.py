"""An in-process transport for tests of pure engine logic: the engine's contract with transports is a protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.budget import Limits
from fleetctl.engine.connect import Connector
from fleetctl.engine.control import Control
from fleetctl.engine.events import Audience, Event, Observer
from fleetctl.engine.fanout import FanOut
from fleetctl.engine.invocation import Terms
from fleetctl.engine.ledger import Ledger
from fleetctl.engine.task import Session
from fleetctl.model import Command, Exit, Host, Outcome
from fleetctl.store.runs import RunFolder, Runs
from fleetctl.transport.protocol import OutputSink, TransportOptions

OK = Exit(code=0)


@dataclass(frozen=True)
class Script:
    """What one host of the test does: `ways` are exceptions raised by successive attempts to connect; None connects."""

    ways: tuple[BaseException | None, ...] = (None,)
    connect_seconds: float = 0.0
    seconds: float = 0.0
    end: Exit | BaseException = OK
    out: bytes = b""
    err: bytes = b""
    close: BaseException | None = None
    unkillable: bool = False


@dataclass
class Fleet:
    """Hosts that do what their scripts say, and count."""

    scripts: dict[str, Script]
    before_act: Callable[[str], None] = lambda _: None
    attempts: dict[str, int] = field(default_factory=dict)
    connecting: int = 0
    most_connecting: int = 0
    open: int = 0
    running: int = 0
    most_running: int = 0
    acted: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    closed: bool = False

    async def prepare(self, host: Host) -> None:
        pass

    async def connect(self, host: Host, *, on_answer: Any = None) -> Conn:
        script = self.scripts[host.name]
        number = self.attempts[host.name] = self.attempts.get(host.name, 0) + 1
        self.connecting += 1
        self.most_connecting = max(self.most_connecting, self.connecting)
        try:
            await asyncio.sleep(script.connect_seconds)
        finally:
            self.connecting -= 1
        way = script.ways[min(number, len(script.ways)) - 1]
        if way is not None:
            raise way
        self.open += 1
        return Conn(self, host, script)

    async def close(self) -> None:
        self.closed = True


@dataclass
class Conn:
    fleet: Fleet
    host: Host
    script: Script
    unended: list[str] = field(default_factory=list)

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        fleet, name = self.fleet, self.host.name
        fleet.before_act(name)
        fleet.acted.append(name)
        fleet.running += 1
        fleet.most_running = max(fleet.most_running, fleet.running)
        try:
            for data, write in ((self.script.out, sink.stdout), (self.script.err, sink.stderr)):
                if data:
                    write(data)
            await asyncio.sleep(self.script.seconds)
        except asyncio.CancelledError:
            fleet.killed.append(name)
            if self.script.unkillable:
                self.unended.append(command.tag)
            raise
        finally:
            fleet.running -= 1
        if isinstance(self.script.end, BaseException):
            raise self.script.end
        return self.script.end

    async def close(self) -> None:
        self.fleet.open -= 1
        if self.script.close is not None:
            raise self.script.close


@dataclass
class Ran:
    """All that is to be seen of one fan-out."""

    fleet: Fleet
    folder: RunFolder
    fan_out: FanOut
    events: list[Event]
    outcomes: list[Outcome]

    @property
    def statuses(self) -> list[str]:
        return [outcome.status.value for outcome in self.outcomes]

    @property
    def reasons(self) -> list[str | None]:
        return [outcome.reason.value if outcome.reason else None for outcome in self.outcomes]


async def plain_task(session: Session) -> Outcome:
    return session.outcome(await session.exec(Command(script="do")))


async def fan_out(
    path: Path,
    scripts: Sequence[Script],
    *,
    limits: Limits | None = None,
    control: Control | None = None,
    observers: Sequence[Observer] = (),
    task: Any = plain_task,
    before_act: Callable[[str], None] | None = None,
    options: TransportOptions | None = None,
    names: Sequence[str] | None = None,
    **more: Any,
) -> Ran:
    """Run a task on hosts `h0`, `h1` ... in a run folder below `path`."""
    names = names or [f"h{number}" for number in range(len(scripts))]
    fleet = Fleet(dict(zip(names, scripts, strict=True)))
    if before_act:
        fleet.before_act = before_act
    limits = limits or Limits()
    path.mkdir(parents=True, exist_ok=True)
    folder = Runs(path).create("run")
    ledger = Ledger(folder.events, first=b"{}\n")
    connector = Connector(options or TransportOptions(), limits=limits)
    connector._transports["fake"] = fleet
    events: list[Event] = []
    terms = Terms(
        folder=folder,
        task=task,
        limits=limits,
        connector=connector,
        ledger=ledger,
        audience=Audience([events.append, *observers]),
        filters=more.pop("filters", None),
        detached=more.pop("detached", False),
        begin=more.pop("begin", True),
    )
    run = FanOut(
        terms=terms,
        hosts=tuple(Host(name=name, transport="fake") for name in names),
        control=control or Control(),
        **more,
    )
    try:
        outcomes = await run.run()
    finally:
        await connector.close()
        await ledger.close()
    return Ran(fleet, folder, run, events, outcomes)


class Kit:
    """What tests of the engine need, handed out as one fixture."""

    Script = Script
    Fleet = Fleet
    fan_out = staticmethod(fan_out)
    task = staticmethod(plain_task)


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()
