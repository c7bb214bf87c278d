"""A run through its waves: work, bake, gates, pause; every state it can end in, and what is on record by then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.control import Control
from fleetctl.engine.events import Audience, Baking, Event, GateChecked, WaveEnded, WaveStarted
from fleetctl.engine.gates import GateVerdict, GateView, HostsGate
from fleetctl.engine.roll import CANARY, Rolled, Wave, Worked, roll
from fleetctl.engine.rollout import Rollout
from fleetctl.engine.waves import parse_waves
from fleetctl.errors import StateFolderError
from fleetctl.model import Command, Host, Outcome, Status
from fleetctl.store.runs import RunFolder

HOSTS = tuple(Host(name=f"h{number:03}") for number in range(100))
LONG = 3600.0


@dataclass
class Says:
    """A gate that gives these verdicts, one a check, the last one for ever."""

    verdicts: Sequence[bool | Exception] = (True,)
    name: str = "says"
    before: Callable[[GateView], Any] = lambda _: None
    views: list[GateView] = field(default_factory=list)
    ended: bool = False

    def record(self) -> dict[str, Any]:
        return {"Kind": "says"}

    async def check(self, view: GateView) -> GateVerdict:
        self.views.append(view)
        try:
            if asyncio.iscoroutine(waiting := self.before(view)):
                await waiting
        finally:
            self.ended = True
        verdict = self.verdicts[min(len(self.views), len(self.verdicts)) - 1]
        if isinstance(verdict, Exception):
            raise verdict
        return GateVerdict(
            green=verdict, message="fine" if verdict else "password hunter22 is wrong", details={"code": 7}
        )


@dataclass
class Rolling:
    """A run of a hundred hosts that are done at once, and all that is to be seen of it."""

    statuses: dict[str, Status] = field(default_factory=dict)
    answers: list[bool | None] = field(default_factory=list)
    stop_in_wave: int = 0
    during: Callable[[str], None] = lambda _: None
    control: Control = field(default_factory=Control)
    done: list[int] = field(default_factory=list)
    worked: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def do(self, hosts: tuple[Host, ...]) -> Worked:
        self.done.append(len(hosts))
        self.worked += [host.name for host in hosts]
        self.during(f"do-{len(self.done)}")
        outcomes = tuple(
            Outcome(host=host.name, status=self.statuses.get(host.name, Status.SUCCESS)) for host in hosts
        )
        return Worked(outcomes=outcomes, stopped=self.stop_in_wave == len(self.done))

    async def on_hosts(self, name: str, command: Command, hosts: Sequence[Host], /) -> Sequence[Outcome]:
        return [Outcome(host=host.name, status=Status.SUCCESS) for host in hosts]

    def view(self, wave: Wave, worked: Worked) -> GateView:
        return GateView(
            run_id="run",
            wave=wave.number,
            of=wave.of,
            hosts=wave.hosts,
            outcomes=worked.outcomes,
            run_on_hosts=self.on_hosts,
            folder=RunFolder(Path("nowhere")),
            redact=lambda text: text.replace("hunter22", "***"),
        )

    async def note(self, type_: str, /, **fields: Any) -> None:
        self.records.append({"type": type_, **fields})
        self.during(type_)

    async def ask(self, question: str) -> bool | None:
        self.asked.append(question)
        return self.answers.pop(0)

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.during(type(event).__name__)

    async def roll(self, waves: str = "1,10%,50%,100%", *, first: int = 0, **settings: Any) -> Rolled:
        async with asyncio.timeout(30):
            return await roll(
                Rollout(waves=parse_waves(waves), **settings),
                HOSTS,
                do=self.do,
                view=self.view,
                note=self.note,
                audience=Audience([self.tell]),
                control=self.control,
                ask=self.ask,
                first=first,
            )

    @property
    def types(self) -> list[str]:
        return [record["type"] for record in self.records]

    def at(self, moment: str, act: Callable[[], None]) -> None:
        """Do something once, when this record is written, this event told, or this wave worked on."""
        said = iter([act])

        def during(now: str) -> None:
            if now == moment:
                next(said, lambda: None)()

        self.during = during


async def test_waves_grow_and_every_host_is_worked_on_once_in_order() -> None:
    run = Rolling()
    assert await run.roll() == Rolled(state="done", next=4, of=4)
    assert run.done == [1, 9, 40, 50]
    assert run.worked == [host.name for host in HOSTS]
    assert run.types == ["wave-started", "wave-ended", "wave-passed"] * 4
    assert run.records[3] == {"type": "wave-started", "wave": 2, "of": 4, "hosts": 9}
    assert run.records[4] == {"type": "wave-ended", "wave": 2, "of": 4, "counts": {"Success": 9}}
    starts = [event for event in run.events if isinstance(event, WaveStarted)]
    assert [(event.number, event.of, len(event.hosts)) for event in starts] == [
        (1, 4, 1),
        (2, 4, 9),
        (3, 4, 40),
        (4, 4, 50),
    ]
    assert [len(event.outcomes) for event in run.events if isinstance(event, WaveEnded)] == [1, 9, 40, 50]


async def test_a_red_gate_on_the_canary_leaves_ninety_nine_hosts_untouched() -> None:
    run, gate = Rolling(), Says([False])
    rolled = await run.roll(gates=(gate,))
    assert rolled == Rolled(
        state="red",
        next=1,
        of=4,
        gate="says",
        message="wave 1/4: gate 'says' is red: password *** is wrong",
    )
    assert run.worked == ["h000"]
    assert run.types == ["wave-started", "wave-ended", "gate"]
    assert run.records[-1] == {
        "type": "gate", "wave": 1, "gate": "says", "green": False, "message": "password *** is wrong", "code": 7
    }  # fmt: skip
    assert run.events[-1] == GateChecked(1, "says", green=False, message="password *** is wrong")


async def test_a_verdict_is_on_record_before_it_is_told() -> None:
    run = Rolling()
    known: list[bool] = []
    run.at("GateChecked", lambda: known.append(run.types[-1] == "gate"))
    await run.roll(gates=(Says(),))
    assert known == [True]


async def test_gates_are_asked_after_every_wave_the_last_one_too() -> None:
    run, gate = Rolling(), Says()
    assert (await run.roll(gates=(gate,))).state == "done"
    assert [(view.wave, view.of, len(view.hosts), view.label) for view in gate.views] == [
        (1, 4, 1, "wave-1.gate-1"),
        (2, 4, 9, "wave-2.gate-1"),
        (3, 4, 40, "wave-3.gate-1"),
        (4, 4, 50, "wave-4.gate-1"),
    ]


async def test_red_after_the_last_wave_is_red_with_nothing_left_to_do() -> None:
    rolled = await Rolling().roll("1,100%", gates=(Says([True, False]),))
    assert (rolled.state, rolled.next, rolled.of) == ("red", 2, 2)


async def test_all_gates_are_asked_so_that_all_that_is_wrong_is_known() -> None:
    run = Rolling()
    gates = (Says([True], "one"), Says([False], "two"), Says([False], "three"))
    rolled = await run.roll(gates=gates)
    assert rolled.gate == "two"
    assert rolled.message.endswith("'two' is red: password *** is wrong; 1 more red")
    assert [record["green"] for record in run.records if record["type"] == "gate"] == [True, False, False]


async def test_a_gate_is_asked_again_until_it_is_green() -> None:
    run, gate = Rolling(), Says([False, False, True])
    assert (await run.roll("100%", gates=(gate,), gate_retries=5, gate_interval=0.0)).state == "done"
    assert [view.label for view in gate.views] == [
        "wave-1.gate-1",
        "wave-1.gate-1.try-2",
        "wave-1.gate-1.try-3",
    ]
    (record,) = [record for record in run.records if record["type"] == "gate"]
    assert record["green"]
    assert record["attempts"] == 3


async def test_a_gate_is_asked_no_more_often_than_was_said() -> None:
    gate = Says([False])
    assert (await Rolling().roll(gates=(gate,), gate_retries=2, gate_interval=0.0)).state == "red"
    assert len(gate.views) == 3


async def test_a_gate_that_breaks_is_red_and_says_why() -> None:
    rolled = await Rolling().roll(gates=(Says([OSError("no more sockets")]),))
    assert rolled.state == "red"
    assert "could not be checked: OSError: no more sockets" in rolled.message


async def test_what_fleetctl_cannot_go_on_from_is_no_verdict() -> None:
    with pytest.raises(StateFolderError):
        await Rolling().roll(gates=(Says([StateFolderError("disk full")]),))


async def test_gates_are_given_the_time_that_was_said() -> None:
    gate = Says()
    await Rolling().roll("100%", gates=(gate,), gate_seconds=7)
    assert gate.views[0].seconds == 7


async def test_the_hosts_of_the_wave_can_be_asked() -> None:
    run = Rolling()
    assert (await run.roll("1,100%", gates=(HostsGate("true"),))).state == "done"
    assert [record["message"] for record in run.records if record["type"] == "gate"] == [
        "ok on 1 host",
        "ok on 99 hosts",
    ]


async def test_a_wave_of_which_no_host_succeeded_is_not_followed_by_a_larger_one() -> None:
    run = Rolling(statuses={"h000": Status.UNDELIVERABLE})
    gate = Says()
    rolled = await run.roll(gates=(gate,), bake=LONG)
    assert (rolled.state, rolled.next, rolled.gate) == ("red", 1, CANARY)
    assert "wave 1/4" in rolled.message
    assert "no host of the wave succeeded" in rolled.message
    assert run.done == [1]
    assert gate.views == []
    assert run.records[-1]["gate"] == CANARY


async def test_one_success_in_a_wave_is_enough_where_there_is_no_gate() -> None:
    statuses = {f"h{number:03}": Status.FAILED for number in range(1, 9)}
    assert (await Rolling(statuses=statuses).roll()).state == "done"


async def test_the_last_wave_may_fail_whole_without_being_red() -> None:
    statuses = {f"h{number:03}": Status.FAILED for number in range(50, 100)}
    assert (await Rolling(statuses=statuses).roll()).state == "done"


async def test_a_wave_that_was_skipped_whole_is_followed() -> None:
    assert (await Rolling(statuses={"h000": Status.SKIPPED}).roll()).state == "done"


async def test_a_spent_budget_stops_before_any_gate() -> None:
    run, gate = Rolling(stop_in_wave=2), Says()
    assert await run.roll(gates=(gate,)) == Rolled(state="stopped", next=1, of=4)
    assert run.done == [1, 9]
    assert len(gate.views) == 1
    assert run.types[-1] == "wave-ended"


@pytest.mark.parametrize(
    ("moment", "done", "next_"),
    [
        ("do-1", [1], 0),
        ("wave-ended", [1], 0),
        ("wave-baking", [1], 0),
        ("Baking", [1], 0),
        ("gate", [1], 1),
        ("wave-passed", [1], 1),
    ],
)
async def test_an_interrupt_between_waves_ends_the_wait_and_starts_no_other(
    moment: str, done: list[int], next_: int
) -> None:
    run = Rolling()
    run.at(moment, run.control.stop)
    rolled = await run.roll(bake=LONG if moment in {"wave-baking", "Baking"} else 0.01, gates=(Says(),))
    assert rolled == Rolled(state="stopped", next=next_, of=4)
    assert run.done == done


async def test_an_interrupted_run_begins_no_wave() -> None:
    run = Rolling()
    run.control.stop()
    assert await run.roll(first=2) == Rolled(state="stopped", next=2, of=4)
    assert run.records == []


async def test_an_interrupt_lets_a_gate_finish_and_starts_no_other() -> None:
    run, second = Rolling(), Says()
    first = Says(before=lambda _: run.control.stop())
    assert await run.roll(gates=(first, second)) == Rolled(state="stopped", next=0, of=4)
    assert second.views == []
    assert run.records[-1]["green"]


async def test_what_an_interrupt_made_red_is_not_told_as_a_verdict() -> None:
    run = Rolling()
    gate = Says([False], before=lambda _: run.control.stop())
    assert await run.roll(gates=(gate,), gate_retries=9, gate_interval=LONG) == Rolled(
        state="stopped", next=0, of=4
    )
    assert run.types == ["wave-started", "wave-ended"]


async def test_an_interrupt_ends_the_wait_for_a_retry() -> None:
    run = Rolling()
    gate = Says([False], before=lambda _: asyncio.get_running_loop().call_later(0.05, run.control.stop))
    rolled = await run.roll(gates=(gate,), gate_retries=9, gate_interval=LONG)
    assert (rolled.state, rolled.next) == ("stopped", 0)
    assert len(gate.views) == 1


async def test_a_second_interrupt_ends_a_gate() -> None:
    run = Rolling()

    async def hang() -> None:
        run.control.cancel()
        await asyncio.sleep(LONG)

    gate = Says(before=lambda _: hang())
    assert await run.roll(gates=(gate,)) == Rolled(state="stopped", next=0, of=4)
    assert gate.ended


async def test_a_caller_that_gives_up_leaves_no_gate_behind() -> None:
    run, begun = Rolling(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.sleep(LONG)

    gate = Says(before=lambda _: hang())
    rolling = asyncio.create_task(run.roll(gates=(gate,)))
    await begun.wait()
    rolling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rolling
    assert gate.ended


async def test_between_waves_the_run_waits_and_says_so_but_not_after_the_last() -> None:
    run = Rolling()
    assert (await run.roll("1,50%,100%", bake=0.01)).state == "done"
    assert [event for event in run.events if isinstance(event, Baking)] == [Baking(1, 0.01), Baking(2, 0.01)]
    assert run.types.count("wave-baking") == 2


async def test_the_operator_is_asked_between_waves_and_not_after_the_last() -> None:
    run = Rolling(answers=[True, True])
    assert (await run.roll("1,50%,100%", pause=True)).state == "done"
    assert run.asked == ["wave 1/3 is done. Begin wave 2/3?", "wave 2/3 is done. Begin wave 3/3?"]


@pytest.mark.parametrize(
    ("answer", "why"), [(False, "the operator said no"), (None, "there is nobody to ask")]
)
async def test_without_a_yes_the_run_is_paused_with_its_wave_passed(answer: bool | None, why: str) -> None:
    run = Rolling(answers=[True, answer])
    assert await run.roll(pause=True) == Rolled(
        state="paused", next=2, of=4, message=f"paused after wave 2/4: {why}"
    )
    assert run.done == [1, 9]
    assert run.types[-1] == "wave-passed"


async def test_nobody_is_asked_after_a_red_gate() -> None:
    run = Rolling(answers=[True])
    assert (await run.roll(pause=True, gates=(Says([False]),))).state == "red"
    assert run.asked == []


async def test_an_interrupt_takes_the_question_back() -> None:
    run = Rolling()
    taken_back = []

    async def ask(_: str) -> bool | None:
        asyncio.get_running_loop().call_soon(run.control.stop)
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            taken_back.append(True)
            raise
        return True

    run.ask = ask  # type: ignore[method-assign]
    assert await run.roll(pause=True) == Rolled(state="stopped", next=1, of=4)
    assert taken_back == [True]


@pytest.mark.parametrize(("first", "done"), [(1, [9, 40, 50]), (3, [50]), (4, [])])
async def test_a_run_goes_on_where_it_is_told_to(first: int, done: list[int]) -> None:
    run = Rolling()
    assert await run.roll(first=first) == Rolled(state="done", next=4, of=4)
    assert run.done == done


async def test_a_run_that_was_stopped_by_a_gate_goes_on_from_where_it_says() -> None:
    run = Rolling()
    rolled = await run.roll(gates=(Says([True, False]),))
    again = Rolling()
    assert (await again.roll(first=rolled.next)).state == "done"
    assert run.worked + again.worked == [host.name for host in HOSTS]
