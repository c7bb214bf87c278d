"""The gate that asks the hosts of its wave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine.gates import GateTask, GateVerdict, GateView, HostsGate, first_line
from fleetctl.model import Command, Exit, Host, Outcome, Reason, Status
from fleetctl.store.runs import RunFolder

SUCCESS, FAILED, SKIPPED, AWAY = Status.SUCCESS, Status.FAILED, Status.SKIPPED, Status.UNDELIVERABLE


class Asked:
    """What a gate asked of hosts; hosts in `bad` fail with those words."""

    def __init__(self, bad: dict[str, str] | None = None, *, lost: str = "") -> None:
        self.bad, self.lost = bad or {}, lost
        self.calls: list[tuple[str, Command, list[str]]] = []

    async def __call__(self, name: str, command: Command, hosts: Sequence[Host], /) -> Sequence[Outcome]:
        self.calls.append((name, command, [host.name for host in hosts]))
        return [
            Outcome(
                host=host.name,
                status=FAILED if host.name in self.bad else SUCCESS,
                message=self.bad.get(host.name, ""),
            )
            for host in hosts
            if host.name != self.lost
        ]


def view(asked: Asked, statuses: Sequence[Status], path: Path = Path("nowhere")) -> GateView:
    names = [f"web-{number}" for number in range(1, len(statuses) + 1)]
    return GateView(
        run_id="run",
        wave=2,
        of=4,
        hosts=tuple(Host(name=name) for name in names),
        outcomes=tuple(
            Outcome(host=name, status=status) for name, status in zip(names, statuses, strict=True)
        ),
        run_on_hosts=asked,
        folder=RunFolder(path),
        label="wave-2.gate-1",
    )


async def test_only_hosts_that_did_their_work_are_asked() -> None:
    asked = Asked()
    verdict = await HostsGate("systemctl is-active app").check(
        view(asked, [SUCCESS, FAILED, AWAY, SKIPPED, SUCCESS])
    )
    assert verdict == GateVerdict(green=True, message="ok on 2 hosts")
    (call,) = asked.calls
    assert call[0] == "wave-2.gate-1"
    assert call[1].script == "systemctl is-active app"
    assert call[1].env == {"FLEETCTL_WAVE": "2"}
    assert call[2] == ["web-1", "web-5"]


async def test_one_failing_host_makes_it_red_and_is_named_with_its_words() -> None:
    asked = Asked({"web-2": "exit code 3: inactive"})
    verdict = await HostsGate("x").check(view(asked, [SUCCESS] * 3))
    assert not verdict.green
    assert verdict.message == "failed on 1 of 3 hosts: web-2: exit code 3: inactive"
    assert verdict.details == {"failed": "web-2"}


async def test_hosts_that_say_the_same_are_told_once_and_many_are_counted() -> None:
    bad = {f"web-{number}": "down" for number in range(1, 7)} | {
        f"web-{number}": f"odd {number}" for number in (8, 9, 10, 11)
    }
    verdict = await HostsGate("x").check(view(Asked(bad), [SUCCESS] * 12))
    assert verdict.message == (
        "failed on 10 of 12 hosts: web-[1-6]: down; web-8: odd 8; web-9: odd 9; and 2 hosts more"
    )


async def test_a_host_that_gave_no_answer_at_all_is_not_green() -> None:
    assert not (await HostsGate("x").check(view(Asked(lost="web-2"), [SUCCESS] * 2))).green


@pytest.mark.parametrize(
    ("statuses", "green"), [([SKIPPED, SKIPPED], True), ([FAILED, AWAY], False), ([SKIPPED, AWAY], False)]
)
async def test_with_nobody_to_ask_it_is_green_only_where_nothing_was_done(
    statuses: list[Status], *, green: bool
) -> None:
    asked = Asked()
    verdict = await HostsGate("x").check(view(asked, statuses))
    assert verdict.green is green
    assert "none to ask" in verdict.message
    assert asked.calls == []


def test_it_can_be_recorded_and_read_again() -> None:
    gate = HostsGate("test -e /run/ok &&\n  true")
    assert HostsGate.from_record(gate.record()) == gate
    assert gate.name == "hosts: test -e /run/ok && true"
    assert len(HostsGate("x" * 500).name) < 100


@pytest.mark.parametrize("record", [{}, {"Command": 1}])
def test_a_strange_record_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        HostsGate.from_record(record)


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        ([b"", b"out\n"], "out"),
        ([b"\n  \nerr  here\nmore", b"out"], "err here"),
        ([b"\xff\xfe"], "��"),
        ([], ""),
        ([b"x" * 1000], "x" * 199 + "…"),
    ],
)
def test_the_first_line_that_says_something_is_told(printed: list[bytes], line: str) -> None:
    assert first_line(*printed) == line


async def test_what_a_failing_host_said_first_is_in_its_outcome(tmp_path: Path, kit: Any) -> None:
    scripts = [
        kit.Script(out=b"fine\n"),
        kit.Script(end=Exit(code=3), out=b"inactive\nmore\n"),
        kit.Script(end=Exit(code=1), out=b"out\n", err=b"no such unit\n"),
        kit.Script(end=Exit(code=4)),
    ]
    ran = await kit.fan_out(tmp_path, scripts, task=GateTask(command=Command(script="check")))
    assert [outcome.message for outcome in ran.outcomes] == [
        "",
        "exit code 3: inactive",
        "exit code 1: no such unit",
        "exit code 4",
    ]
    assert ran.outcomes[1].reason is Reason.EXIT_CODE
